"""The exercises of chapter 8: a weighted sum of layers, names from tags, choosing a layer, what to begin with."""

from collections.abc import Callable
from operator import index
from typing import Any

import torch
from torch import Tensor

from bertutil.course.exercises import Exercise, Wrong, call

Span = tuple[str, int, int]


def _judge_mix(function: Any) -> None:
    for seed, n_words, n_layers, n_features, gamma in [(0, 4, 3, 5, 2.0), (1, 1, 7, 2, 0.5), (2, 6, 4, 4, 1.5)]:
        generator = torch.Generator().manual_seed(seed)
        states = torch.randn(n_words, n_layers, n_features, generator=generator)
        scores = torch.randn(n_layers, generator=generator)
        answer = call(function, states.clone(), scores.clone(), gamma)
        if not isinstance(answer, Tensor):
            raise Wrong(f"return a tensor; this is a {type(answer).__name__}")
        if list(answer.shape) != [n_words, n_features]:
            raise Wrong(
                f"for states {list(states.shape)} the shape is {list(answer.shape)}; it must be "
                f"{[n_words, n_features]}, one vector a word: sum over the layers, axis 1"
            )
        if not torch.allclose(answer.float(), _mix(states, scores.softmax(0)) * gamma, atol=1e-5):
            raise Wrong(_mix_reason(answer, states, scores, gamma))


def _mix(states: Tensor, weights: Tensor) -> Tensor:
    return (states * weights[:, None]).sum(dim=1)


def _mix_reason(answer: Tensor, states: Tensor, scores: Tensor, gamma: float) -> str:
    weights = scores.softmax(dim=0)
    for wrong, reason in [
        (_mix(states, weights), "gamma is missing: the whole sum is multiplied by it"),
        (
            _mix(states, scores) * gamma,
            "the scores themselves are taken for weights; the softmax makes weights of them",
        ),
        (_mix(states, scores), "the softmax of the scores is missing, and gamma too"),
        (_mix(states, (gamma * scores).softmax(0)), "gamma stands inside the softmax; it multiplies the sum"),
        (_mix(states, weights) / gamma, "the sum is divided by gamma; multiply it"),
        (
            _mix(states, weights) * gamma / len(scores),
            "this is the mean over the layers; the weights sum to 1: add up",
        ),
        (states.mean(dim=1) * gamma, "all layers count the same; each must count by its own weight"),
        (states.sum(dim=1) * gamma, "the layers are added up without weights"),
        (_mix(states, scores.exp()) * gamma, "exp(scores) must be divided by its sum; softmax does both"),
        (
            _mix(states, scores / scores.sum()) * gamma,
            "the softmax takes the exponential before it divides by the sum",
        ),
        (_mix(states, weights) + gamma, "gamma is added; multiply by it"),
        (states[:, int(scores.argmax())] * gamma, "this is the layer with the highest score alone"),
        (_mix(states.flip(1), weights) * gamma, "the weights go with the layers in the wrong order"),
    ]:
        if torch.allclose(answer.float(), wrong, atol=1e-5):
            return reason
    return f"for {len(scores)} layers and gamma {gamma} the vectors are not the right ones"


def _judge_spans(function: Any) -> None:
    found = [_as_spans(call(function, text.split()), text) for text in TAGGED]
    right = [_spans(text.split()) for text in TAGGED]
    if found == right:
        return
    for reason, slip in SPAN_SLIPS.items():
        if found == [slip(text.split()) for text in TAGGED]:
            raise Wrong(reason)
    text, own, expected = next(row for row in zip(TAGGED, found, right, strict=True) if row[1] != row[2])
    raise Wrong(f"for {text}: it returns {sorted(own, key=str)}; expected is {sorted(expected)}")


def _as_spans(answer: Any, text: str) -> set[Any]:
    if isinstance(answer, str | dict) or not hasattr(answer, "__iter__"):
        raise Wrong(f"return a list or set of tuples (kind, start, end); this is of the type {type(answer).__name__}")
    try:
        found = [tuple(span) if isinstance(span, tuple | list) else span for span in answer]
    except TypeError:  # a tensor of no dimension has __iter__, and cannot be gone through
        raise Wrong(f"return a list or set of tuples (kind, start, end); this is {answer!r}") from None
    if any(not isinstance(span, tuple) or len(span) != 3 for span in found):
        raise Wrong(f"for {text}: an entity has three parts: kind, first word, word after the last one")
    if len({*found}) < len(found):
        raise Wrong(f"for {text}: an entity is listed twice: {found}")
    return {*found}


def _spans(tags: list[str], stray: bool = True, mixed: bool = False, glued: bool = False) -> set[Span]:
    """The entities; the options make the typical mistakes."""
    spans: set[Span] = set()
    kind, start = "", 0
    for i, tag in enumerate([*tags, "O"]):
        mark, _, name = tag.partition("-")
        inside = mark == "I" or (glued and mark == "B")
        if inside and kind and (name == kind or mixed):
            continue
        if kind:
            spans.add((kind, start, i))
        kind, start = (name if mark == "B" or stray else ""), i
    return spans


def _changed(change: Callable[[str, int, int], tuple[Any, ...]]) -> Callable[[list[str]], set[Any]]:
    return lambda tags: {change(*span) for span in _spans(tags)}


TAGGED = (
    "O O",
    "B-PER I-PER O B-LOC O",
    "O B-ORG I-ORG I-ORG",
    "B-PER B-PER I-PER",
    "B-PER I-LOC I-LOC O",
    "O I-LOC I-LOC O I-PER",
    "I-PER B-PER I-PER I-ORG",
)
SPAN_SLIPS: dict[str, Callable[[list[str]], set[Any]]] = {
    "the end is the word AFTER the last one, so that words[start:end] is the whole name": _changed(
        lambda kind, start, end: (kind, start, end - 1)
    ),
    "words are counted from 0": _changed(lambda kind, start, end: (kind, start + 1, end + 1)),
    "the end is an index, not the number of words": _changed(lambda kind, start, end: (kind, start, end - start)),
    "the kind stands first: (kind, start, end)": _changed(lambda kind, start, end: (start, end, kind)),
    "the kind goes without its B- or I-": lambda tags: {(tags[a], a, b) for _, a, b in _spans(tags)},
    "the entity that reaches to the end of the sentence is lost": lambda tags: {
        span for span in _spans(tags) if span[2] < len(tags)
    },
    "an I- without an entity of its kind before it begins one, as in conlleval; here it is lost": lambda tags: _spans(
        tags, stray=False
    ),
    "an I- of another kind does not continue an entity; it begins a new one": lambda tags: _spans(tags, mixed=True),
    "a B- begins a new entity, also directly after another one of its kind": lambda tags: _spans(tags, glued=True),
}


def _judge_choice(function: Any) -> None:
    found, right, accuracies, by_fold = [], [], [], []
    for seed, n_layers, best in [(0, 4, 2), (1, 3, 0), (2, 5, 4)]:
        states, labels, folds = _layers_to_choose_from(seed, n_layers, best)
        folds = folds[seed:] + folds[:seed]  # no place among the folds decides
        probe = _Probe()
        answer = call(function, states.clone(), list(labels), [list(fold) for fold in folds], probe)
        probe.check(states, labels, folds)
        try:
            found.append(index(answer))
        except TypeError:
            raise Wrong(f"it returns {answer!r:.60}; return the number of the layer, a whole number from 0") from None
        if not 0 <= found[-1] < n_layers:
            raise Wrong(
                f"it returns {found[-1]}, and the layers are 0 to {n_layers - 1}: the layer's number is asked for, "
                "counted from 0, and not how many answers are right"
            )
        right.append(best)
        accuracies.append([_held_out(states[:, k], labels, folds) for k in range(n_layers)])
        by_fold.append([[_held_out(states[:, k], labels, [fold]) for k in range(n_layers)] for fold in folds])
    if found == right:
        return
    if found == [own.index(min(own)) for own in accuracies]:
        raise Wrong("this is the layer with the lowest accuracy; the highest is asked for")
    for place, name in ((0, "first"), (-1, "last")):
        if found == [own[place].index(max(own[place])) for own in by_fold]:
            raise Wrong(f"this layer is the best one on the {name} fold; add up the right answers over all folds")
    if all(k != best and k == (best - 1) % n for k, best, n in zip(found, right, map(len, accuracies), strict=True)):
        raise Wrong(
            "this layer wins most of the folds, but another one has more right answers; add up the right answers "
            "over all folds first"
        )
    k = next(k for k in range(len(found)) if found[k] != right[k])
    shown = ", ".join(f"{value:.2f}" for value in accuracies[k])
    raise Wrong(
        f"the accuracies on the held-out rows are, by layer, {shown}; it returns layer {found[k]}. "
        "The probe was trained and tried as it should; so look at how its answers are counted: they come in the "
        "order of the rows that were tried, and each belongs to the label of its own row"
    )


def _layers_to_choose_from(seed: int, n_layers: int, best: int) -> tuple[Tensor, list[str], list[list[int]]]:
    """Random layers, of which `best` tells the labels apart, and the one below it in two of three equal folds."""
    generator = torch.Generator().manual_seed(seed)
    kinds = torch.arange(36) % 3
    states = torch.randn(36, n_layers, 6, generator=generator)
    order = torch.randperm(36, generator=generator).tolist()
    folds = [order[:12], order[12:24], order[24:]]
    signal = 4 * torch.eye(3, 6)[kinds]
    for layer, lacking in ((best, folds[0][:4] + folds[1][:4]), (best - 1, folds[2])):
        kept = torch.ones(36, 1)
        kept[lacking] = 0
        states[:, layer] += kept * signal
    return states, ["abc"[k] for k in kinds], folds


def _nearest(vectors: Tensor, labels: list[str], test: Tensor) -> list[str]:
    """The label of the nearest training row: a probe that knows its training rows by heart."""
    return [labels[i] for i in torch.cdist(test, vectors).argmin(dim=1).tolist()]


def _held_out(vectors: Tensor, labels: list[str], folds: list[list[int]]) -> float:
    right = 0
    for fold in folds:
        rest = [i for i in range(len(labels)) if i not in fold]
        answer = _nearest(vectors[rest], [labels[i] for i in rest], vectors[fold])
        right += sum(a == labels[i] for a, i in zip(answer, fold, strict=True))
    return right / len(labels)


class _Probe:
    """The nearest neighbour as a probe, which remembers what it was given."""

    def __init__(self) -> None:
        self._calls: list[tuple[Tensor, list[str], Tensor]] = []

    def __call__(self, vectors: Tensor, labels: list[str], test: Tensor) -> list[str]:
        if vectors.ndim != 2 or test.ndim != 2:
            raise ValueError("the probe takes one layer at a time, [rows, features]: states[rows, layer]")
        if len(vectors) != len(labels):
            raise ValueError(f"the probe got {len(vectors)} vectors and {len(labels)} labels")
        self._calls.append((vectors, list(labels), test))
        return _nearest(vectors, labels, test)

    def check(self, states: Tensor, labels: list[str], folds: list[list[int]]) -> None:
        """Raise Wrong where it was not trained and tried as cross-validation does."""
        if not self._calls:
            raise Wrong("the probe was never called: probe(vectors, labels, test_vectors) returns labels")
        n, n_layers = states.shape[:2]
        for vectors, own, test in self._calls:
            if (test[:, None] == vectors[None]).all(dim=2).any():
                raise Wrong("the probe is tried on rows it was trained on and knows by heart; keep the fold out")
            if len(test) > len(vectors):
                raise Wrong("training rows and held-out rows are exchanged: train on the rest, try on the fold")
            rows = (vectors[:, None, None] == states).all(dim=3).any(dim=2).int().argmax(dim=1).tolist()
            if own != [labels[i] for i in rows]:
                raise Wrong("the labels that the probe learns are not those of its rows: [labels[i] for i in rest]")
            if len(vectors) not in [n - len(fold) for fold in folds]:
                raise Wrong(
                    f"the probe was trained on {len(vectors)} of {n} rows; train it on ALL rows outside the fold"
                )
        if sum(len(test) for *_, test in self._calls) < n * n_layers:
            raise Wrong("some rows are never held out, or some layers never tried: each layer takes every fold")


Table = tuple[dict[str, float], dict[str, tuple[float, float]], dict[str, int]]

TABLES: list[Table] = [
    (
        {"last": 0.62, "sum of two": 0.705, "second to last": 0.70, "sum": 0.71, "concatenation": 0.72},
        {
            "last": (0.05, 0.15),
            "sum of two": (-0.02, 0.05),
            "second to last": (-0.01, 0.05),
            "sum": (-0.02, 0.04),
            "concatenation": (0.0, 0.0),
        },
        {"last": 1, "sum of two": 1, "second to last": 1, "sum": 1, "concatenation": 4},
    ),
    (
        {"layer 0": 0.50, "layer 1": 0.60, "layer 2": 0.66, "layer 3": 0.68, "layer 4": 0.65},
        {
            "layer 0": (0.10, 0.25),
            "layer 1": (0.03, 0.12),
            "layer 2": (0.004, 0.04),
            "layer 3": (0.0, 0.0),
            "layer 4": (-0.01, 0.06),
        },
        {"layer 0": 0, "layer 1": 1, "layer 2": 2, "layer 3": 3, "layer 4": 4},
    ),
    (
        {"layer 5": 0.81, "layer 6": 0.90, "layer 7": 0.897, "layer 8": 0.84},
        {"layer 5": (0.006, 0.14), "layer 6": (0.0, 0.0), "layer 7": (-0.03, 0.04), "layer 8": (0.001, 0.12)},
        {"layer 5": 5, "layer 6": 6, "layer 7": 7, "layer 8": 8},
    ),
    (
        {"tiny": 0.20, "small": 0.50, "middle": 0.60, "large": 0.61},
        {"tiny": (0.3, 0.5), "small": (-0.02, 0.24), "middle": (-0.05, 0.07), "large": (0.0, 0.0)},
        {"tiny": 5, "small": 9, "middle": 10, "large": 20},
    ),
    (
        {"all side by side": 0.572, "sum of four": 0.55, "sum of all": 0.57, "embeddings": 0.31},
        {
            "sum of four": (-0.03, 0.07),
            "sum of all": (-0.04, 0.05),
            "embeddings": (0.19, 0.33),
            "all side by side": (0.0, 0.0),
        },
        {"sum of four": 384, "sum of all": 384, "embeddings": 384, "all side by side": 4608},
    ),
]
A_LEAD = 0.005  # the smallest one that some wrong answers ask for; told apart is any interval above 0


def _cheapest(table: Table, kept: Callable[[float, float], bool], worse: bool = False) -> str:
    """The cheapest of the names whose interval is kept; of equally cheap ones the better (or the worse)."""
    scores, behind, costs = table
    names = [name for name in scores if kept(*behind[name])] or list(scores)
    return min(names, key=lambda name: (costs[name], scores[name] if worse else -scores[name]))


BEGINNINGS: dict[str, Callable[[Table], str]] = {
    "this is the best one (or the upper end is looked at); a cheaper one may not be told apart from it": lambda t: (
        max(t[0], key=lambda n: t[0][n])
    ),
    "this is the cheapest of all, also where it is told apart from the best": lambda t: _cheapest(
        t, lambda a, b: True
    ),
    "this is the first of the cheapest, also where it is told apart from the best": lambda t: min(
        t[0], key=lambda name: t[2][name]
    ),
    "of those that are not told apart this takes the one with the lowest score; take the cheapest": lambda t: min(
        (name for name in t[0] if t[1][name][0] <= 0), key=lambda name: t[0][name]
    ),
    "this weighs scores against costs; of those that are not told apart only the cost counts": lambda t: max(
        (name for name in t[0] if t[1][name][0] <= 0), key=lambda name: t[0][name] / t[2][name]
    ),
    "here an interval that begins a little above 0 is not told apart; all that leave out 0 are": lambda t: _cheapest(
        t, lambda a, b: a < A_LEAD
    ),
    "the best one is lost: its interval is (0, 0), and it is not told apart from itself": lambda t: _cheapest(
        t, lambda a, b: a < 0
    ),
    "this takes the cheapest of those that ARE told apart from the best": lambda t: _cheapest(t, lambda a, b: a > 0),
    "of equally cheap ones this takes the one with the lowest score; take the highest": lambda t: _cheapest(
        t, lambda a, b: a <= 0, worse=True
    ),
    "of equally cheap ones this takes the first; take the one with the highest score": lambda t: min(
        (name for name in t[0] if t[1][name][0] <= 0), key=lambda name: t[2][name]
    ),
    "this is the dearest of those that are not told apart; take the cheapest": lambda t: max(
        (name for name in t[0] if t[1][name][0] <= 0), key=lambda name: t[2][name]
    ),
    "this looks at the distance of the scores; look at the lower end of its interval": lambda t: min(
        (name for name in t[0] if max(t[0].values()) - t[0][name] < A_LEAD), key=lambda name: t[2][name]
    ),
}


def _judge_begin(function: Any) -> None:
    found: list[str] = []
    for scores, behind, costs in TABLES:
        answer = call(function, dict(scores), dict(behind), dict(costs))
        if not isinstance(answer, str) or answer not in scores:
            raise Wrong(f"it returns {answer!r:.60}; return one of the names, such as {next(iter(scores))!r}")
        found.append(answer)
    right = [_cheapest(table, lambda a, b: a <= 0) for table in TABLES]
    if found == right:
        return
    for reason, rule in BEGINNINGS.items():
        if found == [rule(table) for table in TABLES]:
            raise Wrong(reason)
    k = next(k for k in range(len(found)) if found[k] != right[k])
    raise Wrong(f"for the scores {TABLES[k][0]} it returns {found[k]!r}, and {right[k]!r} is right")


layer_mix = Exercise(
    "layer-mix",
    _judge_mix,
    [
        "Three steps: weights from the scores, each layer times its weight, the sum over the layers. Then gamma.",
        "weights = scores.softmax(dim=0). They must stand beside axis 1 of states [words, layers, features].",
        "weights[:, None] has the shape [layers, 1]; states * weights[:, None], then .sum(dim=1), then * gamma.",
    ],
)

spans = Exercise(
    "entity-spans",
    _judge_spans,
    [
        "Go through the tags with one entity open at most. When does it close, and when does a new one begin?",
        "An open entity closes before a tag that is not the I- of its kind. That tag opens one, unless it is O.",
        "Put one more 'O' behind the tags: then the last entity closes like the others. End = the index at closing.",
    ],
)

choose_layer = Exercise(
    "choose-layer",
    _judge_choice,
    [
        "Two loops: for each layer, for each fold. What does the probe learn from, and what is it tried on?",
        "rest = [i for i in range(len(labels)) if i not in fold]; train on states[rest, layer].",
        "Add up how many labels of the fold are right, over all folds; return the layer with the largest count.",
    ],
)

to_begin_with = Exercise(
    "layer-to-begin-with",
    _judge_begin,
    [
        "Two steps: which names are not told apart from the best? And which of these is the cheapest?",
        "tied = [name for name in scores if behind[name][0] <= 0]; the best one is among them by itself.",
        "min takes a key, and a key may be a pair: the cost first, then the score with a minus, so that of equal "
        "costs the highest score comes first.",
    ],
)
