"""Chapters 7 and 15: the senses of a word told by its own states, and by what is simpler than these.

A row is a sentence with a word in one of its senses (datasets.Sense). A mark (".", ",") is no word here.
"""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from transformers import BertModel

from bertutil.checkpoints import Bert
from bertutil.course.datasets import Sense
from bertutil.encoding import encode
from bertutil.layers import hidden_states
from bertutil.packed import embed
from bertutil.pieces import split_words
from bertutil.probes import neighbour_accuracy, neighbour_shares
from bertutil.similarity import cosine_similarity
from bertutil.static import StaticVectors

_LIST = """
    a about above across after against ahead all along although always am among an and another any anyone are as
    at away be because been before behind below beneath beside between both but by can cannot could did do does
    down each either enough even ever every few first for from had half has have he her his how however i if in
    into is it its just last less like many may me mine more most must my near never next no nobody nor not
    nothing of off on once one only onto or other ought our out over own same shall she should since so some
    something still than that the their them then there these they this those though through to too towards two
    under unless unlike until up us usually was we were what whatever when where whether which while who whoever
    whom whose why will with within without would yet you your
"""
STOP_WORDS = frozenset(_LIST.split())
WORD, OTHERS, MASK = "the word itself", "mean of the other words", "[MASK] in its place"
SHUFFLED, FUNCTION = "other words shuffled", "a function word"
RANDOM, GUESSING = "random weights", "guessing"
SHUFFLES, FUNCTION_DRAWS = 3, 10
BATCH = 64

Rows = Sequence[Sense]
Measure = Callable[[Tensor, Sequence[str]], float]


def split_rows(rows: Rows) -> tuple[list[list[str]], list[int]]:
    """Return for each row the words and marks of its sentence, and the place of its word among them (the first).

    Raises ValueError, with the number of the row, for a sentence without its word (capitals do not matter), and for
    one that has no other.
    """
    texts, places = [], []
    for i, row in enumerate(rows):
        text = [row.sentence[a:b] for a, b in split_words(row.sentence)]
        names = [word.lower() for word in text]
        if row.word.lower() not in names:
            raise ValueError(f"row {i}: {row.word!r} is no word of {row.sentence!r:.60}; write it as it stands there")
        texts.append(text)
        places.append(names.index(row.word.lower()))
        if not _others(text, places[-1]):
            raise ValueError(f"row {i}: {row.sentence!r:.60} has no other word; without one it has no context")
    return texts, places


def sense_states(bert: Bert, rows: Rows, seed: int = 0) -> dict[str, Float[Tensor, "draws rows layers features"]]:
    """Return the states of each row's word, and those of four rivals, at all layers; layer 0 comes first.

    WORD: the word. OTHERS: the mean of the other words of the same run, which have seen it. MASK: [MASK] in the
    word's place. SHUFFLED: the word, the other words of the sentence having changed places at random; the word itself
    and the marks stay where they are (give or take the pieces of a word that splits). FUNCTION: a function word of
    the sentence, drawn at random (any other word where it has none). The last two are drawn SHUFFLES and
    FUNCTION_DRAWS times; the first axis is 1 for the others. Take the mean of the accuracies of the draws, not of
    their states: accuracies() does.

    Raises ValueError as split_rows() does, and for a sentence that is too long for the model. Claims C17 to C20.
    """
    texts, places = split_rows(rows)
    draw = random.Random(seed)
    vectors = _word_states(bert, texts)
    others = [
        vectors[i][_others(text, place)].nanmean(dim=0)
        for i, (text, place) in enumerate(zip(texts, places, strict=True))
    ]
    shuffled, function = [], []
    for _ in range(SHUFFLES):
        mixed = [_shuffled(text, place, draw) for text, place in zip(texts, places, strict=True)]
        shuffled.append(_at(_word_states(bert, mixed), places))
    for _ in range(FUNCTION_DRAWS):
        chosen = []
        for text, place in zip(texts, places, strict=True):
            rest = _others(text, place)
            chosen.append(draw.choice([j for j in rest if text[j].lower() in STOP_WORDS] or rest))
        function.append(_at(vectors, chosen))
    return {
        WORD: _at(vectors, places)[None],
        OTHERS: torch.stack(others)[None],
        MASK: _masked(bert, texts, places)[None],
        SHUFFLED: torch.stack(shuffled),
        FUNCTION: torch.stack(function),
    }


def word_states(bert: Bert, rows: Rows) -> Float[Tensor, "1 rows layers features"]:
    """Return sense_states(bert, rows)[WORD] alone: four runs of the model fewer."""
    texts, places = split_rows(rows)
    return _at(_word_states(bert, texts), places)[None]


def random_copy(bert: Bert, seed: int = 0) -> Bert:
    """Return a checkpoint of the same form and tokenizer with untrained weights, as its library first draws them."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = BertModel(bert.model.config).eval()
    return replace(bert, name=f"{bert.name}, random weights", model=model)


def static_contexts(bert: Bert, glove: StaticVectors, rows: Rows) -> dict[str, Float[Tensor, "rows features"]]:
    """Return static averages of each sentence without its word, in eight ways.

    Two tables: GloVe, and the input table of the checkpoint (of several pieces their mean). Two ways to weigh the
    words: stop words left out; or SIF, the rarer the heavier, a / (a + p) with a = 0.001 and stop words left out as
    well, where p, the share of a text that is this word, follows from its place among GloVe's words by Zipf's law.
    Each as it is, and centred: less the mean of all rows, which knows the sentences and not their senses. A word
    without a row counts nothing; a sentence without any gets the mean of the others.

    Source: Arora, Liang and Ma 2017 (openreview SyK00v5xx), for SIF.
    """
    texts, places = split_rows(rows)
    contexts = [[text[j] for j in _others(text, place)] for text, place in zip(texts, places, strict=True)]
    order = {word: i for i, word in enumerate(glove.words, 1)}
    total = math.log(len(order)) + 0.5772  # of 1 + 1/2 + 1/3 + ...: the sum of all shares is then 1

    def rare(word: str) -> float:
        share = 1 / (order.get(word.lower(), math.inf) * total)
        return 0.001 / (0.001 + share)

    found = {}
    for table, lookup in {"GloVe": glove.rows, "input table": lambda words: table_rows(bert, words)}.items():
        for way, weigh in {"stop words out": lambda word: 1.0, "SIF": rare}.items():
            mean = _weighted(lookup, weigh, contexts)
            found[f"{table}, {way}"] = mean
            found[f"{table}, {way}, centred"] = mean - mean.mean(dim=0)
    return found


def table_rows(bert: Bert, words: Sequence[str]) -> Float[Tensor, "words features"]:
    """Return the mean row that each word's pieces have in the checkpoint's input table; NaN for one without any."""
    table: Tensor = bert.model.embeddings.word_embeddings.weight.detach()
    ids = [bert.tokenizer.convert_tokens_to_ids(bert.tokenizer.tokenize(word)) for word in words]
    return torch.stack([table[own].mean(dim=0) for own in ids])


def compare(
    bert: Bert, glove: StaticVectors, rows: Rows, static: str = "GloVe, SIF, centred"
) -> dict[str, Float[np.ndarray, "words layers"]]:
    """Return accuracies() of the word itself and of all its rivals, layer by layer; at most some seconds a 100 rows.

    To those of sense_states() come RANDOM, the word in random_copy(bert); one of static_contexts(), by its name; and
    GUESSING. The last two have one column, since they know no layers. Raises ValueError as sense_states() does.
    """
    states = {**sense_states(bert, rows), RANDOM: word_states(random_copy(bert), rows)}
    states[static] = static_contexts(bert, glove, rows)[static][None, :, None]
    return {**{name: accuracies(found, rows) for name, found in states.items()}, GUESSING: guessing(rows)[:, None]}


def accuracies(
    states: Float[Tensor, "draws rows layers features"], rows: Rows, measure: Measure = neighbour_accuracy
) -> Float[np.ndarray, "words layers"]:
    """Return accuracy_by_word() of each layer, the mean over the draws."""
    by_draw = [[accuracy_by_word(layer, rows, measure) for layer in draw.unbind(dim=1)] for draw in states]
    mean: np.ndarray = np.mean(by_draw, axis=0).T
    return mean


def accuracy_by_word(
    vectors: Float[Tensor, "rows features"], rows: Rows, measure: Measure = neighbour_accuracy
) -> Float[np.ndarray, " words"]:
    """Return for each word, in the order in which they come, how well its vectors tell its senses apart.

    `measure`: neighbour_accuracy or centroid_accuracy; both leave one out, and let what is equally near share.
    Raises ValueError as these do.
    """
    return np.array([measure(vectors[at], [rows[i].sense for i in at]) for at in rows_by_word(rows).values()])


def hits_by_row(vectors: Float[Tensor, "rows features"], rows: Rows) -> Float[np.ndarray, " rows"]:
    """Return for each row the share of its nearest neighbours, among its word's rows, that have its sense."""
    hits = np.empty(len(rows))
    for at in rows_by_word(rows).values():
        hits[at] = neighbour_shares(vectors[at], [rows[i].sense for i in at]).numpy()
    return hits


def rows_by_word(rows: Rows) -> dict[str, list[int]]:
    """Return for each word, in the order in which they come, where its rows stand."""
    where: dict[str, list[int]] = {}
    for i, row in enumerate(rows):
        where.setdefault(row.word, []).append(i)
    return where


def guessing(rows: Rows) -> Float[np.ndarray, " words"]:
    """Return for each word how often another of its rows, drawn at random, has the same sense."""
    return accuracy_by_word(torch.ones(len(rows), 1), rows)  # all are equally near


def centroid_accuracy(vectors: Float[Tensor, "n features"], labels: Sequence[str]) -> float:
    """Return the share of rows that are nearest, by cosine, to the middle of their own label (leave one out).

    The middle is the mean of the label's rows, the row itself left out. Equally near middles share.
    Raises ValueError for a label with a single row, which has no other.
    """
    names, own = np.unique(np.asarray(labels), return_inverse=True)
    if np.bincount(own).min() < 2:
        raise ValueError("a label has one row only; each needs two, since the row itself is left out")
    rows, member = vectors.double(), torch.eye(len(names), dtype=torch.double)[torch.as_tensor(own)]
    sums = (member.T @ rows)[None] - member[:, :, None] * rows[:, None]  # [n, labels, features]
    cosines = torch.cat([cosine_similarity(row, middles) for row, middles in zip(rows, sums, strict=True)])
    nearest = (cosines >= cosines.amax(dim=1, keepdim=True) - 1e-9).double()
    return float(((nearest * member).sum(dim=1) / nearest.sum(dim=1)).mean())


def _others(text: Sequence[str], place: int) -> list[int]:
    """Where the other words stand; marks are none."""
    return [j for j, word in enumerate(text) if j != place and any(map(str.isalnum, word))]


def _shuffled(text: list[str], place: int, draw: random.Random) -> list[str]:
    rest = _others(text, place)
    mixed = text.copy()
    for j, k in zip(rest, draw.sample(rest, len(rest)), strict=True):
        mixed[j] = text[k]
    return mixed


def _word_states(bert: Bert, texts: list[list[str]]) -> list[Float[Tensor, "words layers features"]]:
    return [torch.as_tensor(words) for words in embed(bert, texts, unit="word", strategy="each")]


def _at(vectors: list[Tensor], places: list[int]) -> Float[Tensor, "rows layers features"]:
    return torch.stack([words[place] for words, place in zip(vectors, places, strict=True)])


def _masked(bert: Bert, texts: list[list[str]], places: list[int]) -> Float[Tensor, "rows layers features"]:
    """The states of [MASK]; a word of several pieces gets as many, and their mean counts."""
    encoding = encode(bert, texts)
    here = encoding.word_index == torch.tensor(places, device=encoding.word_index.device)[:, None]
    ids = encoding.input_ids.masked_fill(here, bert.tokenizer.mask_token_id)
    found = []
    for start in range(0, len(texts), BATCH):
        part = slice(start, start + BATCH)
        batch = replace(
            encoding,
            input_ids=ids[part],
            token_type_ids=encoding.token_type_ids[part],
            attention_mask=encoding.attention_mask[part],
        )
        found += [own[at].mean(dim=0) for own, at in zip(hidden_states(bert, batch), here[part], strict=True)]
    return torch.stack(found).cpu()


def _weighted(
    lookup: Callable[[list[str]], Tensor], weigh: Callable[[str], float], contexts: list[list[str]]
) -> Float[Tensor, "rows features"]:
    means = []
    for words in contexts:
        vectors = lookup(words).double()
        weights = torch.tensor([weigh(word) * (word.lower() not in STOP_WORDS) for word in words]).double()
        weights = weights * ~vectors.isnan().any(dim=1)
        means.append(weights @ vectors.nan_to_num() / weights.sum())
    found = torch.stack(means)
    return torch.where(found.isnan(), found.nanmean(dim=0), found)
