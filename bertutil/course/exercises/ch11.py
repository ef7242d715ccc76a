"""The exercises of chapter 11: a head's logits, pairs without leakage, a loop with faults, classes that move."""

import copy
import math
from collections import Counter
from itertools import combinations
from operator import index
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from bertutil.course.exercises import Exercise, Wrong, call, compare, number

Pairs = list[tuple[str, str, int]]


def _judge_logits(function: Any) -> None:
    for seed, n_rows, n_tokens, n_features, n_classes in [(0, 3, 5, 4, 2), (1, 2, 7, 6, 3), (2, 4, 4, 4, 4)]:
        generator = torch.Generator().manual_seed(seed)
        states = torch.randn(n_rows, n_tokens, n_features, generator=generator)
        weight = torch.randn(n_classes, n_features, generator=generator)
        bias = torch.randn(n_classes, generator=generator)
        answer = call(function, states.clone(), weight.clone(), bias.clone())
        right = states[:, 0] @ weight.T + bias
        if not isinstance(answer, Tensor):
            raise Wrong(f"return a tensor; this is a {type(answer).__name__}")
        answer = answer.float()
        every = states @ weight.T + bias
        slips = {
            "these are logits for every token; only [CLS] is asked for, states[:, 0]": every,
            "the bias is missing; add one number for each class": right - bias,
            "these are probabilities; the logits are the scores before the softmax": right.softmax(dim=-1),
            "these are logs of probabilities; the logits are the scores before the softmax": right.log_softmax(
                dim=-1
            ),
            "that is the mean of all tokens; [CLS] is the first one, states[:, 0]": every.mean(dim=1),
            "that is the last token; [CLS] is the first one, states[:, 0]": every[:, -1],
            "the first row of the batch was taken; [CLS] is the first token of each row, states[:, 0]": every[0],
            "that is the likeliest class; return its scores, one for each class": right.argmax(dim=-1),
            "rows and columns are exchanged; the result is [rows, classes]": right.T,
        }
        if answer.shape == right.shape and torch.allclose(answer, right, atol=1e-5):
            continue
        for reason, slip in slips.items():
            if answer.shape == slip.shape and torch.allclose(answer.to(slip.dtype), slip, atol=1e-5):
                raise Wrong(reason)
        square = n_classes == n_features
        if square and answer.shape == right.shape and torch.allclose(answer, states[:, 0] @ weight + bias, atol=1e-5):
            raise Wrong(
                "the weight is [classes, features]: each row of it belongs to a class, so multiply by weight.T"
            )
        if answer.shape != right.shape:
            raise Wrong(f"the shape is {list(answer.shape)}; it must be [rows, classes], here {list(right.shape)}")
        raise Wrong("the shape is right and the numbers are not; for each row: weight @ cls + bias")


def _judge_pairs(function: Any) -> None:
    for n_stories, n_test in [(6, 2), (9, 4), (5, 2)]:
        stories = [[f"Sentence {i} of story {s}." for i in range(5)] for s in range(n_stories)]
        answer = call(function, copy.deepcopy(stories), n_test)
        home = {text: (s, i) for s, story in enumerate(stories) for i, text in enumerate(story)}
        parts = _parts(answer, home)
        told = [{home[text][0] for first, second, _ in part for text in (first, second)} for part in parts]
        if shared := sorted(told[0] & told[1]):
            raise Wrong(
                f"story {shared[0]} is in the training part and in the test part: split the stories first, then make "
                "the pairs of each part from its own stories only"
            )
        for name, part in zip(("training", "test"), parts, strict=True):
            _check_pairs(name, part, home)
        if len(told[1]) != n_test:
            swapped = " (are the parts exchanged?)" if len(told[0]) == n_test else ""
            raise Wrong(f"the test part has {len(told[1])} stories, and n_test is {n_test}{swapped}")
        if len(told[0]) != n_stories - n_test:
            raise Wrong(f"the training part has {len(told[0])} stories; {n_stories - n_test} are left for it")
        _check_places([(home[a][1], home[b][1]) for part in parts for a, b, label in part if not label])


def _parts(answer: Any, home: dict[str, tuple[int, int]]) -> tuple[Pairs, Pairs]:
    try:
        train, test = answer
        parts = [(a, b, index(label)) for a, b, label in train], [(a, b, index(label)) for a, b, label in test]
    except (TypeError, ValueError):
        raise Wrong(
            "return two lists, train and test, of triples (first sentence, second sentence, label); the label is the "
            "number 1 or 0"
        ) from None
    for part in parts:
        for pair in part:
            if not {*pair[:2]} <= home.keys() or pair[2] not in (0, 1):
                raise Wrong(f"{pair} is not (first sentence, second sentence, label), with the label 1 or 0")
    return parts


def _check_pairs(name: str, part: Pairs, home: dict[str, tuple[int, int]]) -> None:
    """Every pair has the right label and there are as many of both; the wrong sentence is from another story."""
    follows = [
        home[first][0] == home[second][0] and home[second][1] == home[first][1] + 1 for first, second, _ in part
    ]
    labels = [label for *_, label in part]
    backwards = [home[second][1] == home[first][1] - 1 for first, second, label in part if label == 1]
    if labels and labels == [int(not real) for real in follows]:
        raise Wrong("the labels are the wrong way round: 1 where the second sentence follows the first, 0 otherwise")
    if backwards and all(backwards):
        raise Wrong("the pairs run backwards: the earlier sentence comes first")
    for (first, second, label), real in zip(part, follows, strict=True):
        shown = f"({first!r}, {second!r}) has the label {label}"
        if label and not real:
            raise Wrong(f"{shown}, and the second sentence does not follow the first")
        if real and not label:
            raise Wrong(f"{shown}, and the second sentence does follow the first")
        if not label and home[first][0] == home[second][0]:
            raise Wrong(f"{shown}; the wrong sentence must come from another story")
    stories = {home[first][0] for first, *_ in part}
    counts = Counter(home[first][0] for first, _, label in part if not label)
    if sum(labels) != 4 * len(stories) or len({pair for pair in part if pair[2]}) != sum(labels):
        raise Wrong(f"the {name} part has {sum(labels)} pairs with label 1; a story has 4, each of them once")
    if labels.count(0) != sum(labels):
        raise Wrong(f"the {name} part has {sum(labels)} pairs with label 1 and {labels.count(0)} with label 0")
    if set(counts.values()) != {4}:
        raise Wrong(
            f"the {name} part has pairs with label 0 for each story: {[counts[s] for s in sorted(stories)]}; each "
            "story gives four, as it gives four true ones"
        )


def _check_places(wrong: list[tuple[int, int]]) -> None:
    """One sentence alone must not give the label away. `wrong`: the places of both sentences of the wrong pairs."""
    firsts, seconds = map(set, zip(*wrong, strict=True))
    if 0 in seconds:
        raise Wrong(
            "this leaks the label: a wrong second sentence opens its story, and no true pair ends with such a one. "
            "Who sees it knows the label without the first sentence; take it from other[1:]"
        )
    if 4 in firsts:
        raise Wrong(
            "this leaks the label: a wrong pair begins with the last sentence of a story, and no true pair does. "
            "Who sees it knows the label without the second sentence; take the first sentences of the true pairs"
        )
    for name, places in (("first", firsts), ("second", seconds)):
        if len(places) == 1:
            raise Wrong(
                f"this leaks the label: the {name} sentence of every wrong pair stands at the same place of its "
                "story, those of true pairs at four places. Who sees it can mostly guess the label; let i choose it"
            )


FAULTS = {
    "mode": "the model trains in evaluation mode, without dropout: call model.train() before the batches",
    "softmax": "cross_entropy gets probabilities; it wants the logits, and takes the softmax itself",
    "zero": "gradients of earlier batches are still in there: call optimizer.zero_grad() before each backward()",
    "step": "the weights do not move: optimizer.step() must follow loss.backward(), without zero_grad() in between",
    "first": "only one batch is used",
}


def _judge_epoch(function: Any) -> None:
    for seed, n_batches in [(0, 3), (1, 4)]:
        with torch.enable_grad():
            torch.manual_seed(seed)
            model = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Dropout(0.5), nn.Linear(16, 3)).eval()
            batches = [(torch.randn(6, 4), torch.randint(3, (6,))) for _ in range(n_batches)]
            trained, expected = _epoch(model, batches, seed, ())
            own = copy.deepcopy(model)
            torch.manual_seed(seed)
            optimizer = torch.optim.SGD(own.parameters(), lr=0.5)
            answer = call(function, own, optimizer, [(inputs.clone(), target.clone()) for inputs, target in batches])
            if not _same(own, trained):
                raise Wrong(_epoch_reason(own, model, batches, seed))
        loss = number(answer)
        if own.training:
            raise Wrong("the weights are right, and the model is left in training mode: call model.eval() at the end")
        if not abs(loss - expected) < 1e-4:
            what = (
                ": that is the sum, divide by the number of batches"
                if abs(loss - expected * n_batches) < 1e-4
                else ""
            )
            raise Wrong(f"the weights are right; the mean loss is {expected:.4f} and yours {loss:.4f}{what}")


def _epoch(
    model: nn.Module, batches: list[Any], seed: int, faults: tuple[str, ...], clip: float = math.inf
) -> tuple[nn.Module, float]:
    """Train a copy of the model for one epoch, with these faults in the loop; and the mean loss."""
    torch.manual_seed(seed)
    model, losses = copy.deepcopy(model), []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    model.train("mode" not in faults)
    for inputs, target in batches[: 1 if "first" in faults else None]:
        logits = model(inputs)
        loss = functional.cross_entropy(logits.softmax(dim=-1) if "softmax" in faults else logits, target)
        if "zero" not in faults:
            optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), clip)
        if "step" not in faults:
            optimizer.step()
        losses.append(loss.item())
    return model, sum(losses) / len(losses)


def _epoch_reason(own: nn.Module, model: nn.Module, batches: list[Any], seed: int) -> str:
    if _same(own, model):
        return FAULTS["step"]
    names = [name for name in FAULTS if name != "step"]
    for count in range(1, len(names) + 1):
        for faults in combinations(names, count):
            if _same(own, _epoch(model, batches, seed, faults)[0]):
                return "; and ".join(FAULTS[name] for name in faults)
    for clip in (1.0, 0.5, 0.1):
        if _same(own, _epoch(model, batches, seed, (), clip)[0]):
            return (
                f"the gradients are clipped to the length {clip}, and all the rest is right. Clipping is a remedy "
                "for jumps, and no step of this loop; leave it out"
            )
    return (
        "the weights after the epoch are not the right ones; for each batch in turn: logits, loss, zero_grad, "
        "backward, step, each of them once and nothing else, such as clipped gradients"
    )


def _same(one: nn.Module, other: nn.Module) -> bool:
    both = zip(one.parameters(), other.parameters(), strict=True)
    return all(torch.allclose(a, b, atol=1e-5) for a, b in both)


def _judge_apart(function: Any) -> None:
    answers, expected, cases = [], [], []
    slips: dict[str, list[float]] = {}
    for seed, n, n_classes in [(0, 8, 2), (1, 11, 3), (2, 9, 2)]:
        generator = torch.Generator().manual_seed(seed)
        labels = torch.randperm(n, generator=generator) % n_classes
        before, after, centres = torch.randn(3, n, 6, generator=generator).add(0.5)
        after = after + 2 * centres[labels]
        answers.append(number(call(function, before.clone(), after.clone(), labels.clone())))
        (old, new), (old_dot, new_dot) = [
            [_means(x if dot else functional.normalize(x, dim=-1), labels) for x in (before, after)]
            for dot in (False, True)
        ]
        expected.append(new.same - new.other - (old.same - old.other))
        cases.append(f"{n} sentences with {n_classes} different answers")
        for reason, value in {
            "the sign is the wrong way round: after minus before, and same answer minus other answer": -expected[-1],
            "that is the difference after training; take off the one before": new.same - new.other,
            "that is the difference before training; the growth from before to after is asked for": old.same
            - old.other,
            "each sentence is paired with itself, too: that cosine is always 1; leave the diagonal out": (
                new.itself - new.other - (old.itself - old.other)
            ),
            "these are dot products; a cosine divides by both lengths": (
                new_dot.same - new_dot.other - (old_dot.same - old_dot.other)
            ),
            "those are the pairs with the same answer only; take off the mean of the other pairs": new.same
            - old.same,
            "those are the pairs with different answers only": new.other - old.other,
        }.items():
            slips.setdefault(reason, []).append(value)
    compare(answers, expected, slips, cases)


class _Means(NamedTuple):
    same: float
    other: float
    itself: float  # as same, with the diagonal


def _means(vectors: Tensor, labels: Tensor) -> _Means:
    """Mean product of pairs with the same label, and with different ones."""
    products, alike = vectors @ vectors.T, labels[:, None] == labels
    apart = alike & ~torch.eye(len(labels), dtype=torch.bool)
    return _Means(*(products[which].mean().item() for which in (apart, ~alike, alike)))


logits = Exercise(
    "head-on-cls",
    _judge_logits,
    [
        "Which vector of each row is [CLS]? And which two numbers of a shape must agree for the product?",
        "states[:, 0] is [rows, features] and weight is [classes, features]: transpose the weight.",
    ],
)

pairs = Exercise(
    "pairs-by-story",
    _judge_pairs,
    [
        "Cut the list of stories in two before you make any pair. Then write one helper for both parts.",
        "In the helper: for story s and place i from 0 to 3, (story[i], story[i + 1], 1). For label 0 take the "
        "second sentence from another story of the same list.",
        "The other story can be the next one, with % len(part) so that the last one takes the first.",
    ],
)

epoch = Exercise(
    "one-epoch",
    _judge_epoch,
    [
        "Go through the steps of the chapter's loop one by one: which are missing here, and which are too many?",
        "There are four: the mode at the beginning, what goes into the loss, what happens to old gradients, the mode "
        "at the end.",
        "model.train(); for each batch: logits, loss of the logits, zero_grad, backward, step; then model.eval().",
    ],
)

apart = Exercise(
    "classes-apart",
    _judge_apart,
    [
        "Write a helper for one set of vectors: the mean cosine of one kind of pairs minus that of the other.",
        "labels[:, None] == labels is True where the answers are the same; the diagonal is no pair.",
        "With same = the equal ones without the diagonal: cosines[same].mean() - cosines[labels[:, None] != labels]"
        ".mean(). Return that of after minus that of before.",
    ],
)
