"""Chapters 8 and 11: how sure one can be of a score, or of the difference of two, when there are few rows."""

import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

Score = Callable[..., float]


def bootstrap(score: Score, *columns: ArrayLike, n: int = 1000, seed: int = 0) -> Float[np.ndarray, " n"]:
    """Return `score` for each of `n` random draws of the rows, as many as there are, with replacement.

    A column has one item a row, and a row is what was drawn independently: a sentence, not a word. All columns are
    drawn alike, and so are those of two calls with as many rows and the same `seed`.

    Raises ValueError for columns of different length or without rows. Source: see bootstrap_interval().
    """
    arrays = [np.asarray(column) for column in columns]
    sizes = {len(array) for array in arrays}
    if len(sizes) != 1 or sizes == {0}:
        raise ValueError(f"the columns have {sorted(sizes)} rows; they must have the same number, one at least")
    generator = np.random.default_rng(seed)
    draws = (generator.integers(len(arrays[0]), size=len(arrays[0])) for _ in range(n))
    return np.array([score(*(array[draw] for array in arrays)) for draw in draws], dtype=float)


def bootstrap_interval(
    score: Score, *columns: ArrayLike, n: int = 1000, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Return the interval in which `score` lies for `level` of `n` random draws of the rows (see bootstrap()).

    It says how far the score hangs on which rows there are; it knows nothing of other seeds, training data or
    checkpoints. Draws for which the score is NaN are left out.

    Raises ValueError for columns of different length or without rows, `level` not between 0 and 1, `n` below 1.
    Source: Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13 (the percentile interval).
    """
    if not 0 < level < 1 or n < 1:
        raise ValueError(f"level is {level}, n is {n}; level must lie between 0 and 1, and n must be 1 at least")
    low, high = np.nanquantile(bootstrap(score, *columns, n=n, seed=seed), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def paired_difference(
    ours: ArrayLike,
    others: ArrayLike,
    *shared: ArrayLike,
    score: Score | None = None,
    n: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float, float]:
    """Return how far `ours` is ahead of `others` on the same rows, and both ends of its interval: (ahead, low, high).

    Rows are drawn in pairs, so what is hard for both cancels out. Without a `score` each row has one number: the mean
    of ours minus others. Else score(ours, *shared) - score(others, *shared), as in paired_difference(counts,
    other_counts, score=f1) or paired_difference(cosines, other_cosines, grades, score=spearman).

    Raises ValueError as bootstrap_interval() does; without a score, for shared columns and several numbers a row too.
    """
    arrays = [np.asarray(column, dtype=float if score is None else None) for column in (ours, others, *shared)]
    if score is None and [array.ndim for array in arrays] != [1, 1]:
        raise ValueError("without a score there must be two columns, one number a row in each; or give a score")

    def ahead(one: np.ndarray, other: np.ndarray, *rest: np.ndarray) -> float:
        return float(np.mean(one - other) if score is None else score(one, *rest) - score(other, *rest))

    low, high = bootstrap_interval(ahead, *arrays, n=n, level=level, seed=seed)
    return ahead(*arrays), low, high


def wilson_interval(right: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """Return the interval in which the true share lies, when `right` of `n` independent tries were right.

    `z`: 1.96 gives the 95 % interval. Near 0 and 1, and for small `n`, it behaves better than the usual share plus or
    minus z standard errors. Raises ValueError for `right` outside 0 to `n`, and for no try at all. Source: E. B.
    Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927).
    """
    if not 0 <= right <= n or n < 1:
        raise ValueError(f"{right} right of {n}: it takes one try at least, and no more right than tries")
    share, extra = right / n, z**2 / n
    middle = (share + extra / 2) / (1 + extra)
    half = z * math.sqrt(share * (1 - share) / n + extra / (4 * n)) / (1 + extra)
    return middle - half, middle + half
