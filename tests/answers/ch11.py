"""Right and wrong answers to the exercises of chapter 11; a wrong one with a part of the reply that it deserves."""

import random
from itertools import pairwise

import torch
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_

from bertutil.course.exercises import ch11


def logits(states, weight, bias):
    return states[:, 0] @ weight.T + bias


def logits_with_loops(states, weight, bias):
    return torch.tensor(
        [[float((w * row[0]).sum() + b) for w, b in zip(weight, bias, strict=True)] for row in states]
    )


def pairs_of(part):
    found = []
    for s, story in enumerate(part):
        other = part[(s + 1) % len(part)]
        for i in range(4):
            found += [(story[i], story[i + 1], 1), (story[i], other[i + 1], 0)]
    return found


def pairs(stories, n_test):
    return pairs_of(stories[n_test:]), pairs_of(stories[:n_test])


def pairs_with_zip(stories, n_test):
    def real(part):
        return [(a, b, True) for story in part for a, b in pairwise(story)]

    def wrong(part):
        return [(a, b, False) for s, story in enumerate(part) for a, b in zip(story, part[s - 1][1:], strict=False)]

    test, train = stories[-n_test:], stories[:-n_test]
    return [real(train) + wrong(train), real(test) + wrong(test)]


def split_by_pair(stories, n_test):
    both = pairs_of(stories)
    return both[n_test * 8 + 3 :], both[: n_test * 8 + 3]


def relabelled(label):
    def answer(stories, n_test):
        return [[(a, b, label(c)) for a, b, c in part] for part in pairs(stories, n_test)]

    return answer


def wrong_from_everywhere(stories, n_test):
    def part(chosen):
        return [
            pair
            for s in chosen
            for i in range(4)
            for pair in [
                (stories[s][i], stories[s][i + 1], 1),
                (stories[s][i], stories[(s + 1) % len(stories)][i + 1], 0),
            ]
        ]

    return part(range(n_test, len(stories))), part(range(n_test))


def wrong_from_the_same_story(stories, n_test):
    def part(chosen):
        return [
            pair
            for story in chosen
            for i in range(4)
            for pair in [(story[i], story[i + 1], 1), (story[i], story[i - 1], 0)]
        ]

    return part(stories[n_test:]), part(stories[:n_test])


def pairs_at_random(stories, n_test):
    draw = random.Random(0)

    def part(chosen):
        return [
            row
            for story in chosen
            for a, b in pairwise(story)
            for row in [(a, b, 1), (a, draw.choice([x for other in chosen if other != story for x in other[1:]]), 0)]
        ]

    return part(stories[n_test:]), part(stories[:n_test])


def pairs_by_place(place):
    """Pairs whose wrong ones hold the sentences at place(i) of the story and of another one."""

    def answer(stories, n_test):
        def part(chosen):
            true = [(a, b, 1) for story in chosen for a, b in pairwise(story)]
            places = [place(i) for i in range(4)]
            return true + [(story[k], chosen[s - 1][m], 0) for s, story in enumerate(chosen) for k, m in places]

        return part(stories[n_test:]), part(stories[:n_test])

    return answer


def wrong_of_one_story(stories, n_test):
    def part(chosen):
        true = [(a, b, 1) for story in chosen for a, b in pairwise(story)]
        wrong = [(chosen[0][i], other[k], 0) for k in range(1, 5) for i in range(4) for other in chosen[1:]]
        return true + wrong[: len(true)]

    return part(stories[n_test:]), part(stories[:n_test])


def only_the_true_ones(stories, n_test):
    return [[pair for pair in part if pair[2]] for part in pairs(stories, n_test)]


def backwards(stories, n_test):
    return [[(b, a, c) if c else (a, b, c) for a, b, c in part] for part in pairs(stories, n_test)]


def epoch(model, optimizer, batches):
    model.train()
    total = 0.0
    for inputs, target in batches:
        loss = functional.cross_entropy(model(inputs), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    model.eval()
    return total / len(batches)


def epoch_otherwise(model, optimizer, batches):
    model.zero_grad()
    losses = []
    for inputs, target in batches:
        model.train()
        chosen = model(inputs).log_softmax(dim=1)[torch.arange(len(target)), target]
        losses.append(-chosen.mean())
        losses[-1].backward()
        optimizer.step()
        optimizer.zero_grad()
        model.eval()
    return torch.stack(losses).mean().detach()


def epoch_with_faults(*faults):
    """The loop with some of its steps left out."""

    def answer(model, optimizer, batches):
        model.train("mode" not in faults)
        losses = []
        for inputs, target in batches:
            logits = model(inputs)
            loss = functional.cross_entropy(logits.softmax(dim=1) if "softmax" in faults else logits, target)
            if "zero" not in faults:
                optimizer.zero_grad()
            loss.backward()
            if "step" not in faults:
                optimizer.step()
            losses.append(loss.item())
            if "first" in faults:
                break
        if "end" not in faults:
            model.eval()
        return sum(losses) / (1 if "sum" in faults else len(losses))

    return answer


def clipped(length):
    def answer(model, optimizer, batches):
        optimizer.register_step_pre_hook(lambda *_: clip_grad_norm_(model.parameters(), length) and None)
        return epoch(model, optimizer, batches)

    return answer


def two_steps_a_batch(model, optimizer, batches):
    model.train()
    for inputs, target in batches:
        loss = functional.cross_entropy(model(inputs), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        optimizer.step()
    model.eval()
    return loss.item()


def gap(vectors, labels, *, cosine=True, same=1, other=1):
    """Right as it is; the options make it wrong."""
    vectors = functional.normalize(vectors, dim=1) if cosine else vectors
    products, alike = vectors @ vectors.T, labels[:, None] == labels
    pair = torch.ones_like(alike).triu(1)
    return same * products[alike & pair].mean() - other * products[~alike & pair].mean()


def growth(before, after, labels, **options):
    return gap(after, labels, **options) - gap(before, labels, **options)


def growth_with_loops(before, after, labels):
    gaps = []
    for vectors in (after, before):
        kinds = {True: [], False: []}
        for i, one in enumerate(vectors):
            for j, two in enumerate(vectors):
                if i != j:
                    cosine = functional.cosine_similarity(one, two, dim=0).item()
                    kinds[bool(labels[i] == labels[j])].append(cosine)
        gaps.append(sum(kinds[True]) / len(kinds[True]) - sum(kinds[False]) / len(kinds[False]))
    return gaps[0] - gaps[1]


RIGHT = [
    (ch11.logits, logits),
    (ch11.logits, logits_with_loops),
    (ch11.logits, lambda s, w, b: functional.linear(s, w, b)[:, 0]),
    (ch11.pairs, pairs),
    (ch11.pairs, pairs_with_zip),
    (ch11.pairs, pairs_at_random),
    (ch11.epoch, epoch),
    (ch11.epoch, epoch_otherwise),
    (ch11.apart, growth),
    (ch11.apart, growth_with_loops),
]

WRONG = [
    (ch11.logits, lambda s, w, b: s @ w.T + b, "every token"),
    (ch11.logits, lambda s, w, b: s[:, 0] @ w.T, "bias is missing"),
    (ch11.logits, lambda s, w, b: logits(s, w, b).softmax(dim=1), "before the softmax"),
    (ch11.logits, lambda s, w, b: logits(s, w, b).log_softmax(dim=1), "logs of probabilities"),
    (ch11.logits, lambda s, w, b: s.mean(dim=1) @ w.T + b, "mean of all tokens"),
    (ch11.logits, lambda s, w, b: s[:, -1] @ w.T + b, "the last token"),
    (ch11.logits, lambda s, w, b: s[0] @ w.T + b, "first row of the batch"),
    (ch11.logits, lambda s, w, b: logits(s, w, b).argmax(dim=1), "likeliest class"),
    (ch11.logits, lambda s, w, b: logits(s, w, b).T, "exchanged"),
    (ch11.logits, lambda s, w, b: s[:, 0] @ (w if len(w) == s.shape[2] else w.T) + b, "multiply by weight.T"),
    (ch11.logits, lambda s, w, b: logits(s, w, b).tolist(), "return a tensor"),
    (ch11.logits, lambda s, w, b: logits(s, w, b)[:, :1], "must be [rows, classes]"),
    (ch11.logits, lambda s, w, b: logits(s, w, b) * 2, "numbers are not"),
    (ch11.pairs, split_by_pair, "split the stories first"),
    (ch11.pairs, wrong_from_everywhere, "split the stories first"),
    (ch11.pairs, wrong_from_the_same_story, "must come from another story"),
    (ch11.pairs, pairs_by_place(lambda i: (i, 0)), "a wrong second sentence opens its story"),
    (ch11.pairs, pairs_by_place(lambda i: (i, i)), "a wrong second sentence opens its story"),
    (ch11.pairs, pairs_by_place(lambda i: (4, i + 1)), "begins with the last sentence of a story"),
    (ch11.pairs, pairs_by_place(lambda i: (i, 1)), "the second sentence of every wrong pair stands at the same"),
    (ch11.pairs, pairs_by_place(lambda i: (0, i + 1)), "the first sentence of every wrong pair stands at the same"),
    (ch11.pairs, wrong_of_one_story, "each story gives four"),
    (ch11.pairs, only_the_true_ones, "0 with label 0"),
    (ch11.pairs, backwards, "run backwards"),
    (ch11.pairs, relabelled(lambda label: 1 - label), "the wrong way round"),
    (ch11.pairs, relabelled(lambda label: 1), "does not follow the first"),
    (ch11.pairs, relabelled(lambda label: 0), "does follow the first"),
    (ch11.pairs, relabelled(lambda label: 2), "with the label 1 or 0"),
    (ch11.pairs, lambda stories, n_test: pairs(stories, n_test)[::-1], "exchanged"),
    (ch11.pairs, lambda stories, n_test: pairs(stories, n_test + 1), "and n_test is"),
    (ch11.pairs, lambda stories, n_test: pairs(stories[:-1], n_test), "left for it"),
    (ch11.pairs, lambda stories, n_test: pairs_of(stories), "return two lists"),
    (ch11.epoch, epoch_with_faults("mode"), "model.train()"),
    (ch11.epoch, epoch_with_faults("softmax"), "wants the logits"),
    (ch11.epoch, epoch_with_faults("zero"), "zero_grad() before each"),
    (ch11.epoch, epoch_with_faults("step"), "step() must follow"),
    (ch11.epoch, epoch_with_faults("first"), "only one batch"),
    (ch11.epoch, epoch_with_faults("mode", "softmax", "zero"), "; and cross_entropy gets probabilities"),
    (ch11.epoch, clipped(1.0), "the gradients are clipped to the length 1.0"),
    (ch11.epoch, clipped(0.1), "the gradients are clipped to the length 0.1"),
    (ch11.epoch, clipped(0.3), "such as clipped gradients"),
    (ch11.epoch, two_steps_a_batch, "for each batch in turn"),
    (ch11.epoch, epoch_with_faults("end"), "left in training mode"),
    (ch11.epoch, epoch_with_faults("sum"), "that is the sum"),
    (ch11.epoch, lambda m, o, b: epoch(m, o, b) + 1, "the mean loss is"),
    (
        ch11.pairs,
        lambda stories, n: [[(a, b, str(c)) for a, b, c in p] for p in pairs(stories, n)],
        "the number 1 or 0",
    ),
    (ch11.pairs, lambda stories, n: stories.pop() and pairs(stories, n), "changes the list"),
    (ch11.epoch, lambda model, optimizer, batches: epoch(model, optimizer, batches) * torch.nan, "yours nan"),
    (ch11.apart, lambda b, a, y: growth(a, b, y), "the wrong way round"),
    (ch11.apart, lambda b, a, y: gap(a, y), "take off the one before"),
    (ch11.apart, lambda b, a, y: gap(b, y), "that is the difference before training"),
    (ch11.apart, lambda b, a, y: growth(b, a, y, cosine=False), "dot products"),
    (ch11.apart, lambda b, a, y: growth(b, a, y, other=0), "the pairs with the same answer only"),
    (ch11.apart, lambda b, a, y: growth(b, a, y, same=0) * -1, "the pairs with different answers only"),
    (
        ch11.apart,
        lambda b, a, y: sum(
            sign * (c[y[:, None] == y].mean() - c[y[:, None] != y].mean())
            for sign, x in ((1, a), (-1, b))
            for c in [functional.cosine_similarity(x[:, None], x, dim=-1)]
        ),
        "paired with itself",
    ),
    (ch11.apart, lambda b, a, y: functional.cosine_similarity(a, b), "return one number"),
    (ch11.apart, lambda b, a, y: growth(b, a, y) + 1, "is right"),
]
