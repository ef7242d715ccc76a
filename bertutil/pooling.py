"""Chapter 6: layers into one vector a token, word pieces into words, tokens into sentences."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from bertutil.encoding import Encoding

STRATEGIES = (
    "embeddings",
    "last",
    "second_to_last",
    "sum_last_4",
    "mean_last_4",
    "concat_last_4",
    "sum_all",
    "mean_all",
    "concat_all",
    "weighted",
)


def combine_layers(
    states: Float[Tensor, "rows tokens layers features"],
    strategy: str = "sum_last_4",
    *,
    weights: Sequence[float] | Float[Tensor, " layers"] | None = None,
) -> Float[Tensor, "rows tokens combined"]:
    """Make one vector a token out of its layers.

    `states`: what hidden_states() returns, layer 0 (the embedding output) first. `strategy`: one of STRATEGIES;
    "..._all" means layers 1 to n, without the embedding output, and concatenation puts the last layer first, as the
    2019 article does (3.3). "weighted" is the sum of all states, each times its number in `weights`. The result has
    as many features as a layer, with "concat_..." as many as all concatenated layers. Half precision becomes
    float32.

    Raises ValueError for an unknown strategy, too few layers, and weights that are missing, unused or of the wrong
    number. Sources: the BERT paper, table 7; the 2019 article, 3.3; claims C15, C22.
    """
    if strategy not in STRATEGIES:
        raise ValueError(f"unknown strategy {strategy!r}; the strategies are {', '.join(STRATEGIES)}")
    if (weights is None) == (strategy == "weighted"):
        raise ValueError("weights go with strategy='weighted', and only with it")
    states = _at_least_float32(states, "rows, tokens, layers, features")
    n = states.shape[2]
    needed = {"embeddings": 1, "last": 1}.get(strategy, 4 if strategy.endswith("4") else 2)
    if n < needed and strategy != "weighted":
        raise ValueError(
            f"{strategy!r} needs {needed} layers at least, and the states have {n}: take all layers, or 'last'"
        )

    if strategy == "embeddings":
        return states[:, :, 0]
    if strategy == "last":
        return states[:, :, -1]
    if strategy == "second_to_last":
        return states[:, :, -2]
    if strategy == "weighted":
        factors = torch.as_tensor(weights, dtype=states.dtype, device=states.device)
        if factors.shape != (n,):
            raise ValueError(f"the states have {n} layers and weights has the shape {list(factors.shape)}")
        return (states * factors[:, None]).sum(dim=2)
    chosen = states[:, :, -4:] if strategy.endswith("4") else states[:, :, 1:]
    if strategy.startswith("sum"):
        return chosen.sum(dim=2)
    if strategy.startswith("mean"):
        return chosen.mean(dim=2)
    return chosen.flip(2).flatten(2)


def pool_words(
    vectors: Float[Tensor, "rows tokens features"], encoding: Encoding, how: str = "mean"
) -> Float[Tensor, "texts words features"]:
    """Make one vector a word out of its pieces' vectors.

    `how`: "mean", "sum", "first", "last" or "max" over the word's pieces. Row i of the result belongs to
    encoding.words[i]. A word without a piece is NaN, never zero, and so is the padding behind the words of a text
    that has fewer than another. Of pieces that several windows show, the central ones count.

    Raises ValueError for an unknown `how` and for vectors that do not fit the encoding. Sources: the 2019 article,
    4.2; claims C08, C25.
    """
    if how not in ("mean", "sum", "first", "last", "max"):
        raise ValueError(f"how is {how!r}; it must be 'mean', 'sum', 'first', 'last' or 'max'")
    vectors = _at_least_float32(vectors, "rows, tokens, features")
    if vectors.shape[:2] != encoding.input_ids.shape:
        raise ValueError(
            f"the vectors are for {list(vectors.shape[:2])} [rows, tokens], the encoding has "
            f"{list(encoding.input_ids.shape)}; pool with the encoding that the vectors were made from"
        )
    n_texts, width = len(encoding.words), max(map(len, encoding.words), default=0)
    pieces = vectors[encoding.central]
    word = (encoding.text_index[:, None] * width + encoding.word_index)[encoding.central]

    counts = torch.bincount(word, minlength=n_texts * width)
    if how in ("first", "last"):
        order = torch.arange(len(word), device=word.device)
        place = torch.zeros_like(counts).scatter_reduce(
            0, word, order, "amin" if how == "first" else "amax", include_self=False
        )
        pooled = pieces[place] if len(pieces) else pieces.new_zeros(len(counts), pieces.shape[1])
    elif how == "max":
        pooled = pieces.new_zeros(len(counts), pieces.shape[1]).scatter_reduce(
            0, word[:, None].expand_as(pieces), pieces, "amax", include_self=False
        )
    else:
        pooled = pieces.new_zeros(len(counts), pieces.shape[1]).index_add(0, word, pieces)
        if how == "mean":
            pooled = pooled / counts[:, None]
    pooled = pooled.masked_fill((counts == 0)[:, None], float("nan"))
    return pooled.reshape(n_texts, width, pooled.shape[1])


def pool_sentences(
    vectors: Float[Tensor, "rows tokens features"],
    mask: Bool[Tensor, "rows tokens"] | Int[Tensor, "rows tokens"],
    how: str = "mean",
) -> Float[Tensor, "rows pooled"]:
    """Make one vector a row out of the tokens that `mask` lets through.

    `mask` is the caller's choice: encoding.attention_mask takes [CLS] and [SEP] in, as sentence-transformers does;
    encoding.content_mask leaves them out. `how`: "mean", "max", "mean_max" (both, one after the other: twice the
    features), "first" or "last" token of the mask, or "cls", the first token whatever the mask. With windows a row
    is a window, not a text.

    Raises ValueError for an unknown `how`, a mask of another shape or with other values than 0 and 1, and a row
    that the mask leaves without a token. Sources: the 2019 article, 3.3 and 4.1; claims C16, C23.
    """
    if how not in ("mean", "max", "cls", "mean_max", "last", "first"):
        raise ValueError(f"how is {how!r}; it must be 'mean', 'max', 'cls', 'mean_max', 'last' or 'first'")
    vectors = _at_least_float32(vectors, "rows, tokens, features")
    mask = torch.as_tensor(mask, device=vectors.device)
    if mask.shape != vectors.shape[:2]:
        raise ValueError(f"the mask has the shape {list(mask.shape)}, the vectors are for {list(vectors.shape[:2])}")
    if not ((mask == 0) | (mask == 1)).all():
        raise ValueError("the mask has values other than 0 and 1; are these the token ids or segment ids?")
    mask = mask.bool()
    empty = (~mask.any(dim=1)).nonzero().flatten().tolist()
    if empty and how != "cls":
        raise ValueError(
            f"row {empty[0]} has no token in the mask, so there is nothing to pool: is the text empty? "
            "Leave it out, or use attention_mask, which has [CLS] and [SEP]"
        )
    if how == "cls":
        return vectors[:, 0] if vectors.shape[1] else vectors.sum(dim=1)
    if not len(vectors):
        return vectors.new_zeros(0, vectors.shape[2] * (2 if how == "mean_max" else 1))
    if how in ("first", "last"):
        position = (
            mask.long().argmax(dim=1) if how == "first" else mask.shape[1] - 1 - mask.flip(1).long().argmax(dim=1)
        )
        return vectors[torch.arange(len(vectors), device=vectors.device), position]
    keep = mask[:, :, None]
    mean = vectors.masked_fill(~keep, 0).sum(dim=1) / keep.sum(dim=1)
    if how == "mean":
        return mean
    largest = vectors.masked_fill(~keep, float("-inf")).amax(dim=1)
    return largest if how == "max" else torch.cat([mean, largest], dim=1)


def _at_least_float32(vectors: Tensor, axes: str) -> Tensor:
    """Check the number of axes; sums in half precision lose digits (pitfall 19)."""
    vectors = torch.as_tensor(vectors)
    if vectors.ndim != len(axes.split()):
        raise ValueError(
            f"the vectors have the shape {list(vectors.shape)}, and it must be [{axes}]: hidden_states() has an axis "
            "of layers, and combine_layers() makes one vector of them"
        )
    return vectors.float() if vectors.dtype in (torch.float16, torch.bfloat16) else vectors
