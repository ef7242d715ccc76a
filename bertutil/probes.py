"""Chapter 8: small classifiers on frozen vectors, to see what a layer knows."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from bertutil.similarity import cosine_similarity


def neighbour_accuracy(vectors: Float[Tensor, "n features"], labels: Sequence[str]) -> float:
    """Return the share of rows whose nearest other row, by cosine, has the same label (leave one out).

    With k labels of equal size, guessing is right a little less often than 1 in k, since the row itself is left
    out. Of equally near rows the first counts.

    Raises ValueError for a number of labels other than of vectors, a label with a single row (its neighbour can
    never be right), a single label (no neighbour can be wrong) and rows with NaN. Claims C19, C20, C35.
    """
    if len(vectors) != len(labels):
        raise ValueError(f"there are {len(vectors)} vectors and {len(labels)} labels; each vector needs one")
    names, counts = np.unique(np.asarray(labels), return_counts=True)
    if len(names) < 2:
        raise ValueError("all rows have the same label; it takes two at least to tell anything apart")
    if counts.min() < 2:
        raise ValueError(f"the label {str(names[counts.argmin()])!r} has one example only; each needs two at least")
    odd = (~vectors.isfinite()).any(dim=1).nonzero().flatten().tolist()
    if odd:
        raise ValueError(f"row {odd[0]} has NaN or infinity and so no neighbours; leave it out")
    nearest = cosine_similarity(vectors).fill_diagonal_(-torch.inf).argmax(dim=1).tolist()
    return float(np.mean([labels[i] == labels[j] for i, j in enumerate(nearest)]))
