"""Right and wrong answers to the exercises of chapter 13; a wrong one with a part of the reply that it deserves."""

import math
from collections import deque
from itertools import islice

import torch

from bertutil.course.exercises import ch13


def share(lengths, size):
    positions = sum(max(lengths[i : i + size]) * len(lengths[i : i + size]) for i in range(0, len(lengths), size))
    return 1 - sum(lengths) / positions


def share_by_masks(lengths, size):
    real = padding = 0
    for i in range(0, len(lengths), size):
        batch = torch.tensor(lengths[i : i + size])
        mask = torch.arange(int(batch.max())) < batch[:, None]
        real, padding = real + int(mask.sum()), padding + int((~mask).sum())
    return torch.tensor(padding / (real + padding), dtype=torch.float64)


def mean_of_shares(lengths, size):
    shares = [share(lengths[i : i + size], size) for i in range(0, len(lengths), size)]
    return sum(shares) / len(shares)


def fill(lengths, budget):
    rows, used = [[]], 0
    for i, length in enumerate(lengths):
        if rows[-1] and used + length > budget:
            rows.append([])
            used = 0
        rows[-1].append(i)
        used += length
    return rows


def fill_by_slices(lengths, budget):
    rows, start = [], 0
    while start < len(lengths):
        end = start + 1
        while end < len(lengths) and sum(lengths[start : end + 1]) <= budget:
            end += 1
        rows.append(tuple(range(start, end)))
        start = end
    return rows


def fill_too_full(lengths, budget):
    rows, used = [[]], 0
    for i, length in enumerate(lengths):
        rows[-1].append(i)
        used += length
        if used >= budget and i + 1 < len(lengths):
            rows.append([])
            used = 0
    return rows


def fill_with_lengths(lengths, budget):
    return [[lengths[i] for i in row] for row in fill(lengths, budget)]


def fill_longest_first(lengths, budget):
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    return [[order[i] for i in row] for row in fill([lengths[i] for i in order], budget)]


def fill_empty_first(lengths, budget):
    return [[], *fill(lengths, budget)]


def running(states, n, count):
    total = 0
    for i, state in enumerate(states):
        if i >= n - count:
            total = total + state
    return total / count


def running_in_place(states, n, count):
    total = None
    for state in islice(states, n - count, None):
        total = state.clone() if total is None else total.add_(state)
    return total / count


def writing(states, n, count):
    total = None
    for i, state in enumerate(states):
        if i >= n - count:
            if total is None:
                total = state
            else:
                total += state
    return total / count


def stacking(states, n, count):
    return torch.stack(list(states))[-count:].mean(dim=0)


def keeping_four(states, n, count):
    return torch.stack(list(deque(states, maxlen=count))).mean(dim=0)


def machines(n_lines, computed, window, seconds, hours):
    left = n_lines - computed // window * window
    return math.ceil(left / (computed / seconds * 3600 * hours))


def machines_one_by_one(n_lines, computed, window, seconds, hours):
    count, left = 0, n_lines - (computed - computed % window)
    while left > 0:
        count, left = count + 1, left - computed * 3600 * hours / seconds
    return torch.tensor(count)


def exactly(n_lines, computed, window, seconds, hours):
    return (n_lines - computed // window * window) * seconds / (computed * 3600 * hours)


RIGHT = [
    (ch13.padding_share, share),
    (ch13.padding_share, share_by_masks),
    (ch13.fill_rows, fill),
    (ch13.fill_rows, fill_by_slices),
    (ch13.mean_of_last, running),
    (ch13.mean_of_last, running_in_place),
    (ch13.machines_needed, machines),
    (ch13.machines_needed, machines_one_by_one),
]

WRONG = [
    (ch13.padding_share, lambda lengths, size: 1 - share(lengths, size), "share of tokens"),
    (ch13.padding_share, lambda lengths, size: 100 * share(lengths, size), "in percent"),
    (ch13.padding_share, mean_of_shares, "mean of the batches' shares"),
    (ch13.padding_share, lambda lengths, size: share(lengths, len(lengths)), "longest of all"),
    (ch13.padding_share, lambda lengths, size: share(sorted(lengths), size), "given order"),
    (ch13.padding_share, lambda lengths, size: 1 / (1 - share(lengths, size)) - 1, "padding for each token"),
    (
        ch13.padding_share,
        lambda lengths, size: (
            1 - sum(lengths) / sum(max(lengths[i : i + size]) * size for i in range(0, len(lengths), size))
        ),
        "the last batch may have fewer",
    ),
    (ch13.padding_share, lambda lengths, size: [0.1], "returns a list"),
    (ch13.fill_rows, fill_too_full, "look before you put a text in"),
    (ch13.fill_rows, fill_with_lengths, "hold the lengths"),
    (ch13.fill_rows, fill_longest_first, "not in the order"),
    (ch13.fill_rows, fill_empty_first, "empty row"),
    (ch13.fill_rows, lambda lengths, budget: fill(lengths, budget)[:-1], "the last row is easily forgotten"),
    (ch13.fill_rows, lambda lengths, budget: [[i] for i in range(len(lengths))], "would have fitted"),
    (ch13.fill_rows, lambda lengths, budget: list(range(len(lengths))), "list of lists"),
    (ch13.mean_of_last, stacking, "in memory at the same time"),
    (ch13.mean_of_last, keeping_four, "in memory at the same time"),
    (ch13.mean_of_last, writing, "was changed"),
    (ch13.mean_of_last, lambda states, n, count: running(states, n, count) * count, "this is the sum"),
    (ch13.mean_of_last, lambda states, n, count: running(states, n, n), "mean of all states"),
    (ch13.mean_of_last, lambda states, n, count: running(states, n, count) * count / n, "divided by 7"),
    (ch13.mean_of_last, lambda states, n, count: running(islice(states, count), count, count), "mean of the first"),
    (ch13.mean_of_last, lambda states, n, count: running(states, n, count).tolist(), "this is a list"),
    (ch13.mean_of_last, lambda states, n, count: running(states, n, count).mean(dim=0), "the result has the shape"),
    (ch13.padding_share, lambda lengths, size: share(lengths[:size], size), "the first batch alone"),
    (ch13.fill_rows, lambda lengths, budget: [[i + 1 for i in row] for row in fill(lengths, budget)], "from 1"),
    (ch13.fill_rows, lambda lengths, budget: lengths.sort() or fill(lengths, budget), "changes the list"),
    (ch13.machines_needed, exactly, "machines are whole"),
    (ch13.machines_needed, lambda *given: int(exactly(*given)), "this rounds down"),
    (ch13.machines_needed, lambda *given: max(1, int(exactly(*given))), "from 1 on"),
    (ch13.machines_needed, lambda *given: round(exactly(*given)), "to the nearest"),
    (ch13.machines_needed, lambda *given: int(exactly(*given)) + 1, "one machine too many"),
    (ch13.machines_needed, lambda n, done, window, s, h: machines(n, done, 1, s, h), "nothing was written"),
    (ch13.machines_needed, lambda n, done, w, s, h: machines(n - w, done, w, s, h), "the broken window is counted"),
    (ch13.machines_needed, lambda n, done, w, s, h: machines(n + done // w * w, done, w, s, h), "computed again"),
    (ch13.machines_needed, lambda n, done, w, s, h: machines(n, done // w * w, w, s, h), "what was lost"),
    (ch13.machines_needed, lambda n, done, w, s, h: machines(n, done, w, s, h / 3600), "in lines per second"),
    (ch13.machines_needed, lambda n, done, w, s, h: machines(n, done, w, s, h / 60), "not 60"),
    (
        ch13.machines_needed,
        lambda n, done, w, s, h: machines(n + done // w * w - done % w, done, w, s, h),
        "what was lost",
    ),
    (ch13.machines_needed, lambda n, done, w, s, h: math.ceil((n - done // w * w) / (done // s * h * 3600)), "by //"),
    (ch13.machines_needed, lambda n, done, w, s, h: machines(n, done, w, s, 1), "the hours are missing"),
    (ch13.machines_needed, lambda *given: exactly(*given) * given[-1], "the hours of one machine"),
    (ch13.machines_needed, lambda *given: 1 / exactly(*given), "upside down"),
    (ch13.machines_needed, lambda *given: machines(*given) + 1, "add none"),
    (
        ch13.machines_needed,
        lambda n, done, w, s, h: machines(n + done // w * w - done // w, done, w, s, h),
        "are written",
    ),
    (ch13.machines_needed, lambda *given: 7, "in every case"),
]
