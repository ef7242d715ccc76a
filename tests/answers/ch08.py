"""Right and wrong answers to the exercises of chapter 8; a wrong one with a part of the reply that it deserves."""

import torch

from bertutil.course.exercises import ch08
from bertutil.probes import entity_spans


def mix(states, scores, gamma):
    return gamma * (states * scores.softmax(dim=0)[:, None]).sum(dim=1)


def mix_otherwise(states, scores, gamma):
    powers = scores.double().exp()
    return gamma * torch.einsum("wlf,l->wf", states.double(), powers / powers.sum())


def spans_by_index(tags):
    found, start = [], None
    for i, tag in enumerate(tags):
        before = tags[i - 1] if i else "O"
        if tag != "O" and (tag.startswith("B") or before[2:] != tag[2:]):
            start = i
        following = tags[i + 1] if i + 1 < len(tags) else "O"
        if tag != "O" and (following == "O" or following.startswith("B") or following[2:] != tag[2:]):
            found.append([tag[2:], start, i + 1])
    return found


def accuracies(states, labels, folds, probe):
    result = []
    for layer in range(states.shape[1]):
        right = 0
        for fold in folds:
            rest = [i for i in range(len(labels)) if i not in fold]
            answer = probe(states[rest, layer], [labels[i] for i in rest], states[fold, layer])
            right += sum(a == labels[i] for a, i in zip(answer, fold, strict=True))
        result.append(right)
    return result


def choose(*given):
    result = accuracies(*given)
    return result.index(max(result))


def choose_otherwise(states, labels, folds, probe):
    scores = torch.zeros(states.shape[1])
    for fold in folds:
        kept = torch.ones(len(labels), dtype=torch.bool)
        kept[fold] = False
        own = [label for label, keep in zip(labels, kept, strict=True) if keep]
        for layer, vectors in enumerate(states.unbind(dim=1)):
            answer = probe(vectors[kept], own, vectors[fold])
            scores[layer] += sum(a == labels[i] for a, i in zip(answer, fold, strict=True)) / len(fold)
    return scores.argmax()


def peeking(states, labels, folds, probe):
    right = [sum(map(str.__eq__, probe(layer, labels, layer), labels)) for layer in states.unbind(dim=1)]
    return right.index(max(right))


def exchanged(states, labels, folds, probe):
    rest = [[i for i in range(len(labels)) if i not in fold] for fold in folds]
    return choose(states, labels, rest, probe)


def all_layers_at_once(states, labels, folds, probe):
    return probe(states[12:], labels[12:], states[:12])


def by_majority(states, labels, folds, probe):
    wins = []
    for fold in folds:
        rest = [i for i in range(len(labels)) if i not in fold]
        right = [
            sum(a == labels[i] for a, i in zip(probe(x[rest], [labels[j] for j in rest], x[fold]), fold, strict=True))
            for x in states.unbind(dim=1)
        ]
        wins.append(right.index(max(right)))
    return max(sorted(set(wins)), key=wins.count)


def begin(scores, behind, costs):
    tied = [name for name in scores if behind[name][0] <= 0]
    return min(tied, key=lambda name: (costs[name], -scores[name]))


def begin_with_loops(scores, behind, costs):
    chosen = None
    for name in sorted(scores, key=scores.get, reverse=True):
        low, _ = behind[name]
        if low <= 0 and (chosen is None or costs[name] < costs[chosen]):
            chosen = name
    return chosen


def tied(behind):
    return [name for name, (low, _) in behind.items() if low <= 0]


def by_score(states, labels, folds, probe, score, others=2, known=None, order=list):
    """The layer with the highest score of its right answers in each fold; `others` of the other folds teach."""
    known = known or (lambda labels, rest: [labels[i] for i in rest])
    scores = []
    for layer in range(states.shape[1]):
        right = []
        for k, fold in enumerate(folds):
            rest = [i for j in range(1, 1 + others) for i in folds[k - j]]
            answers = probe(states[rest, layer], known(labels, rest), states[order(fold), layer])
            right.append(sum(a == labels[i] for a, i in zip(answers, fold, strict=True)))
        scores.append(score(right))
    return scores.index(max(scores))


RIGHT = [
    (ch08.to_begin_with, begin),
    (ch08.to_begin_with, begin_with_loops),
    (ch08.layer_mix, mix),
    (ch08.layer_mix, mix_otherwise),
    (ch08.spans, entity_spans),
    (ch08.spans, spans_by_index),
    (ch08.choose_layer, choose),
    (ch08.choose_layer, choose_otherwise),
]

WRONG = [
    (ch08.choose_layer, by_majority, "wins most of the folds"),
    (ch08.to_begin_with, lambda s, b, c: max(s, key=s.get), "this is the best one"),
    (ch08.to_begin_with, lambda s, b, c: min(s, key=lambda n: (c[n], -s[n])), "the cheapest of all"),
    (
        ch08.to_begin_with,
        lambda s, b, c: min((n for n in s if b[n][0] < 0.005), key=lambda n: (c[n], -s[n])),
        "a little above 0 is not told apart",
    ),
    (
        ch08.to_begin_with,
        lambda s, b, c: min((n for n in s if b[n][0] < 0), key=lambda n: (c[n], -s[n])),
        "the best one is lost",
    ),
    (
        ch08.to_begin_with,
        lambda s, b, c: min((n for n in s if b[n][0] > 0), key=lambda n: (c[n], -s[n]), default=[*s][-1]),
        "ARE told apart",
    ),
    (ch08.to_begin_with, lambda s, b, c: min(tied(b), key=lambda n: (c[n], s[n])), "the lowest score"),
    (ch08.to_begin_with, lambda s, b, c: min(tied(b), key=c.get), "takes the first"),
    (ch08.to_begin_with, lambda s, b, c: max(tied(b), key=c.get), "the dearest"),
    (
        ch08.to_begin_with,
        lambda s, b, c: min((n for n in s if max(s.values()) - s[n] < 0.005), key=c.get),
        "the distance of the scores",
    ),
    (ch08.to_begin_with, lambda s, b, c: tied(b), "return one of the names"),
    (ch08.to_begin_with, lambda s, b, c: max(s.values()), "return one of the names"),
    (ch08.to_begin_with, lambda s, b, c: [*s][1], "it returns 'sum of two'"),
    (ch08.layer_mix, lambda s, w, g: mix(s, w, 1), "gamma is missing"),
    (ch08.layer_mix, lambda s, w, g: g * (s * w[:, None]).sum(1), "scores themselves"),
    (ch08.layer_mix, lambda s, w, g: (s * w[:, None]).sum(1), "gamma too"),
    (ch08.layer_mix, lambda s, w, g: mix(s, g * w, 1), "inside the softmax"),
    (ch08.layer_mix, lambda s, w, g: mix(s, w, 1 / g), "divided by gamma"),
    (ch08.layer_mix, lambda s, w, g: g * (s * w.softmax(0)[:, None]).mean(1), "the mean over the layers"),
    (ch08.layer_mix, lambda s, w, g: g * s.mean(1), "count the same"),
    (ch08.layer_mix, lambda s, w, g: mix(s.flip(1), w, g), "wrong order"),
    (ch08.layer_mix, lambda s, w, g: g * s * w.softmax(0)[:, None], "one vector a word"),
    (ch08.layer_mix, lambda s, w, g: mix(s, w, g).tolist(), "return a tensor"),
    (ch08.layer_mix, lambda s, w, g: g * s[:, 0], "highest score alone"),
    (ch08.spans, lambda tags: {(k, a, b - 1) for k, a, b in entity_spans(tags)}, "the word AFTER the last one"),
    (ch08.spans, lambda tags: {(k, a + 1, b + 1) for k, a, b in entity_spans(tags)}, "counted from 0"),
    (ch08.spans, lambda tags: [(a, b, k) for k, a, b in entity_spans(tags)], "the kind stands first"),
    (ch08.spans, lambda tags: [(tags[a], a, b) for _, a, b in entity_spans(tags)], "without its B-"),
    (ch08.spans, lambda tags: {s for s in entity_spans(tags) if s[2] < len(tags)}, "reaches to the end"),
    (ch08.spans, lambda tags: [(k, a, b - a) for k, a, b in entity_spans(tags)], "not the number of words"),
    (ch08.spans, lambda tags: ch08._spans(tags, stray=False), "here it is lost"),
    (ch08.spans, lambda tags: ch08._spans(tags, mixed=True), "of another kind"),
    (ch08.spans, lambda tags: ch08._spans(tags, glued=True), "directly after another one"),
    (ch08.spans, lambda tags: [(k, a) for k, a, _ in entity_spans(tags)], "three parts"),
    (ch08.spans, lambda tags: [*entity_spans(tags)] * 2, "listed twice"),
    (ch08.spans, lambda tags: {k: (a, b) for k, a, b in entity_spans(tags)}, "a list or set"),
    (ch08.spans, lambda tags: len(tags), "a list or set"),
    (ch08.spans, lambda tags: ["PER"], "three parts"),
    (ch08.spans, lambda tags: [("PER", 0, 1)], "for O O: it returns"),
    (ch08.spans, lambda tags: {s for s in ch08._spans(tags, stray=False) if s[2] < len(tags)}, "expected is"),
    (ch08.choose_layer, lambda *given: by_score(*given, lambda folds: folds[-1]), "the best one on the last fold"),
    (ch08.choose_layer, lambda *given: by_score(*given, lambda folds: folds[0]), "the best one on the first fold"),
    (ch08.choose_layer, lambda *given: by_score(*given, max), "it returns layer 1"),
    (ch08.choose_layer, lambda *given: by_score(*given, sum, others=1), "12 of 36 rows; train it on ALL"),
    (
        ch08.choose_layer,
        lambda *given: by_score(*given, sum, known=lambda y, rest: y[: len(rest)]),
        "not those of its",
    ),
    (ch08.choose_layer, lambda *given: by_score(*given, sum, order=sorted), "the order of the rows that were tried"),
    (ch08.to_begin_with, lambda s, b, c: max(tied(b), key=lambda n: s[n] / (c[n] + 1)), "only the cost counts"),
    (ch08.to_begin_with, lambda s, b, c: min(c, key=c.get), "the first of the cheapest"),
    (
        ch08.to_begin_with,
        lambda s, b, c: min(tied(b), key=s.get),
        "this takes the one with the lowest score; take the",
    ),
    (ch08.choose_layer, peeking, "knows by heart"),
    (ch08.choose_layer, exchanged, "are exchanged"),
    (ch08.choose_layer, lambda s, y, folds, probe: choose(s, y, folds[:1], probe), "never held out"),
    (ch08.choose_layer, lambda *given: max(accuracies(*given)) / 36, "the number of the layer"),
    (ch08.choose_layer, lambda *given: accuracies(*given), "the number of the layer"),
    (ch08.choose_layer, lambda *given: accuracies(*given).index(min(accuracies(*given))), "the lowest accuracy"),
    (ch08.choose_layer, lambda *given: choose(*given) + 1, "counted from 0"),
    (ch08.choose_layer, lambda *given: choose(*given) + 7, "the layers are 0 to 3"),
    (ch08.choose_layer, lambda *given: 2, "never called"),
    (ch08.choose_layer, all_layers_at_once, "one layer at a time"),
    (ch08.choose_layer, lambda s, y, folds, probe: probe(s[12:, 0], y, s[:12, 0]), "24 vectors and 36 labels"),
    (ch08.layer_mix, lambda s, w, g: g * s.sum(1), "without weights"),
    (ch08.layer_mix, lambda s, w, g: g * (s * w.exp()[:, None]).sum(1), "divided by its sum"),
    (ch08.layer_mix, lambda s, w, g: g * (s * (w / w.sum())[:, None]).sum(1), "takes the exponential"),
    (ch08.layer_mix, lambda s, w, g: g + (s * w.softmax(0)[:, None]).sum(1), "gamma is added"),
    (ch08.layer_mix, lambda s, w, g: g * s.mul_(w.softmax(0)[:, None]).sum(1), "changes the tensor"),
    (ch08.spans, lambda tags: tags.append("O") or [], "changes the list"),
]
