"""Chapter 13: how embed() is fast: texts tokenized in bulk, laid end to end without padding, pooled as they come."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import groupby
from math import inf
from typing import Any, Literal, NamedTuple, TypeVar, cast, overload

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.utils.rnn import pad_sequence
from tqdm import tqdm  # type: ignore[import-untyped]
from transformers import BertModel

from bertutil.checkpoints import Bert, require_ready
from bertutil.layers import can_be_written_out, is_plain, packed_layer, run_model
from bertutil.pieces import STRIDE, Text, Texts, as_list, check_text, cut_windows, to_pieces
from bertutil.pooling import HOWS, Mix, Pool, SentenceHow, Unit, WordHow, combine_layers, ends_of_runs, require_how

Vectors = NDArray[np.float32]
Integers = NDArray[np.int64]
T = TypeVar("T")
EachOr = Mix | Literal["each"]
CHUNK = 500_000  # characters tokenized at a time: the tokenizer needs several hundred bytes for each
# All but cuDNN's, torch's first choice in half precision on an H200: it makes a plan for each new shape, and packed
# rows bring a new one with each length. It computed 1,800 texts a second, where float32 without it computed 15,000.
KERNELS = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]


@dataclass(frozen=True)
class Recipe:
    """What embed() is asked for, checked, and what it takes for that.

    `mix` [blocks, layers]: each block of features is a sum of layers, times these factors. `room`: the pieces that
    fit between `cls` and `sep`, the ids of [CLS] and [SEP].
    """

    bert: Bert
    unit: Unit
    strategy: EachOr
    how: str
    specials: bool
    mix: list[list[float]]
    room: int
    cls: int
    sep: int

    @property
    def state_shape(self) -> tuple[int, ...]:
        """The shape of what a token gives: its layers mixed into one vector, or with "each" layer by layer."""
        blocks, size = len(self.mix), self.bert.hidden_size
        return (blocks, size) if self.strategy == "each" else (blocks * size,)

    @property
    def n_features(self) -> int:
        """Numbers in one vector."""
        return self.bert.hidden_size * len(self.mix) * (2 if self.how == "mean_max" else 1)

    def has_nothing_to_pool(self, pieces: "Pieces") -> bool:
        """Whether a sentence has no vector."""
        return self.unit == "sentence" and not len(pieces.ids) and not self.specials and self.how != "cls"

    def n_vectors(self, pieces: "Pieces") -> int:
        """How many vectors a text gets."""
        if self.unit == "token":
            return len(pieces.ids) + 2 * self.specials
        return len(pieces.words) if self.unit == "word" else 1


def make_recipe(bert: Bert, unit: Unit, strategy: EachOr | None, how: str | None, specials: bool | None) -> Recipe:
    """Check the options, and fill in what suits the checkpoint where they are None."""
    if unit not in HOWS:
        raise ValueError(f"unit is {unit!r}; it must be 'sentence', 'word' or 'token'")
    meant = bert.sentence
    if unit != "sentence":
        meant = replace(meant, strategy="sum_last_4", how="mean", specials=False)
    strategy = cast(EachOr, meant.strategy) if strategy is None else strategy
    how = meant.how if how is None else how
    specials = meant.specials if specials is None else specials
    require_how(unit, how)
    if specials and unit == "word":
        raise ValueError("[CLS] and [SEP] are no words: specials=True is for unit='sentence' and unit='token'")
    if str(strategy) == "weighted":
        raise ValueError("embed has no weights; for 'weighted' use hidden_states() and combine_layers()")
    require_ready(bert)
    # every strategy is linear: fed with one unit vector for each layer, combine_layers tells its coefficients
    mix = layers = torch.eye(bert.n_layers + 1, dtype=torch.float32)
    if strategy != "each":
        mix = combine_layers(layers[None, None], strategy).reshape(-1, bert.n_layers + 1)
    depth = int(mix.any(dim=0).nonzero().max())
    ids = bert.tokenizer.cls_token_id, bert.tokenizer.sep_token_id
    return Recipe(bert, unit, strategy, how, specials, mix[:, : depth + 1].tolist(), bert.max_length - 2, *ids)


@overload
def embed(
    bert: Bert,
    texts: Texts,
    *,
    unit: Literal["sentence"] = "sentence",
    strategy: EachOr | None = None,
    how: SentenceHow | None = None,
    specials: bool | None = None,
    normalize: bool = False,
    progress: bool = False,
) -> Vectors: ...
@overload
def embed(
    bert: Bert,
    texts: Texts,
    *,
    unit: Literal["word", "token"],
    strategy: EachOr | None = None,
    how: WordHow | None = None,
    specials: bool | None = None,
    normalize: bool = False,
    progress: bool = False,
) -> list[Vectors]: ...
def embed(
    bert: Bert,
    texts: Texts,
    *,
    unit: Unit = "sentence",
    strategy: EachOr | None = None,
    how: SentenceHow | WordHow | None = None,
    specials: bool | None = None,
    normalize: bool = False,
    progress: bool = False,
) -> Vectors | list[Vectors]:
    """Return the vectors that encode, hidden_states, combine_layers and pooling give, faster.

    `texts`: as encode() takes them. `unit`: "sentence" gives one float32 array [texts, features]; "word" gives a
    list with an array [words, features] for each text, a row for each of encode()'s words (NaN for a word without
    a piece); "token" does the same for the tokens. `strategy`: one of combine_layers(), but not "weighted"; "each"
    keeps the layers apart, layer 0 first: [texts, layers, features], or a list of [words, layers, features]. `how`:
    as in pool_sentences() or pool_words(). `specials`: whether [CLS] and [SEP] count. None is for sentences what
    the checkpoint was made for (bert.sentence), else "sum_last_4", "mean" and False. `normalize` scales each vector
    to length 1. `progress` shows a bar on stderr.

    A text of more than bert.max_length tokens goes through windows, as with encode(too_long="window"); each of its
    tokens counts once, from the window where it is most central. With `specials` so do the first window's [CLS] and
    the last window's [SEP], and how="cls" is the mean of all windows' [CLS]. A text that comes again is not computed
    again. In the company of other texts a vector differs by some 1e-6.

    Raises TypeError and ValueError as encode() and combine_layers() do, and for options that do not go together, a
    model with a part in training mode, and a sentence without a token to pool, by its index. Method: batches without
    padding, no layer above the highest that is needed, layers added up while they pass (bertutil.packed). A model
    that was edited after it was loaded gives what its own forward gives; where that takes running it as it is, the
    batches are padded, which is slower.
    """
    recipe = make_recipe(bert, unit, strategy, how, specials)
    items = [check_text(text, f"text {i}") for i, text in enumerate(as_list(texts))]
    return embed_checked(recipe, items, normalize, progress)[0]


def embed_checked(
    recipe: Recipe, items: list[Text], normalize: bool = False, progress: bool = False, allow_gaps: bool = False
) -> tuple[Vectors | list[Vectors], list[int]]:
    """Return embed()'s vectors of checked texts, and the indices of those without a token.

    Such a sentence is refused, or with `allow_gaps` gets a row of NaN.
    """
    places = {item: place for place, item in enumerate(dict.fromkeys(items))}
    pieces = list(tokenize(recipe, list(places)))
    order = [places[item] for item in items]
    empty = [i for i, place in enumerate(order) if not recipe.n_vectors(pieces[place])]
    if recipe.unit == "sentence":
        empty = [i for i, place in enumerate(order) if recipe.has_nothing_to_pool(pieces[place])]
        if empty and not allow_gaps:
            raise ValueError(
                f"text {empty[0]}, {items[empty[0]]!r:.40}, has no token, so there is nothing to pool: leave it out, "
                "or use specials=True, which counts [CLS] and [SEP]"
            )
    with tqdm(total=len(pieces), disable=not progress, unit=" texts") as bar:
        vectors, starts = compute(recipe, pieces, bar.update)
    if normalize:
        vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True).clip(min=1e-12)
    if recipe.unit == "sentence":
        return vectors[order], empty
    return [vectors[starts[place] : starts[place + 1]].copy() for place in order], empty


# --- From texts to pieces ---


class Pieces(NamedTuple):
    """A text's pieces, without [CLS] and [SEP]; where needed, the word of each piece, and the words."""

    ids: Integers
    word_of: Integers
    words: Sequence[str]


_NONE = np.empty(0, dtype=np.int64)


def tokenize(recipe: Recipe, texts: Sequence[Text]) -> Iterator[Pieces]:
    """Yield each text's pieces, which are encode()'s, in bulk and without padding."""
    for chunk in grouped(texts, _size, CHUNK):
        yield from _tokenize_chunk(recipe, chunk)


def grouped(items: Iterable[T], size: Callable[[T], int], most: int, n_most: float = inf) -> Iterator[list[T]]:
    """Put items together, in their order: up to `n_most`, whose sizes add up to `most`, or one that is larger."""
    group: list[T] = []
    total = 0
    for item in items:
        if group and (len(group) == n_most or total + size(item) > most):
            yield group
            group, total = [], 0
        group.append(item)
        total += size(item)
    if group:
        yield group


def _size(text: Text) -> int:
    return len(text) if isinstance(text, str) else sum(map(len, text)) + len(text)


def _tokenize_chunk(recipe: Recipe, texts: Sequence[Text]) -> Iterator[Pieces]:
    """Splitting words in Python costs more than the tokenizer does, and a text that fits into a row may need none.

    Splitting off punctuation first, as encode() does, changes no piece: words end where the tokenizer splits.
    """
    bert = recipe.bert
    quick = [i for i, text in enumerate(texts) if _needs_no_words(text)] if _skips_words(recipe) else []
    spaced = [re.sub(r"\s", " ", str(texts[i])) for i in quick]  # as encode() does: some white space is deleted
    found = bert.splitters["text"].encode_batch_fast(spaced, add_special_tokens=False)
    short = {
        i: np.array(one.ids, dtype=np.int64) for i, one in zip(quick, found, strict=True) if len(one) <= recipe.room
    }
    others = _split_words(bert, [text for i, text in enumerate(texts) if i not in short])
    for i in range(len(texts)):
        yield Pieces(short[i], _NONE, []) if i in short else next(others)


def _skips_words(recipe: Recipe) -> bool:
    """Whether the tokenizer is BERT's own, without tokens of the user's that might span several words."""
    splitter = recipe.bert.splitters["text"]
    return (
        recipe.unit != "word"
        and isinstance(splitter.normalizer, BertNormalizer)
        and isinstance(splitter.pre_tokenizer, BertPreTokenizer)
        and all(token.special for token in splitter.get_added_tokens_decoder().values())
    )


def _needs_no_words(text: Text) -> bool:
    return isinstance(text, str) and len(text) <= CHUNK


def _split_words(bert: Bert, texts: Sequence[Text]) -> Iterator[Pieces]:
    """Split texts into words and these into pieces; a text larger than a chunk part by part."""
    if sum(map(_size, texts)) <= CHUNK:
        yield from _pieces(bert, texts)
        return
    for text in texts:
        parts = [pieces for part in _parts(text) for pieces in _pieces(bert, [part])]
        starts = np.cumsum([0, *(len(part.words) for part in parts)])
        yield Pieces(
            np.concatenate([part.ids for part in parts]),
            np.concatenate([part.word_of + start for part, start in zip(parts, starts, strict=False)]),
            [word for part in parts for word in part.words],
        )


def _pieces(bert: Bert, texts: Sequence[Text]) -> Iterator[Pieces]:
    for found in to_pieces(bert, list(texts), "text", "text"):
        words = [word for word, _, _ in found.words]
        yield Pieces(np.array(found.ids, dtype=np.int64), np.array(found.word_of, dtype=np.int64), words)


def _parts(text: Text) -> Iterator[Text]:
    """Cut a long text at white space, or between its given words."""
    if not isinstance(text, str):
        yield from (text[start : start + CHUNK // 10] for start in range(0, len(text), CHUNK // 10))
        return
    start = 0
    while start < len(text):
        space = re.compile(r"\s").search(text, start + CHUNK // 2)
        yield text[start : space.end() if space else len(text)]
        start = space.end() if space else len(text)


# --- From pieces to rows, and to where their vectors go ---


class Row(NamedTuple):
    """One row of the model, [CLS] and [SEP] included; for each token the vector it goes into, or -1."""

    ids: Integers
    slots: Integers


def _rows(recipe: Recipe, pieces: Pieces, first: int) -> Iterator[Row]:
    """Lay out a text, whose vectors are numbered from `first`, in one row or, where it is too long, in windows."""
    cls, sep = [recipe.cls], [recipe.sep]
    slots = _slots(recipe, pieces, first)
    if len(pieces.ids) <= recipe.room:
        yield Row(np.concatenate([cls, pieces.ids, sep]), slots)
        return
    content, size = slots[1:-1], len(pieces.ids)
    for start, end, central in cut_windows(pieces.word_of.tolist(), recipe.room, STRIDE):
        row = np.full(end - start + 2, -1)
        row[central.start - start + 1 : central.stop - start + 1] = content[central.start : central.stop]
        if start == 0 or recipe.how == "cls":
            row[0] = slots[0]
        if end == size:
            row[-1] = slots[-1]
        yield Row(np.concatenate([cls, pieces.ids[start:end], sep]), row)


def _slots(recipe: Recipe, pieces: Pieces, first: int) -> Integers:
    """Number the vector that each token of a text goes into: [CLS], the pieces, [SEP]; -1 is none."""
    n = len(pieces.ids)
    slots = np.full(n + 2, -1)
    if recipe.how == "cls":
        slots[0] = first
        return slots
    if recipe.unit == "word":
        slots[1:-1] = first + pieces.word_of
    elif recipe.unit == "sentence":
        slots[:] = first
    else:
        slots[:] = first + np.arange(n + 2) - (not recipe.specials)
    if not recipe.specials:
        slots[[0, -1]] = -1
    if recipe.how in ("first", "last"):
        slots[~ends_of_runs(torch.from_numpy(slots), recipe.how).numpy()] = -1
    return slots


def _length(row: Row) -> int:
    return len(row.ids)


def batch_tokens(model: BertModel) -> int:
    """How many tokens to compute at a time, as measured on two cores with AMX and on an H200.

    In float32, 4,096 tokens take 1 to 7 % less time than 1,024, and embed_corpus takes two to three times the memory
    beyond the model's; in bfloat16 they take 20 to 37 % less time. A graphics processor is idle with so few: it
    computed 145 thousand tokens a second in batches of 1,024, and 500 to 630 thousand in those of 32,768.
    """
    if model.device.type != "cpu":
        return 32_768
    return 1_024 if model.dtype == torch.float32 else 4_096


@torch.inference_mode()
def compute(recipe: Recipe, texts: Sequence[Pieces], advance: Callable[[int], Any]) -> tuple[Vectors, list[int]]:
    """Return the vectors of all texts, [vectors, features], and where those of each text start.

    A vector without a token is NaN. `advance` is told now and then how many texts more are done.
    """
    starts = [0, *np.cumsum([recipe.n_vectors(pieces) for pieces in texts]).tolist()]
    every = (row for pieces, start in zip(texts, starts, strict=False) for row in _rows(recipe, pieces, start))
    rows = [row for row in every if (row.slots >= 0).any()]
    rows.sort(key=_length, reverse=True)  # rows of a length meet
    model = recipe.bert.model
    pool = Pool(
        starts[-1], recipe.state_shape, recipe.how, like=torch.empty(0, dtype=torch.float32, device=model.device)
    )
    packed = is_plain(model.embeddings) and can_be_written_out(model, len(recipe.mix[0]) - 1)
    n_tokens, seen = sum(map(_length, rows)), 0
    for batch in grouped(rows, _length, batch_tokens(model)):
        slots = torch.from_numpy(np.concatenate([row.slots for row in batch])).to(model.device)
        wanted = slots >= 0
        with sdpa_kernel(KERNELS) if model.device.type == "cuda" else nullcontext():
            states = _mixed_states(recipe, [row.ids for row in batch], packed)
        pool.add(slots[wanted], states[wanted])
        before, seen = seen, seen + len(wanted)
        advance(len(texts) * seen // n_tokens - len(texts) * before // n_tokens)
    return pool.result().cpu().numpy(), starts


# --- The model on the rows of a batch ---


def _mixed_states(recipe: Recipe, rows: list[Integers], packed: bool) -> Float[Tensor, "tokens ..."]:
    """Run the model, and add up its layers as the strategy says: a row for each token, one text behind the other."""
    model, run = recipe.bert.model, _packed_states if packed else _padded_states
    shape = sum(map(len, rows)), recipe.bert.hidden_size
    blocks = [torch.zeros(shape, dtype=torch.float32, device=model.device) for _ in recipe.mix]
    depth = len(recipe.mix[0]) - 1
    for state, factors in zip(run(recipe.bert, rows, depth), zip(*recipe.mix, strict=True), strict=True):
        for block, factor in zip(blocks, factors, strict=True):
            if factor:  # float32 blocks: sums in half precision lose digits (pitfall 19)
                block.add_(state, alpha=factor)
    return torch.cat(blocks, dim=1).view(-1, *recipe.state_shape)


def _packed_states(bert: Bert, rows: list[Integers], depth: int) -> Iterator[Float[Tensor, "tokens features"]]:
    """Yield the states of rows laid end to end, layer by layer: no padding is computed."""
    model = bert.model
    lengths = [len(row) for row in rows]
    ids = torch.from_numpy(np.concatenate(rows))[None].to(model.device)
    positions = torch.cat([model.embeddings.position_ids[:, :length] for length in lengths], dim=1)
    state = model.embeddings(input_ids=ids, token_type_ids=torch.zeros_like(ids), position_ids=positions)[0]
    yield state
    runs = [(length, len(list(group))) for length, group in groupby(lengths)]
    for layer in model.encoder.layer[:depth]:
        state = packed_layer(layer, state, runs)
        yield state


def _padded_states(bert: Bert, rows: list[Integers], depth: int) -> Iterator[Float[Tensor, "tokens features"]]:
    """Yield the same for a model that was edited: it runs as it is, on padded rows."""
    ids = pad_sequence([torch.from_numpy(row) for row in rows], True, bert.tokenizer.pad_token_id)
    mask = torch.arange(ids.shape[1]) < torch.tensor([[len(row)] for row in rows])
    ids, mask = ids.to(bert.model.device), mask.to(bert.model.device)
    inputs = {"input_ids": ids, "token_type_ids": torch.zeros_like(ids), "attention_mask": mask.long()}
    for state in run_model(bert.model, inputs, depth):
        yield state[mask]
