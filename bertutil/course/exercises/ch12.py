"""The exercises of chapter 12: a contrastive loss, wrong wrong ones, hard negatives, a split by text."""

import math
import random
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from bertutil.course.exercises import Exercise, Wrong, call, number


def _judge_loss(function: Any) -> None:
    for seed, n, temperature in [(0, 4, 0.05), (1, 7, 0.2), (2, 5, 1.0)]:
        generator = torch.Generator().manual_seed(seed)
        queries, texts = torch.randn(n, 8, generator=generator), torch.randn(n, 8, generator=generator)
        texts = texts + queries  # so that the right ones tend to be near
        answer = number(call(function, queries.clone(), texts.clone(), temperature))
        cosines = functional.normalize(queries) @ functional.normalize(texts).T
        own, dots = torch.arange(n), queries @ texts.T

        def loss(scores: Tensor, own: Tensor = own) -> float:
            return functional.cross_entropy(scores, own).item()

        there, back = loss(cosines / temperature), loss(cosines.T / temperature)
        right = (there + back) / 2
        slips = {
            "only the queries choose a text here; let the texts choose a query too, with scores.T": there,
            "only the texts choose a query here; let the queries choose a text too": back,
            "that is the sum of both directions; take their mean": there + back,
            "the temperature is missing: divide the cosines by it": (loss(cosines) + loss(cosines.T)) / 2,
            "the cosines are multiplied by the temperature; divide by it": (
                loss(cosines * temperature) + loss(cosines.T * temperature)
            )
            / 2,
            "these are dot products of vectors of any length; scale the vectors to length 1 first": (
                loss(dots / temperature) + loss(dots.T / temperature)
            )
            / 2,
            "cross_entropy takes scores, and makes the softmax itself; it was given probabilities": (
                loss((cosines / temperature).softmax(dim=1)) + loss((cosines.T / temperature).softmax(dim=1))
            )
            / 2,
            "the sign is wrong: a loss is low where the right ones have the highest scores": -right,
        }
        if math.isclose(answer, right, abs_tol=1e-4):
            continue
        shown = f"for {n} pairs and the temperature {temperature} it returns {answer:.4f}"
        reason = next((why for why, slip in slips.items() if math.isclose(answer, slip, abs_tol=1e-4)), None)
        raise Wrong(f"{shown}: {reason or f'expected is {right:.4f}'}")


CASES = [
    [("q1", "t1"), ("q2", "t2"), ("q3", "t3")],
    [("q1", "t1"), ("q1", "t2"), ("q2", "t2"), ("q3", "t3")],
    [("q1", "t1"), ("q2", "t1"), ("q3", "t2")],
    [("q1", "t1"), ("q1", "t2"), ("q2", "t3")],
]


def _judge_false_negatives(function: Any) -> None:
    for pairs in CASES:
        answer = call(function, list(pairs))
        try:
            found = torch.as_tensor(answer)
        except (TypeError, ValueError, RuntimeError):
            raise Wrong(
                f"return a table of True and False, [pairs, pairs]; this is a {type(answer).__name__}"
            ) from None
        if found.shape != (len(pairs), len(pairs)):
            raise Wrong(f"the shape is {list(found.shape)}; it must be [pairs, pairs], here {[len(pairs)] * 2}")
        n = len(pairs)
        known = torch.tensor([[(query, text) in pairs for _, text in pairs] for query, _ in pairs])
        right = known & ~torch.eye(n, dtype=torch.bool)
        same_text = torch.tensor([[one == other for _, other in pairs] for _, one in pairs])
        same_query = torch.tensor([[one == other for other, _ in pairs] for one, _ in pairs])
        off = ~torch.eye(n, dtype=torch.bool)
        if torch.equal(found.bool(), right):
            continue
        slips = {
            "nothing is left out; in this batch a text answers more than its own query": torch.zeros(n, n).bool(),
            "the diagonal is True as well: a query's own text is what it is to choose, so it stays in": known,
            "these are the ones to keep; True is for what is left out": ~right,
            "only equal texts are left out; a query that occurs twice has two right texts": same_text & off,
            "only equal queries are left out; a text that occurs twice is right for both": same_query & off,
            "rows and columns are exchanged: a row is a query, a column a text": right.T,
            "a pair with the same query or the same text is not the rule: ask whether (query of the row, text of the "
            "column) is itself one of the pairs": (same_text | same_query) & off,
        }
        reason = next((why for why, slip in slips.items() if torch.equal(found.bool(), slip)), None)
        rule = "True where (query of the row, text of the column) is one of the pairs, the diagonal aside"
        raise Wrong(f"for the pairs {pairs}: {reason or rule}")


def _judge_hard_negative(function: Any) -> None:
    draw = random.Random(5)
    for n_queries, n_texts in [(3, 6), (5, 9), (4, 5)]:
        scores = torch.tensor([[draw.uniform(-1, 1) for _ in range(n_texts)] for _ in range(n_queries)])
        right = [sorted(draw.sample(range(n_texts), draw.choice([1, 2]))) for _ in range(n_queries)]
        right[0] = sorted(scores[0].topk(2).indices.tolist())  # two right ones before the first wrong one
        answer = call(function, scores.clone(), [list(own) for own in right])
        try:
            found = [int(i) for i in answer]
        except (TypeError, ValueError):
            raise Wrong(f"return one index of a text for each query; this is {answer!r:.50}") from None
        if len(found) != n_queries:
            raise Wrong(f"there are {n_queries} queries, and it returns {len(found)} indices")
        for query, own in enumerate(right):
            order = scores[query].argsort(descending=True).tolist()
            wrong = [i for i in order if i not in own]
            if found[query] == wrong[0]:
                continue
            shown = f"query {query}, whose right texts are {own}: it chose text {found[query]}"
            if found[query] in own:
                several = " (a query can have several right ones)" if len(own) > 1 else ""
                raise Wrong(f"{shown}, which is right and so is no negative{several}")
            if found[query] == wrong[-1]:
                raise Wrong(f"{shown}, the easiest of the wrong ones; the hardest has the highest score")
            raise Wrong(f"{shown}; of the wrong ones text {wrong[0]} has the highest score")


def _judge_split(function: Any) -> None:
    draw = random.Random(8)
    cases = [
        ([("q0", ["a"]), ("q1", ["b"]), ("q2", ["a"]), ("q3", ["c"]), ("q4", ["d"]), ("q5", ["b"])], {"a", "c"}),
        ([("q0", ["a", "b"]), ("q1", ["b"]), ("q2", ["c"]), ("q3", ["d"])], {"a", "d"}),
        ([(f"q{i}", [draw.choice("abcdefgh")]) for i in range(20)], set("bdfh")),
    ]
    for queries, held_out in cases:
        answer = call(function, [(query, list(texts)) for query, texts in queries], set(held_out))
        try:
            train, test = ([str(query) for query in part] for part in answer)
        except (TypeError, ValueError):
            raise Wrong(
                f"return two lists of queries, for training and for testing; this is {answer!r:.50}"
            ) from None
        texts_of = dict(queries)
        odd = [query for query in (*train, *test) if query not in texts_of]
        if odd:
            raise Wrong(f"{odd[0]!r:.40} is no query; return the queries themselves, without their texts")
        if both := sorted({*train} & {*test}):
            raise Wrong(f"{both[0]} is in both parts")
        leak = [query for query in train if held_out & {*texts_of[query]}]
        if leak:
            raise Wrong(
                f"{leak[0]} is trained on, and one of its texts, {texts_of[leak[0]]}, is held out "
                f"({sorted(held_out)}): a query goes into training only where none of its texts is held out"
            )
        mixed = [query for query in test if not {*texts_of[query]} <= held_out]
        if mixed:
            raise Wrong(
                f"{mixed[0]} is tested, and not all of its texts, {texts_of[mixed[0]]}, are held out "
                f"({sorted(held_out)}): training may have seen the others"
            )
        wanted = (
            [q for q, texts in queries if not held_out & {*texts}],
            [q for q, texts in queries if {*texts} <= held_out],
        )
        for name, part, whole in zip(("training", "test"), (train, test), wanted, strict=True):
            if missing := [query for query in whole if query not in part]:
                raise Wrong(f"{missing[0]} could be in the {name} part, and is not")
            if len(part) != len(whole):
                raise Wrong(f"a query is twice in the {name} part")


contrastive = Exercise(
    "contrastive-loss",
    _judge_loss,
    [
        "Scale both to length 1; then queries @ texts.T are the cosines. Divide by the temperature.",
        "functional.cross_entropy(scores, torch.arange(n)) is that of the queries; that of the texts takes scores.T.",
        "Return the mean of the two.",
    ],
)
false_negatives = Exercise(
    "false-negatives",
    _judge_false_negatives,
    [
        "In row i and column j meet the query of pair i and the text of pair j. When is the one right for the other?",
        "When (query of i, text of j) is itself one of the pairs. The diagonal is always so, and must stay False.",
    ],
)
hard_negative = Exercise(
    "hard-negative",
    _judge_hard_negative,
    [
        "The hardest wrong text has the highest score of all that are not right.",
        "Put the scores of a query's right texts to -inf, in a copy, and take the argmax of the row.",
    ],
)
split_by_text = Exercise(
    "split-by-text",
    _judge_split,
    [
        "A query is for training where none of its texts is held out, and for testing where all of them are.",
        "set(texts) & held_out is empty, or set(texts) <= held_out. What is neither goes into no part.",
    ],
)
