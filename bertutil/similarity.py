"""Chapters 7 to 9: how alike vectors are, which are nearest, and what they all have in common."""

import warnings

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

Vectors = Tensor | np.ndarray


def cosine_similarity(a: Vectors, b: Vectors | None = None) -> Float[Tensor, "n m"]:
    """Return the cosine of every row of `a` with every row of `b` (None: with every row of `a`).

    `a` [n, features] and `b` [m, features] are tensors or arrays; a single vector [features] counts as one row.
    Half precision becomes float32. A row with NaN or infinity has only NaN cosines.

    Raises ValueError for different numbers of features and for a zero vector, which has no direction, by its row.
    Sources: the 2019 article, 3.4 and 4.3; claims C17, C26.
    """
    left = _directions(a, "a")
    right = left if b is None else _directions(b, "b")
    if left.shape[1] != right.shape[1]:
        raise ValueError(f"the vectors of a have {left.shape[1]} features, those of b {right.shape[1]}")
    return left @ right.to(left).T


def search(queries: Vectors, corpus: Vectors, k: int = 5) -> tuple[Float[Tensor, "q k"], Int[Tensor, "q k"]]:
    """Return for each query the `k` vectors of the corpus with the highest cosine, best first: (scores, indices).

    Equal scores stand in the order of the corpus. A row of the corpus with NaN or infinity comes after all others,
    with the score NaN.

    Raises ValueError for a `k` below 1 or above the number of vectors, and as cosine_similarity() does. Source: the
    2019 article, introduction; claim C28.
    """
    scores = cosine_similarity(queries, corpus)
    if not 1 <= k <= scores.shape[1]:
        raise ValueError(f"k is {k}; it must be at least 1 and at most {scores.shape[1]}, the size of the corpus")
    ranked = scores.masked_fill(scores.isnan(), float("-inf"))
    indices = ranked.sort(dim=1, descending=True, stable=True).indices[:, :k]
    return scores.gather(1, indices), indices


def remove_mean(
    vectors: Float[Tensor, "*n features"], mean: Float[Tensor, " features"] | None = None
) -> Float[Tensor, "*n features"]:
    """Subtract the mean vector, the direction that all vectors have in common.

    `mean` [features]: a mean taken elsewhere, for instance over a large sample; None: the mean of these vectors,
    NaN rows left out. Raises ValueError for a mean of another width. Source: Mu and Viswanath 2018
    (arXiv 1702.01417); claim C20.
    """
    vectors = _rows(vectors)
    mean = vectors[None].flatten(0, -2).nanmean(dim=0) if mean is None else _rows(mean)
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
    return float((rows[first] * rows[(first + step) % len(rows)]).sum(dim=1).mean())


def self_similarity(vectors: Vectors) -> float:
    """Return the mean cosine of all pairs of different rows: how alike a word's vectors are over its contexts.

    1 would be one and the same vector everywhere, as in a static table. Raises ValueError for fewer than two
    vectors. Source: Ethayarajh 2019 (aclanthology D19-1006), section 3.1; claim C20.
    """
    rows = _directions(vectors, "vectors")
    n = len(rows)
    if n < 2:
        raise ValueError(f"self-similarity compares different rows, and there is {n}; it takes two at least")
    return float(((rows @ rows.T).sum() - n) / (n * (n - 1)))


def _rows(vectors: Vectors) -> Tensor:
    with warnings.catch_warnings():  # a memory-mapped file is read-only, and nothing here writes to it
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        tensor = torch.as_tensor(vectors)
    return tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.float()


def _directions(vectors: Vectors, name: str) -> Tensor:
    """The rows scaled to length 1."""
    rows = _rows(vectors)
    rows = rows[None] if rows.ndim == 1 else rows
    if rows.ndim != 2:
        raise ValueError(f"{name} has the shape {list(rows.shape)}; it must be [n, features]")
    zero = (rows == 0).all(dim=1).nonzero().flatten().tolist()
    if zero:
        raise ValueError(f"row {zero[0]} of {name} is a zero vector and has no direction; leave it out")
    directions: Tensor = rows / rows.norm(dim=1, keepdim=True)
    return directions
