"""Chapters 7 to 9: how alike vectors are, which are nearest, and what they all have in common."""

import warnings
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

Vectors = (
    Tensor | np.ndarray
)  # or what becomes one: a table of pandas, a column of it with an array in each row, a list
BLOCK = 4_000_000  # numbers of a corpus that search() takes at a time: 16 MB in float32


@runtime_checkable
class HasVectors(Protocol):
    """What has a table of vectors, such as a Corpus."""

    @property
    def vectors(self) -> Vectors:
        """The vectors, [n, features]."""


def cosine_similarity(a: Vectors, b: Vectors | None = None) -> Float[Tensor, "n m"]:
    """Return the cosine of every row of `a` with every row of `b` (None: with every row of `a`).

    `a` [n, features] and `b` [m, features] are tensors, arrays of any order of rows or bytes, DataFrames, columns of
    arrays or lists; a single vector [features] counts as one row. Half precision becomes float32, integers float64.
    No cosine is above 1 or below -1. A row with NaN or infinity has only NaN cosines.

    Raises ValueError for different numbers of features and for a zero vector, which has no direction, by its row;
    TypeError for what holds no numbers. Sources: the 2019 article, 3.4 and 4.3; claims C17, C26.
    """
    left = _directions(a, "a")
    right = left if b is None else _directions(b, "b")
    if left.shape[1] != right.shape[1]:
        raise ValueError(f"the vectors of a have {left.shape[1]} features, those of b {right.shape[1]}")
    return (left @ right.to(left).T).clamp(-1, 1)


def search(
    queries: Vectors, corpus: Vectors | HasVectors, k: int = 5
) -> tuple[Float[Tensor, "q k"], Int[Tensor, "q k"]]:
    """Return for each query the `k` vectors of the corpus with the highest cosine, best first: (scores, indices).

    `corpus` [n, features]: a tensor, an array, or what has one as `.vectors`. It is read block by block, so that a
    memory map may be larger than the memory, whatever the number of queries. Equal scores stand in the order of the
    corpus. A row of the corpus with NaN or infinity comes after all others, with the score NaN.

    Raises ValueError for a `k` below 1 or above the number of vectors, and as cosine_similarity() does. Source: the
    2019 article, introduction; claim C28.
    """
    left = _directions(queries, "queries")
    if isinstance(corpus, HasVectors) and not hasattr(corpus, "to_numpy"):  # a DataFrame may have such a column
        corpus = corpus.vectors
    table = _table(corpus, "corpus")
    if left.shape[1] != table.shape[1]:
        raise ValueError(f"the queries have {left.shape[1]} features, the vectors of the corpus {table.shape[1]}")
    if not 1 <= k <= len(table):
        raise ValueError(f"k is {k}; it must be at least 1 and at most {len(table)}, the size of the corpus")
    scores = left.new_empty(len(left), 0)  # of the best so far, NaN as -inf, and where these stand in the corpus
    indices = torch.empty_like(scores, dtype=torch.long)
    if (
        single := len(left) == 1
    ):  # BLAS adds a single row's products up in an order that depends on the place: no ties
        left = left.expand(2, -1)
    size = max(1, BLOCK // max(1, left.shape[1], 4 * len(left)))  # a score takes more memory: its place, the sorting
    for start in range(0, len(table), size):
        found = (left @ _directions(table[start : start + size], "corpus", start).to(left).T).clamp_(-1, 1)
        found = found[:1] if single else found
        places = torch.arange(start, start + found.shape[1], device=left.device).expand_as(found)
        scores = torch.cat([scores, found.masked_fill(found.isnan(), float("-inf"))], dim=1)
        indices = torch.cat([indices, places], dim=1)
        if scores.shape[1] >= 2 * k or start + size >= len(table):  # rarely for a large k: sorting is what costs
            order = scores.sort(dim=1, descending=True, stable=True).indices[:, :k]
            scores, indices = scores.gather(1, order), indices.gather(1, order)
    return scores.masked_fill(scores == float("-inf"), float("nan")), indices


def remove_mean(
    vectors: Float[Tensor, "*n features"], mean: Float[Tensor, " features"] | None = None
) -> Float[Tensor, "*n features"]:
    """Subtract the mean vector, the direction that all vectors have in common.

    `mean` [features]: a mean taken elsewhere, for instance over a large sample; None: the mean of these vectors,
    NaN rows left out. Raises ValueError for a mean of another width. Source: Mu and Viswanath 2018
    (arXiv 1702.01417); claim C20.
    """
    vectors = _rows(vectors, "vectors")
    mean = vectors[None].flatten(0, -2).nanmean(dim=0) if mean is None else _rows(mean, "mean")
    if mean.shape != vectors.shape[-1:]:
        raise ValueError(f"the mean has the shape {list(mean.shape)}, the vectors have {vectors.shape[-1]} features")
    return vectors - mean


def random_pair_baseline(vectors: Vectors, n: int = 1000, seed: int = 0) -> float:
    """Return the mean cosine of `n` random pairs of different rows: what "not alike" looks like in this space.

    NaN where a row that was drawn has NaN or infinity. Raises ValueError for fewer than two vectors, and for a zero
    vector. Source: Ethayarajh 2019 (aclanthology D19-1006), section 3.3;
    claim C27.
    """
    rows = _directions(vectors, "vectors")
    if len(rows) < 2 or n < 1:
        raise ValueError(f"{n} pairs of {len(rows)} vectors: it takes one pair and two vectors at least")
    generator = torch.Generator().manual_seed(seed)
    first = torch.randint(len(rows), (n,), generator=generator)
    step = torch.randint(1, len(rows), (n,), generator=generator)  # never 0: the two rows differ
    return float((rows[first] * rows[(first + step) % len(rows)]).sum(dim=1).clamp(-1, 1).mean())


def self_similarity(vectors: Vectors) -> float:
    """Return the mean cosine of all pairs of different rows: how alike a word's vectors are over its contexts.

    1 would be one and the same vector everywhere, as in a static table. Raises ValueError for fewer than two
    vectors. Source: Ethayarajh 2019 (aclanthology D19-1006), section 3.1; claim C20.
    """
    rows = _directions(vectors, "vectors")
    n = len(rows)
    if n < 2:
        raise ValueError(f"self-similarity compares different rows, and there is {n}; it takes two at least")
    return float((((rows @ rows.T).sum() - n) / (n * (n - 1))).clamp(-1, 1))


def _array(vectors: Any, name: str) -> Tensor | np.ndarray:
    """What was given, as a tensor or an array of numbers; a memory map is not read."""
    if isinstance(vectors, Tensor):
        return vectors
    try:
        array: np.ndarray = np.asanyarray(vectors.to_numpy() if hasattr(vectors, "to_numpy") else vectors)
        if array.dtype == object:  # a row may be an array; a text that looks like a number is none
            array = np.stack([np.asarray(row.tolist() if isinstance(row, np.ndarray) else row) for row in array])
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"{name} is no table of numbers with rows of one length: {error}") from None
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} holds values of the type {array.dtype}, and it must hold real numbers")
    return array


def _rows(vectors: Any, name: str) -> Tensor:
    """The numbers as a tensor of float32 or float64, without a copy where they are such a tensor."""
    part = _array(vectors, name)
    if isinstance(part, np.ma.MaskedArray):
        part = np.ma.filled(part.astype(np.float64), np.nan)
    if isinstance(part, np.ndarray):
        if part.dtype not in (np.float32, np.float64) or not part.dtype.isnative:
            part = part.astype(np.float32 if part.dtype.kind + str(part.itemsize) in ("f2", "f4") else np.float64)
        with warnings.catch_warnings():  # a memory-mapped file is read-only, and nothing here writes to it
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
            part = np.ascontiguousarray(part)  # a single row may have a negative stride all the same
            part = torch.from_numpy(part.copy() if min(part.strides, default=0) < 0 else part)
    if part.is_complex():
        raise TypeError(f"{name} holds values of the type {part.dtype}, and it must hold real numbers")
    if part.dtype in (torch.float32, torch.float64):
        return part
    return part.float() if part.is_floating_point() else part.double()


def _table(vectors: Any, name: str) -> Tensor | np.ndarray:
    """The vectors as they are, [n, features]."""
    table = _array(vectors, name)
    table = table[None] if table.ndim == 1 else table
    if table.ndim != 2:
        raise ValueError(f"{name} has the shape {list(table.shape)}; it must be [n, features]")
    return table


def _directions(vectors: Any, name: str, first: int = 0) -> Tensor:
    """The rows scaled to length 1; they are counted from `first`."""
    rows = _rows(_table(vectors, name), name)
    lengths = rows.norm(dim=1, keepdim=True)
    directions: Tensor = rows / lengths
    limits = torch.finfo(rows.dtype)
    odd = ~((lengths > limits.tiny**0.5 / limits.eps) & (lengths < float("inf")))[:, 0]  # squares that get lost
    if odd.any():
        zero = (rows == 0).all(dim=1).nonzero()[:, 0].tolist()
        if zero:
            raise ValueError(f"row {first + zero[0]} of {name} is a zero vector and has no direction; leave it out")
        scaled = rows[odd] / rows[odd].abs().amax(dim=1, keepdim=True)
        directions[odd] = scaled / scaled.norm(dim=1, keepdim=True)
    return directions
