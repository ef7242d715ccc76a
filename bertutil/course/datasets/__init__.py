"""The small English data sets of the chapters, all written for this project (CC BY 4.0, see README.md here).

Each loader reads one file of this folder and returns a plain list of named tuples; next_sentence_pairs() makes
pairs of sentences from the stories.
"""

import csv
import json
from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import Any, Literal, NamedTuple

import torch

# All the ways to give sentences 0 to 3 of a story one of the sentences 1 to 4 each: not itself, not the next one
_NOT_NEXT = ((2, 3, 4, 1), (3, 4, 1, 2), (4, 3, 1, 2))

# Paragraphs that answer a query of the help centre as well, found after the file was sealed: the better rank counts
_ALSO_RIGHT = {"a145": ("d11#6",), "a153": ("d05#2",), "a158": ("d08#9",)}


class Sense(NamedTuple):
    """A sentence that uses `word` (exactly once, in this very form) in the sense `sense`."""

    word: str
    sense: str
    sentence: str


class Question(NamedTuple):
    """A question and its answer, which share no content word."""

    topic: str
    question: str
    answer: str


class Pair(NamedTuple):
    """Two sentences and how alike they are in meaning: 0 (unrelated) to 5 (the same)."""

    score: float
    first: str
    second: str


class HelpText(NamedTuple):
    """An article of the help centre, or one paragraph of a long document, whose id then is "d01#3" (from 1)."""

    id: str
    title: str
    text: str


class HelpQuery(NamedTuple):
    """A query, its kind ("code", "meaning", "mixed" or "long") and the ids of the texts that answer it."""

    query: str
    kind: str
    relevant: tuple[str, ...]


class Story(NamedTuple):
    """A story of five sentences, each of which follows from the one before."""

    title: str
    sentences: tuple[str, ...]


class Tagged(NamedTuple):
    """A sentence as words, each with its named-entity tag in the BIO scheme (O, B-PER, I-PER, ...)."""

    words: tuple[str, ...]
    tags: tuple[str, ...]


def senses() -> list[Sense]:
    """Sentences for words with two or three senses (chapter 7: the set that was tuned)."""
    return [Sense(**row) for row in _rows("senses.csv")]


def senses_sealed() -> list[Sense]:
    """The same words and senses as senses(), by writers who saw no model's scores: to choose with (7, 8, 15).

    Some sentences share wording with one of senses(): train on neither and test on the other.
    """
    return [Sense(**row) for row in _rows("senses_sealed.csv")]


def senses_new_words() -> list[Sense]:
    """Twenty other words, by writers who saw no model's scores: to report on (chapters 0, 7 to 10, 15)."""
    return [Sense(**row) for row in _rows("senses_new_words.csv")]


def questions() -> list[Question]:
    """Questions and answers without a content word in common (chapter 9)."""
    return [Question(**row) for row in _rows("questions.csv")]


def distractors() -> list[str]:
    """Sentences that answer none of the questions (chapter 9)."""
    return _text("distractors.txt").splitlines()


def pairs() -> list[Pair]:
    """Sentence pairs with graded similarity (chapters 8 and 9)."""
    return [Pair(float(row["score"]), row["first"], row["second"]) for row in _rows("pairs.csv")]


def help_articles() -> list[HelpText]:
    """The 160 short articles of an invented service's help centre (chapters 9 and 14)."""
    return [HelpText(**json.loads(line)) for line in _text("help_articles.jsonl").splitlines()]


def help_paragraphs() -> list[HelpText]:
    """The paragraphs of the help centre's 12 long documents, in their order (chapters 9 and 14)."""
    documents = [HelpText(**json.loads(line)) for line in _text("help_long.jsonl").splitlines()]
    cut = [(document, document.text.split("\n\n")) for document in documents]
    return [HelpText(f"{d.id}#{i}", d.title, text) for d, texts in cut for i, text in enumerate(texts, 1)]


def help_queries(part: str = "all") -> list[HelpQuery]:
    """Queries to the help centre, of four kinds (chapters 9 and 14); `part` is "choose", "report" or "all".

    What a search leaves open is chosen on the one part, and its figures are taken from the other. The halves are cut
    by article, even numbers for choosing and odd ones for reporting, so that no text answers queries of both.
    Raises ValueError for any other part.
    """
    if part not in ("choose", "report", "all"):
        raise ValueError(f"part is {part!r}; it must be 'choose', 'report' or 'all'")
    rows = [
        HelpQuery(row["query"], row["kind"], (*row["relevant"].split(), *_ALSO_RIGHT.get(row["relevant"], ())))
        for row in _rows("help_queries.csv")
    ]
    halves = {"choose": 0, "report": 1}
    return [row for row in rows if part == "all" or int(row.relevant[0][1:].partition("#")[0]) % 2 == halves[part]]


def stories() -> list[Story]:
    """Stories of five sentences (chapter 11, the next-sentence task)."""
    rows = _rows("stories.csv")
    return [Story(row["title"], tuple(row[f"sentence{i}"] for i in range(1, 6))) for row in rows]


def next_sentence_pairs(
    stories: Sequence[Story], wrong: str = "other", seed: int = 0
) -> tuple[list[str], list[str], list[int]]:
    """Make pairs of sentences for the next-sentence task: (first sentences, second sentences, labels).

    For each sentence but the last of a story there are two pairs, one behind the other: with the sentence that
    follows it (label 1), and with one that does not (label 0). `wrong`: where that one is from; "other": the same
    place in another one of these stories; "same": another place in the same story. Every second sentence occurs as
    often with the one label as with the other, so it alone tells nothing.

    Split by story before, and make the pairs of each part from its own stories: then no sentence is in two parts.
    Raises ValueError for another `wrong`, and for a single story where "other" is asked for. Claim C33.
    """
    if wrong not in ("other", "same"):
        raise ValueError(f"wrong is {wrong!r}; it must be 'other' or 'same'")
    if wrong == "other" and len(stories) < 2:
        raise ValueError(f"a sentence of another story is asked for, and there is {len(stories)} story only")
    generator = torch.Generator().manual_seed(seed)
    circle = torch.randperm(len(stories), generator=generator).tolist()
    partner = dict(zip(circle, circle[1:] + circle[:1], strict=True))
    firsts, seconds, labels = [], [], []
    for i, story in enumerate(stories):
        sentences = story.sentences
        order = _NOT_NEXT[int(torch.randint(len(_NOT_NEXT), (), generator=generator))]
        for k, place in enumerate(order):
            other = sentences[place] if wrong == "same" else stories[partner[i]].sentences[k + 1]
            firsts += [sentences[k]] * 2
            seconds += [sentences[k + 1], other]
            labels += [1, 0]
    return firsts, seconds, labels


def entities(part: str) -> list[Tagged]:
    """Tagged sentences for the named-entity probe of chapter 8; `part` is "train" or "test".

    Raises ValueError for any other part.
    """
    if part not in ("train", "test"):
        raise ValueError(f"part is {part!r}; it must be 'train' or 'test'")
    blocks = _text(f"entities_{part}.conll").strip().split("\n\n")
    columns = [zip(*(line.split(" ") for line in block.splitlines()), strict=True) for block in blocks]
    return [Tagged(*column) for column in columns]


def benchmark(device: Literal["cpu", "gpu"] = "cpu") -> dict[str, Any]:
    """The last results of benchmarks/run.py or gpu.py, with the machine they were measured on (chapter 13)."""
    return dict(json.loads(_text({"cpu": "benchmark.json", "gpu": "benchmark_gpu.json"}[device])))


def _text(name: str) -> str:
    return files(__name__).joinpath(name).read_text(encoding="utf-8")


def _rows(name: str) -> Iterator[dict[str, str]]:
    return csv.DictReader(_text(name).splitlines())
