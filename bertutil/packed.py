"""Chapter 13: how embed() is fast: texts tokenized in bulk, laid end to end without padding, pooled as they come."""

import copy
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, zip_longest
from types import MethodType
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from tqdm import tqdm  # type: ignore[import-untyped]
from transformers import AttentionInterface, BertModel
from transformers.activations import GELUActivation
from transformers.models.bert.modeling_bert import BertOutput, BertSelfOutput

from bertutil.checkpoints import CATALOGUE, Bert
from bertutil.encoding import STRIDE, Texts, _as_list, _require_text, _sentences, _windows
from bertutil.pooling import combine_layers

Text = str | tuple[str, ...]  # a text, or the words of one
Vectors = NDArray[np.float32]
Integers = NDArray[np.int64]

HOWS = {
    "sentence": ("mean", "max", "cls", "mean_max", "last", "first"),
    "word": ("mean", "sum", "first", "last", "max"),
    "token": ("mean",),
}
CHUNK = 500_000  # characters tokenized at a time: the tokenizer needs several hundred bytes for each


@dataclass(frozen=True)
class Recipe:
    """What embed() is asked for, checked, and what it takes for that.

    `mix` [blocks, layers]: each block of features is a sum of layers, times these factors. `room`: the pieces that
    fit between `cls` and `sep`, the ids of [CLS] and [SEP].
    """

    bert: Bert
    unit: str
    strategy: str
    how: str
    specials: bool
    mix: list[list[float]]
    room: int
    cls: int
    sep: int

    @property
    def n_features(self) -> int:
        """Features of one vector."""
        return self.bert.hidden_size * len(self.mix) * (2 if self.how == "mean_max" else 1)

    def has_nothing_to_pool(self, pieces: "Pieces") -> bool:
        """Whether a sentence has no vector."""
        return self.unit == "sentence" and not len(pieces.ids) and not self.specials and self.how != "cls"

    def n_vectors(self, pieces: "Pieces") -> int:
        """How many vectors a text gets."""
        if self.unit == "token":
            return len(pieces.ids) + 2 * self.specials
        return len(pieces.words) if self.unit == "word" else 1


def make_recipe(bert: Bert, unit: str, strategy: str | None, how: str, specials: bool) -> Recipe:
    """Check the options and fill in the defaults."""
    if unit not in HOWS:
        raise ValueError(f"unit is {unit!r}; it must be 'sentence', 'word' or 'token'")
    if how not in HOWS[unit]:
        ways = " or ".join(filter(None, [", ".join(map(repr, HOWS[unit][:-1])), repr(HOWS[unit][-1])]))
        raise ValueError(f"how is {how!r}; for unit={unit!r} it must be {ways}")
    if specials and unit == "word":
        raise ValueError("[CLS] and [SEP] are no words: specials=True is for unit='sentence' and unit='token'")
    if strategy == "weighted":
        raise ValueError("embed has no weights; for 'weighted' use hidden_states() and combine_layers()")
    if bert.model.training:
        raise ValueError(
            f"the model of {bert.name} is in training mode, where dropout changes the vectors at random; "
            "call bert.model.eval() first"
        )
    if bert.tokenizer.padding_side != "right":
        raise ValueError("the tokenizer pads on the left; set bert.tokenizer.padding_side = 'right'")
    if strategy is None:
        sentence_strategy = CATALOGUE[bert.name].sentence_strategy if bert.name in CATALOGUE else "second_to_last"
        strategy = sentence_strategy if unit == "sentence" else "sum_last_4"
    # every strategy is linear: fed with one unit vector for each layer, combine_layers tells its coefficients
    layers = torch.eye(bert.n_layers + 1)
    mix = combine_layers(layers[None, None], strategy).reshape(-1, bert.n_layers + 1)
    depth = int(mix.any(dim=0).nonzero().max())
    ids = bert.tokenizer.cls_token_id, bert.tokenizer.sep_token_id
    return Recipe(bert, unit, strategy, how, specials, mix[:, : depth + 1].tolist(), bert.max_length - 2, *ids)


def embed(
    bert: Bert,
    texts: Texts,
    *,
    unit: str = "sentence",
    strategy: str | None = None,
    how: str = "mean",
    specials: bool = False,
    progress: bool = False,
) -> Vectors | list[Vectors]:
    """Return the vectors that encode, hidden_states, combine_layers and pooling give, faster.

    `texts`: as encode() takes them. `unit`: "sentence" gives one float32 array [texts, features]; "word" gives a
    list with an array [words, features] for each text, a row for each of encode()'s words (NaN for a word without
    a piece); "token" does the same for the tokens. `strategy`: one of combine_layers(), but not "weighted"; None is
    "sum_last_4" for words and tokens, and for sentences what the catalogue says of the checkpoint, else
    "second_to_last". `how`: as in pool_sentences() or pool_words(). `specials`: whether [CLS] and [SEP] count.
    `progress` shows a bar on stderr.

    A text of more than bert.max_length tokens goes through windows, as with encode(too_long="window"); each of its
    tokens counts once, from the window where it is most central. With `specials` so do the first window's [CLS] and
    the last window's [SEP], and how="cls" is the mean of all windows' [CLS]. A text that comes again is not computed
    again. In the company of other texts a vector differs by some 1e-6.

    Raises TypeError and ValueError as encode() and combine_layers() do, and for options that do not go together, a
    model in training mode, and a sentence without a token to pool, by its index. Method: batches without padding, no
    layer above the highest that is needed, layers added up while they pass (bertutil.packed).
    """
    recipe = make_recipe(bert, unit, strategy, how, specials)
    items = check_texts(_as_list(texts))
    places = {item: place for place, item in enumerate(dict.fromkeys(items))}
    pieces = list(tokenize(recipe, list(places)))
    empty = next((place for place, one in enumerate(pieces) if recipe.has_nothing_to_pool(one)), None)
    if empty is not None:
        index = next(i for i, item in enumerate(items) if places[item] == empty)
        raise ValueError(
            f"text {index}, {items[index]!r:.40}, has no token, so there is nothing to pool: leave it out, or use "
            "specials=True, which counts [CLS] and [SEP]"
        )
    with tqdm(total=len(pieces), disable=not progress, unit=" texts") as bar:
        vectors, starts = compute(recipe, pieces, bar.update)
    order = [places[item] for item in items]
    if unit == "sentence":
        return vectors[order]
    return [vectors[starts[place] : starts[place + 1]].copy() for place in order]


def check_texts(texts: Sequence[object], first: int = 0) -> list[Text]:
    """Return the texts, each a str or a tuple of words; refuse anything else by its index, counted from `first`."""
    checked: list[Text] = []
    for i, text in enumerate(texts, first):
        if isinstance(text, list | tuple):
            checked.append(tuple(_require_text(word, f"text {i}, word {j}") for j, word in enumerate(text)))
        else:
            checked.append(_require_text(text, f"text {i}"))
    return checked


# --- From texts to pieces ---


class Pieces(NamedTuple):
    """A text's pieces, without [CLS] and [SEP]; where needed, the word of each piece, and the words."""

    ids: Integers
    word_of: Integers
    words: Sequence[str]


# Where splitting off punctuation first, as encode() does, cannot change a piece: Python knows some marks that the
# tokenizer takes for letters, all outside these blocks.
_COMMON = re.compile("[\0-\u0600\u1e00-\u2dff\u3000-\u9fff\uac00-\ud7ff\uff00-\uffef]*")
_NONE = np.empty(0, dtype=np.int64)


def tokenize(recipe: Recipe, texts: Sequence[Text]) -> Iterator[Pieces]:
    """Yield each text's pieces, which are encode()'s, in bulk and without padding."""
    chunk: list[Text] = []
    size = 0
    for text in texts:
        if chunk and size + _size(text) > CHUNK:
            yield from _tokenize_chunk(recipe, chunk)
            chunk, size = [], 0
        chunk.append(text)
        size += _size(text)
    yield from _tokenize_chunk(recipe, chunk)


def _size(text: Text) -> int:
    return len(text) if isinstance(text, str) else sum(map(len, text)) + len(text)


def _tokenize_chunk(recipe: Recipe, texts: Sequence[Text]) -> Iterator[Pieces]:
    """Splitting words in Python costs more than the tokenizer does, and a text that fits into a row may need none."""
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
    return isinstance(text, str) and len(text) <= CHUNK and _COMMON.fullmatch(text) is not None


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
    for found in _sentences(bert, list(texts), "text", "text"):
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
    for start, end, central in _windows(pieces.word_of.tolist(), recipe.room, STRIDE):
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
    if recipe.how == "first":
        slots[1:][slots[1:] == slots[:-1]] = -1
    elif recipe.how == "last":
        slots[:-1][slots[:-1] == slots[1:]] = -1
    return slots


def batch_tokens(model: BertModel) -> int:
    """How many tokens to compute at a time, as measured on two cores with AMX and on an H200.

    In float32, 4,096 tokens take 1 to 7 % less time than 1,024, and embed_corpus takes two to three times the memory
    beyond the model's; in bfloat16 they take 20 to 37 % less time. A graphics processor is idle with so few: it
    computed 145 thousand tokens a second in batches of 1,024, and 500 to 630 thousand in those of 32,768.
    """
    if model.device.type != "cpu":
        return 32_768
    return 1_024 if model.dtype == torch.float32 else 4_096


def _batches(rows: list[Row], size: int) -> Iterator[list[Row]]:
    """Put rows together, longest first, so that rows of a length meet, up to `size` tokens."""
    batch: list[Row] = []
    tokens = 0
    for row in sorted(rows, key=lambda row: len(row.ids), reverse=True):
        if batch and tokens + len(row.ids) > size:
            yield batch
            batch, tokens = [], 0
        batch.append(row)
        tokens += len(row.ids)
    if batch:
        yield batch


@torch.inference_mode()
def compute(recipe: Recipe, texts: Sequence[Pieces], advance: Callable[[int], Any]) -> tuple[Vectors, list[int]]:
    """Return the vectors of all texts, [vectors, features], and where those of each text start.

    A vector without a token is NaN. `advance` is told now and then how many texts more are done.
    """
    starts = [0, *np.cumsum([recipe.n_vectors(pieces) for pieces in texts]).tolist()]
    every = (row for pieces, start in zip(texts, starts, strict=False) for row in _rows(recipe, pieces, start))
    rows = [row for row in every if (row.slots >= 0).any()]
    sums = recipe.how != "max"
    maxima = recipe.how in ("max", "mean_max")
    device = recipe.bert.model.device
    shape = starts[-1], recipe.bert.hidden_size * len(recipe.mix)
    total = torch.zeros(shape, device=device)
    largest = torch.full(shape if maxima else (0, 0), float("-inf"), device=device)
    counts = torch.zeros(shape[0], dtype=torch.long, device=device)
    n_tokens, seen = sum(len(row.ids) for row in rows), 0
    for batch in _batches(rows, batch_tokens(recipe.bert.model)):
        slots = torch.from_numpy(np.concatenate([row.slots for row in batch])).to(device)
        wanted = slots >= 0
        slots, states = slots[wanted], _run_packed(recipe, [row.ids for row in batch])[wanted]
        counts += torch.bincount(slots, minlength=len(counts))
        if sums:
            total.index_add_(0, slots, states)
        if maxima:
            largest.scatter_reduce_(0, slots[:, None].expand_as(states), states, "amax")
        before, seen = seen, seen + len(wanted)
        advance(len(texts) * seen // n_tokens - len(texts) * before // n_tokens)
    if recipe.how != "sum":
        total /= counts[:, None]
    pooled = torch.cat([total, largest], dim=1) if sums and maxima else total if sums else largest
    return pooled.masked_fill_((counts == 0)[:, None], float("nan")).cpu().numpy(), starts


# --- The model on packed rows ---


def _run_packed(recipe: Recipe, rows: list[Integers]) -> Float[Tensor, "tokens features"]:
    """Run the model on rows laid end to end, and add up its layers as the strategy says."""
    model = recipe.bert.model
    layers = _packed_layers(model)
    lengths = [len(row) for row in rows]
    runs = [(length, len(list(group))) for length, group in groupby(lengths)]
    ids = torch.from_numpy(np.concatenate(rows))[None].to(model.device)
    positions = torch.from_numpy(np.concatenate([np.arange(length) for length in lengths]))[None].to(model.device)
    state = model.embeddings(input_ids=ids, token_type_ids=torch.zeros_like(ids), position_ids=positions)
    blocks = [torch.zeros(ids.shape[1], recipe.bert.hidden_size, device=model.device) for _ in recipe.mix]
    for depth, factors in enumerate(zip(*recipe.mix, strict=True)):
        if depth:
            state = layers[depth - 1](state, runs=runs)
        for block, factor in zip(blocks, factors, strict=True):
            if factor:  # float32 blocks: sums in half precision lose digits (pitfall 19)
                block.add_(state[0], alpha=factor)
    return torch.cat(blocks, dim=1)


def _attend_in_runs(
    module: nn.Module,
    query: Float[Tensor, "1 heads tokens size"],
    key: Float[Tensor, "1 heads tokens size"],
    value: Float[Tensor, "1 heads tokens size"],
    attention_mask: None,
    *,
    scaling: float,
    runs: list[tuple[int, int]],
    **_: Any,
) -> tuple[Float[Tensor, "1 tokens heads size"], None]:
    """Attention within each of the rows that lie end to end; `runs`: a length, and how many rows in turn have it.

    Rows of one length are a batch without padding, so the fastest kernels apply, which take no mask.
    """
    sizes = [length * n for length, n in runs]
    parts = []
    for (length, n), *run in zip(runs, *(torch.split(x[0], sizes, dim=1) for x in (query, key, value)), strict=True):
        q, k, v = (x.reshape(-1, n, length, x.shape[-1]).transpose(0, 1) for x in run)
        parts.append(scaled_dot_product_attention(q, k, v, scale=scaling).transpose(1, 2).flatten(0, 1))
    return torch.cat(parts)[None], None


class _GeluInPlace(nn.Module):
    """GELU that overwrites its input, the largest tensor of a layer: 2 to 3 % less time on two cores."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.ops.aten.gelu_(x)  # type: ignore[no-any-return]


def _add_in_place(self: BertSelfOutput | BertOutput, hidden_states: Tensor, input_tensor: Tensor) -> Tensor:
    """Their forward() without dropout, adding in place: 2 to 4 % less time on two cores, 8 to 15 % in bfloat16."""
    return self.LayerNorm(self.dense(hidden_states).add_(input_tensor))  # type: ignore[no-any-return]


AttentionInterface.register("bertutil_packed", _attend_in_runs)
_packed: WeakKeyDictionary[BertModel, nn.ModuleList] = WeakKeyDictionary()


def _packed_layers(model: BertModel) -> nn.ModuleList:
    """Return the model's layers with packed attention, GELU and sums in place: other modules, the same weights.

    The model's own configuration stays as it is, because other threads may be using the model.
    """
    layers = _packed.get(model)
    weights = [*model.encoder.parameters()]
    if layers is None or any(a is not b for a, b in zip_longest(weights, layers.parameters())):
        config = copy.copy(model.config)
        config._attn_implementation = "bertutil_packed"
        shared = {id(x): x for x in (*weights, *model.encoder.buffers())} | {id(model.config): config}
        layers = _packed[model] = copy.deepcopy(model.encoder.layer, shared)
        for layer in layers:
            for output in (layer.attention.output, layer.output):
                if type(output) in (BertSelfOutput, BertOutput):  # a module of the user's own does what it does
                    output.forward = MethodType(_add_in_place, output)
            if isinstance(layer.intermediate.intermediate_act_fn, GELUActivation):
                layer.intermediate.intermediate_act_fn = _GeluInPlace()
    return layers
