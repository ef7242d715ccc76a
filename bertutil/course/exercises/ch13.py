"""The exercises of chapter 13: many texts."""

import math
import random
import textwrap
import weakref
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from bertutil.course.exercises import Exercise, Wrong, call, compare, number


def _judge_padding_share(function: Any) -> None:
    draw = random.Random(12)
    cases = [([3, 5, 4, 10], 2), ([7, 7, 7], 2), ([draw.randint(3, 60) for _ in range(50)], 8)]
    for lengths, size in cases:
        answer = number(call(function, list(lengths), size))
        batches = [lengths[i : i + size] for i in range(0, len(lengths), size)]
        positions = [max(batch) * len(batch) for batch in batches]
        right = 1 - sum(lengths) / sum(positions)
        if abs(answer - right) < 1e-6:
            continue
        ordered = sorted(lengths)
        in_order = [ordered[i : i + size] for i in range(0, len(lengths), size)]
        shares = [1 - sum(b) / p for b, p in zip(batches, positions, strict=True)]
        reasons = [
            (1 - right, "this is the share of tokens; padding is the rest"),
            (100 * right, "this is in percent; a share runs from 0 to 1"),
            (
                sum(shares) / len(shares),
                "this is the mean of the batches' shares, but a large batch has more positions than a small one; "
                "count the positions of all batches first, and divide once",
            ),
            (
                1 - sum(lengths) / sum(max(batch) * size for batch in batches),
                "the last batch may have fewer texts than the others",
            ),
            (
                1 - sum(lengths) / (max(lengths) * len(lengths)),
                "this pads every text to the longest of all; a batch is padded to the longest in it",
            ),
            (
                1 - sum(lengths) / sum(max(b) * len(b) for b in in_order),
                "take the texts in the given order, unsorted",
            ),
            (shares[0], "this is the first batch alone"),
            (shares[-1], "this is the last batch alone"),
            (sum(positions) / sum(lengths) - 1, "this is padding for each token; divide by the number of positions"),
            (
                float(sum(positions) - sum(lengths)),
                "this is the number of paddings; divide it by that of all positions",
            ),
        ]
        reason = next((text for value, text in reasons if abs(answer - value) < 1e-6), f"expected is {right:.4f}")
        raise Wrong(f"for the lengths {_short(lengths)} in batches of {size} it returns {answer:.4f}: {reason}")


def _short(lengths: list[int]) -> str:
    return textwrap.shorten(str(lengths), 40, placeholder=" ...]")


def _judge_fill_rows(function: Any) -> None:
    draw = random.Random(21)
    cases = [([4, 3, 5, 2], 8), ([9, 2, 3], 8), ([8, 8], 8), ([draw.randint(1, 40) for _ in range(60)], 64)]
    for lengths, budget in cases:
        answer = call(function, list(lengths), budget)
        shown = f"for the lengths {_short(lengths)} and a budget of {budget}"
        try:
            rows = [[int(i) for i in row] for row in answer]
        except (TypeError, ValueError):
            raise Wrong(f"return a list of lists of indices; this is {answer!r:.60}") from None
        flat = [i for row in rows for i in row]
        if any(not row for row in rows):
            raise Wrong(f"{shown} there is an empty row: begin a new one only when a text needs it")
        if flat == lengths and flat != list(range(len(lengths))):
            raise Wrong(f"{shown} the rows hold the lengths; they should hold the indices of the texts")
        if flat == list(range(1, len(lengths) + 1)):
            raise Wrong(f"{shown} the texts are counted from 1; the first one has the index 0")
        if missing := sorted(set(range(len(lengths))) - set(flat)):
            last = " (the last row is easily forgotten: it is never full)" if missing[-1] == len(lengths) - 1 else ""
            raise Wrong(f"{shown} text {missing[0]} is in no row{last}")
        if len(flat) > len(lengths):
            raise Wrong(f"{shown} there are {len(flat)} indices for {len(lengths)} texts; each goes into one row")
        if flat != list(range(len(lengths))):
            raise Wrong(f"{shown} the texts are not in the order they came in: {rows!r:.60}")
        totals = [sum(lengths[i] for i in row) for row in rows]
        for row, total in zip(rows, totals, strict=True):
            if total > budget and len(row) > 1:
                raise Wrong(f"{shown} the row {row} has {total} tokens; look before you put a text in, not after")
        for total, after in zip(totals, rows[1:], strict=False):
            if total + lengths[after[0]] <= budget:
                raise Wrong(
                    f"{shown} text {after[0]} begins a new row, and would have fitted into the one before: "
                    f"{total} + {lengths[after[0]]} is at most {budget}"
                )


def _judge_mean_of_last(function: Any) -> None:
    generator = torch.Generator().manual_seed(3)
    for n, count in [(7, 4), (13, 4), (13, 13), (5, 1)]:
        values = torch.randn(n, 2, 3, 4, generator=generator)
        watched = _Watched(values)
        answer = call(function, iter(watched), n, count)
        if not isinstance(answer, Tensor):
            raise Wrong(f"return a tensor; this is a {type(answer).__name__}")
        shown = f"for {n} states and the mean of the last {count}"
        if watched.changed:
            raise Wrong(
                f"{shown} state {watched.changed[0]} was changed: `total += state` writes into the first state"
            )
        if answer.shape != values[0].shape:
            raise Wrong(f"{shown} the result has the shape {list(answer.shape)}, a state has {list(values[0].shape)}")
        reasons = [
            (values[-count:].sum(dim=0), "this is the sum; divide it by their number"),
            (values[:count].mean(dim=0), f"this is the mean of the first {count}"),
            (values.mean(dim=0), "this is the mean of all states"),
            (values[-count:].sum(dim=0) / n, f"the sum is right, but it is divided by {n} and not by {count}"),
            (values[-count - 1 : -1].sum(dim=0) / count, "it begins one state too early, and leaves out the last"),
            (values[-count + 1 :].sum(dim=0) / count if count > 1 else values[0], "it begins one state too late"),
        ]
        answer = answer.float()
        if not torch.allclose(answer, values[-count:].mean(dim=0), atol=1e-5):
            near = (text for value, text in reasons if torch.allclose(answer, value, atol=1e-5))
            raise Wrong(f"{shown} the numbers are not right: {next(near, 'add up those from index n - count on')}")
        if count > 3 and watched.most > 3:
            raise Wrong(
                f"{shown} the numbers are right, but {watched.most} states were in memory at the same time; "
                "add each to one sum, and do not keep it in a list"
            )


class _Watched:
    """Hands over copies of the values, and sees how many of them are alive, and whether one was written to."""

    def __init__(self, values: Tensor) -> None:
        self.values = values
        self.most = 0
        self.changed: list[int] = []

    def __iter__(self) -> Iterator[Tensor]:
        handed: list[weakref.ref[Tensor]] = []
        for value in self.values:
            state = value.clone()
            handed.append(weakref.ref(state))
            self.most = max(self.most, sum(one() is not None for one in handed))
            yield state
            del state
            for i, one in enumerate(handed):
                if (there := one()) is not None and not torch.equal(there, self.values[i]):
                    self.changed.append(i)
                del there


def _judge_machines(function: Any) -> None:
    answers, expected, shown = [], [], []
    slips: dict[str, list[float]] = {}
    for n_lines, computed, window, seconds, hours in [
        (100_000, 29_000, 10_000, 2_900, 1),
        (1_000_000, 204_000, 10_000, 102, 8),
        (7_250_000, 50_000, 10_000, 100, 2),
        (40_000_000, 64_999, 5_000, 130, 8),
        (97_000, 21_000, 10_000, 2_100, 1),
        (84_000, 30_000, 10_000, 3_000, 1),
        (47_000, 25_000, 10_000, 10_000, 1),
    ]:
        answers.append(number(call(function, n_lines, computed, window, seconds, hours)))
        kept, rate = computed // window * window, computed / seconds
        exact = (n_lines - kept) / (rate * hours * 3600)
        expected.append(float(math.ceil(exact)))
        shown.append(f"n_lines={n_lines}, computed={computed}, window={window}, seconds={seconds}, hours={hours}")

        def machines(left: float, lines_per_hour: float, hours: int = hours) -> float:
            return float(math.ceil(left / (lines_per_hour * hours)))

        for reason, value in {
            "machines are whole: round up (math.ceil)": exact,
            "this rounds down, so a part of the lines is left over; round up (math.ceil)": float(math.floor(exact)),
            "this rounds down, so a part of the lines is left over; round up, from 1 on": float(max(1, int(exact))),
            "this rounds to the nearest; whatever is left over needs a machine too: round up (math.ceil)": float(
                round(exact)
            ),
            "where the lines fit exactly, this takes one machine too many: math.ceil instead of + 1": float(
                int(exact) + 1
            ),
            "of the last window, nothing was written: take off whole windows only, computed // window * window": (
                machines(n_lines - computed, rate * 3600)
            ),
            "the broken window is counted as written; only whole ones are, computed // window": machines(
                n_lines - kept - window, rate * 3600
            ),
            "computed % window is what was lost; what was written is the rest, computed // window * window": machines(
                n_lines - computed % window, rate * 3600
            ),
            "the rate is rounded down; it may be a broken number of lines a second, so divide by / and not by //": (
                float(math.ceil((n_lines - kept) / (computed // seconds * hours * 3600)))
            ),
            "the hours are missing: each machine works for `hours` hours": machines(
                n_lines - kept, rate * 3600 / hours
            ),
            "these are the hours of one machine; divide them by `hours`, and round up": exact * hours,
            "this is upside down: divide what is left by what one machine does": 1 / exact,
            "this is one machine too many: round up, and add none": math.ceil(exact) + 1.0,
            "lines that are written need not be computed again: take off computed // window * window lines": machines(
                n_lines, rate * 3600
            ),
            "what was lost was computed too: for the rate, divide `computed` by the seconds": machines(
                n_lines - kept, kept / seconds * 3600
            ),
            "the rate is in lines per second, the time in hours: an hour has 3,600 seconds": machines(
                n_lines - kept, rate
            ),
            "an hour has 3,600 seconds, not 60": machines(n_lines - kept, rate * 60),
        }.items():
            slips.setdefault(reason, []).append(value)
    compare(answers, expected, slips, shown)


padding_share = Exercise(
    "padding-share",
    _judge_padding_share,
    [
        "Take the lengths in slices of `size`. A slice is a batch: how many positions does its rectangle have?",
        "The rectangle has max(batch) * len(batch) positions. Add these up over the batches, and compare with the "
        "sum of the lengths.",
    ],
)
fill_rows = Exercise(
    "fill-rows",
    _judge_fill_rows,
    [
        "Go through the texts once, and keep the tokens that the current row has.",
        "If the row's tokens and this text's together are more than the budget, begin a new row first; then put the "
        "text in. The very first text needs a row too.",
    ],
)
mean_of_last = Exercise(
    "mean-of-last",
    _judge_mean_of_last,
    [
        "enumerate() counts the states while they come. Which numbers do the last `count` of `n` have?",
        "They run from n - count to n - 1. Begin with total = 0 and add those.",
        "total = total + state makes a new tensor; total += state would write into the first state you took.",
    ],
)
machines_needed = Exercise(
    "machines-needed",
    _judge_machines,
    [
        "Three numbers first: how many lines are written, how many are left, how many one machine does in the time.",
        "Written are whole windows: computed // window * window. One machine does computed / seconds * 3600 * hours.",
        "math.ceil(left / one_machine): whatever is left over needs a machine too.",
    ],
)
