"""Chapter 6: layers into one vector a token, word pieces into words, tokens into sentences."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from bertutil.encoding import Encoding

Mix = Literal[
    "embeddings",
    "last",
    "second_to_last",
    "sum_last_4",
    "mean_last_4",
    "concat_last_4",
    "sum_all",
    "mean_all",
    "concat_all",
]
Strategy = Literal[Mix, "weighted"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
Unit = Literal["sentence", "word", "token"]
SentenceHow = Literal["mean", "max", "cls", "mean_max", "last", "first"]
WordHow = Literal["mean", "sum", "first", "last", "max"]
HOWS: Mapping[Unit, tuple[str, ...]] = {
    "sentence": get_args(SentenceHow),
    "word": get_args(WordHow),
    "token": ("mean",),
}


def require_how(unit: Unit, how: str) -> None:
    """Refuse what is no way of pooling for this unit."""
    if how not in HOWS[unit]:
        *others, last = map(repr, HOWS[unit])
        ways = f"{', '.join(others)} or {last}" if others else last
        raise ValueError(f"how is {how!r}; for unit={unit!r} it must be {ways}")


def combine_layers(
    states: Float[Tensor, "rows tokens layers features"],
    strategy: Strategy = "sum_last_4",
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
    vectors: Float[Tensor, "rows tokens features"], encoding: Encoding, how: WordHow = "mean"
) -> Float[Tensor, "texts words features"]:
    """Make one vector a word out of its pieces' vectors.

    `how`: "mean", "sum", "first", "last" or "max" over the word's pieces. Row i of the result belongs to
    encoding.words[i]. A word without a piece is NaN, never zero, and so is the padding behind the words of a text
    that has fewer than another. Of pieces that several windows show, the central ones count.

    Raises ValueError for an unknown `how` and for vectors that do not fit the encoding. Sources: the 2019 article,
    4.2; claims C08, C25.
    """
    require_how("word", how)
    vectors = _at_least_float32(vectors, "rows, tokens, features")
    if vectors.shape[:2] != encoding.input_ids.shape:
        raise ValueError(
            f"the vectors are for {list(vectors.shape[:2])} [rows, tokens], the encoding has "
            f"{list(encoding.input_ids.shape)}; pool with the encoding that the vectors were made from"
        )
    n_texts, width = len(encoding.words), max(map(len, encoding.words), default=0)
    pieces = vectors[encoding.central]
    word = (encoding.text_index[:, None] * width + encoding.word_index)[encoding.central]

    pool = Pool(n_texts * width, vectors.shape[2:], how, like=vectors)
    pool.add(word, pieces)
    return pool.result().view(n_texts, width, vectors.shape[2])


def pool_sentences(
    vectors: Float[Tensor, "rows tokens features"],
    mask: Bool[Tensor, "rows tokens"] | Int[Tensor, "rows tokens"],
    how: SentenceHow = "mean",
) -> Float[Tensor, "rows pooled"]:
    """Make one vector a row out of the tokens that `mask` lets through.

    `mask` is the caller's choice: encoding.attention_mask takes [CLS] and [SEP] in, as sentence-transformers does;
    encoding.content_mask leaves them out. `how`: "mean", "max", "mean_max" (both, one after the other: twice the
    features), "first" or "last" token of the mask, or "cls", the first token whatever the mask. With windows a row
    is a window, not a text.

    Raises ValueError for an unknown `how`, a mask of another shape or with other values than 0 and 1, and a row
    that the mask leaves without a token. Sources: the 2019 article, 3.3 and 4.1; claims C16, C23.
    """
    require_how("sentence", how)
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
    pool = Pool(len(vectors), vectors.shape[2:], how, like=vectors)
    pool.add(mask.nonzero()[:, 0], vectors[mask])
    return pool.result()


class Pool:
    """Vectors pooled as they come: each goes into a slot. A slot into which none went becomes NaN, never zero.

    `n` slots; `shape` of a vector; `how`, one of HOWS; `like`, a tensor of the precision and on the device of the
    result. The vectors of a slot must come one after the other, since "first" and "last" look at their neighbours.
    """

    def __init__(self, n: int, shape: Sequence[int], how: str, like: Tensor) -> None:
        """Begin with nothing."""
        self.how, self.shape = how, shape
        self.counts = torch.zeros(n, dtype=torch.long, device=like.device)
        size = n, math.prod(shape)
        self.total = like.new_zeros(size if how != "max" else 0)
        self.largest = like.new_full(size if how in ("max", "mean_max") else (0,), float("-inf"))

    def add(self, slots: Int[Tensor, " tokens"], vectors: Float[Tensor, "tokens ..."]) -> None:
        """Put each vector into its slot."""
        if self.how in ("first", "last"):
            keep = ends_of_runs(slots, self.how)
            slots, vectors = slots[keep], vectors[keep]
        rows = vectors.flatten(1)
        self.counts += torch.bincount(slots, minlength=len(self.counts))
        if self.how != "max":
            self.total.index_add_(0, slots, rows)
        if self.how in ("max", "mean_max"):
            self.largest.scatter_reduce_(0, slots[:, None].expand_as(rows), rows, "amax")

    def result(self) -> Float[Tensor, "slots ..."]:
        """The vectors, one a slot; "mean_max" has both along the last axis. To be called once."""
        parts = []
        if self.how != "max":
            mean = self.total if self.how == "sum" else self.total.div_(self.counts[:, None])
            parts.append(mean.view(-1, *self.shape))
        if self.how in ("max", "mean_max"):
            parts.append(self.largest.view(-1, *self.shape))
        pooled = torch.cat(parts, dim=-1) if len(parts) > 1 else parts[0]
        return pooled.masked_fill_((self.counts == 0).view(-1, *[1] * len(self.shape)), float("nan"))


def ends_of_runs(slots: Int[Tensor, " tokens"], how: str) -> Bool[Tensor, " tokens"]:
    """Say which is the "first", or the "last", of neighbours that are equal."""
    keep = torch.ones_like(slots, dtype=torch.bool)
    edge = slots[1:] != slots[:-1]
    keep[1:] &= edge if how == "first" else True
    keep[:-1] &= edge if how == "last" else True
    return keep


def _at_least_float32(vectors: Tensor, axes: str) -> Tensor:
    """Check the number of axes; sums in half precision lose digits (pitfall 19)."""
    vectors = torch.as_tensor(vectors)
    if vectors.ndim != len(axes.split()):
        raise ValueError(
            f"the vectors have the shape {list(vectors.shape)}, and it must be [{axes}]: hidden_states() has an axis "
            "of layers, and combine_layers() makes one vector of them"
        )
    return vectors.float() if vectors.dtype in (torch.float16, torch.bfloat16) else vectors
