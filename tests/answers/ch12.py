"""Right and wrong answers to the exercises of chapter 12; a wrong one with a part of the reply that it deserves."""

import torch
from torch.nn import functional

from bertutil.course.exercises import ch12


def cosines(queries, texts):
    return functional.normalize(queries) @ functional.normalize(texts).T


def loss(queries, texts, temperature):
    scores = cosines(queries, texts) / temperature
    own = torch.arange(len(scores))
    return (functional.cross_entropy(scores, own) + functional.cross_entropy(scores.T, own)) / 2


def loss_with_loops(queries, texts, temperature):
    total, n = 0.0, len(queries)
    scores = torch.cosine_similarity(queries[:, None], texts[None], dim=2) / temperature
    for i in range(n):
        for row in (scores[i], scores[:, i]):
            total -= float(torch.log(row[i].exp() / row.exp().sum()))
    return total / (2 * n)


def one_way(queries, texts, temperature):
    return functional.cross_entropy(cosines(queries, texts) / temperature, torch.arange(len(queries)))


def of_dots(queries, texts, temperature):
    scores, own = queries @ texts.T / temperature, torch.arange(len(queries))
    return (functional.cross_entropy(scores, own) + functional.cross_entropy(scores.T, own)) / 2


def softmax_twice(queries, texts, temperature):
    scores, own = cosines(queries, texts) / temperature, torch.arange(len(queries))
    return (functional.cross_entropy(scores.softmax(1), own) + functional.cross_entropy(scores.T.softmax(1), own)) / 2


def left_out(pairs):
    known = set(pairs)
    return torch.tensor(
        [
            [i != j and (query, text) in known for j, (_, text) in enumerate(pairs)]
            for i, (query, _) in enumerate(pairs)
        ]
    )


def left_out_as_lists(pairs):
    table = []
    for i, (query, _) in enumerate(pairs):
        row = [False] * len(pairs)
        for j, (_, text) in enumerate(pairs):
            row[j] = i != j and any(one == (query, text) for one in pairs)
        table.append(row)
    return table


def with_diagonal(pairs):
    return left_out(pairs) | torch.eye(len(pairs)).bool()


def equal_texts(pairs):
    return [[i != j and one == other for j, (_, other) in enumerate(pairs)] for i, (_, one) in enumerate(pairs)]


def equal_queries(pairs):
    return [[i != j and one == other for j, (other, _) in enumerate(pairs)] for i, (one, _) in enumerate(pairs)]


def hardest(scores, right):
    masked = scores.clone()
    for row, own in zip(masked, right, strict=True):
        row[own] = float("-inf")
    return masked.argmax(dim=1)


def hardest_by_order(scores, right):
    found = []
    for row, own in zip(scores, right, strict=True):
        found.append(next(i for i in row.argsort(descending=True).tolist() if i not in own))
    return found


def second_best(scores, right):
    return scores.argsort(dim=1, descending=True)[:, 1]


def easiest(scores, right):
    return [next(i for i in row.argsort().tolist() if i not in own) for row, own in zip(scores, right, strict=True)]


def split(queries, held_out):
    train = [query for query, texts in queries if not held_out & set(texts)]
    return train, [query for query, texts in queries if held_out >= set(texts)]


def split_in_a_loop(queries, held_out):
    train, test = [], []
    for query, texts in queries:
        inside = [text in held_out for text in texts]
        if all(inside):
            test.append(query)
        elif not any(inside):
            train.append(query)
    return train, test


def split_by_query(queries, held_out):
    half = len(queries) // 2
    return [query for query, _ in queries[:half]], [query for query, _ in queries[half:]]


def split_with_all(queries, held_out):
    train = [query for query, texts in queries if not held_out & set(texts)]
    return train, [query for query, _ in queries if query not in train]


RIGHT = [
    (ch12.contrastive, loss),
    (ch12.contrastive, loss_with_loops),
    (ch12.false_negatives, left_out),
    (ch12.false_negatives, left_out_as_lists),
    (ch12.hard_negative, hardest),
    (ch12.hard_negative, hardest_by_order),
    (ch12.split_by_text, split),
    (ch12.split_by_text, split_in_a_loop),
]

WRONG = [
    (ch12.contrastive, one_way, "only the queries choose"),
    (ch12.contrastive, lambda queries, texts, t: one_way(texts, queries, t), "only the texts choose"),
    (ch12.contrastive, lambda queries, texts, t: 2 * loss(queries, texts, t), "sum of both directions"),
    (ch12.contrastive, lambda queries, texts, t: loss(queries, texts, 1), "temperature is missing"),
    (ch12.contrastive, lambda queries, texts, t: loss(queries, texts, 1 / t), "multiplied by the temperature"),
    (ch12.contrastive, of_dots, "length 1 first"),
    (ch12.contrastive, softmax_twice, "was given probabilities"),
    (ch12.contrastive, lambda queries, texts, t: -loss(queries, texts, t), "sign is wrong"),
    (ch12.contrastive, lambda queries, texts, t: 0.5, "expected is"),
    (ch12.false_negatives, with_diagonal, "diagonal is True as well"),
    (ch12.false_negatives, lambda pairs: ~left_out(pairs), "ones to keep"),
    (ch12.false_negatives, equal_texts, "only equal texts"),
    (ch12.false_negatives, equal_queries, "only equal queries"),
    (ch12.false_negatives, lambda pairs: torch.zeros(len(pairs), len(pairs)).bool(), "nothing is left out"),
    (ch12.false_negatives, lambda pairs: left_out(pairs).T, "rows and columns are exchanged"),
    (ch12.false_negatives, lambda pairs: left_out(pairs)[0], "must be [pairs, pairs]"),
    (ch12.false_negatives, lambda pairs: "none", "table of True and False"),
    (ch12.hard_negative, lambda scores, right: scores.argmax(dim=1), "is no negative"),
    (ch12.hard_negative, second_best, "several right ones"),
    (ch12.hard_negative, easiest, "the easiest of the wrong ones"),
    (ch12.hard_negative, lambda scores, right: hardest(scores, right)[:1], "returns 1 indices"),
    (ch12.hard_negative, lambda scores, right: 0, "one index of a text for each query"),
    (ch12.split_by_text, split_by_query, "one of its texts"),
    (ch12.split_by_text, split_with_all, "not all of its texts"),
    (ch12.split_by_text, lambda queries, held_out: split(queries, held_out)[::-1], "is trained on"),
    (
        ch12.split_by_text,
        lambda queries, held_out: ([], split(queries, held_out)[1]),
        "could be in the training part",
    ),
    (ch12.split_by_text, lambda queries, held_out: (queries, []), "is no query"),
    (ch12.split_by_text, lambda queries, held_out: 3, "return two lists"),
]
