"""The small English data sets of the chapters, all written for this project (CC BY 4.0, see README.md here).

Each loader reads one file of this folder and returns a plain list of named tuples.
"""

import csv
import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any, NamedTuple


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


class Story(NamedTuple):
    """A story of five sentences, each of which follows from the one before."""

    title: str
    sentences: tuple[str, ...]


class Tagged(NamedTuple):
    """A sentence as words, each with its named-entity tag in the BIO scheme (O, B-PER, I-PER, ...)."""

    words: tuple[str, ...]
    tags: tuple[str, ...]


def senses() -> list[Sense]:
    """Sentences for words with two or three senses (chapters 7 and 8)."""
    return [Sense(**row) for row in _rows("senses.csv")]


def questions() -> list[Question]:
    """Questions and answers without a content word in common (chapter 9)."""
    return [Question(**row) for row in _rows("questions.csv")]


def distractors() -> list[str]:
    """Sentences that answer none of the questions (chapter 9)."""
    return _text("distractors.txt").splitlines()


def pairs() -> list[Pair]:
    """Sentence pairs with graded similarity (chapters 8 and 9)."""
    return [Pair(float(row["score"]), row["first"], row["second"]) for row in _rows("pairs.csv")]


def stories() -> list[Story]:
    """Stories of five sentences (chapter 11, the next-sentence task)."""
    rows = _rows("stories.csv")
    return [Story(row["title"], tuple(row[f"sentence{i}"] for i in range(1, 6))) for row in rows]


def entities(part: str) -> list[Tagged]:
    """Tagged sentences for the named-entity probe of chapter 8; `part` is "train" or "test".

    Raises ValueError for any other part.
    """
    if part not in ("train", "test"):
        raise ValueError(f"part is {part!r}; it must be 'train' or 'test'")
    blocks = _text(f"entities_{part}.conll").strip().split("\n\n")
    columns = [zip(*(line.split(" ") for line in block.splitlines()), strict=True) for block in blocks]
    return [Tagged(*column) for column in columns]


def benchmark() -> dict[str, Any]:
    """The last results of benchmarks/run.py, with the machine they were measured on (chapter 13)."""
    return dict(json.loads(_text("benchmark.json")))


def _text(name: str) -> str:
    return files(__name__).joinpath(name).read_text(encoding="utf-8")


def _rows(name: str) -> Iterator[dict[str, str]]:
    return csv.DictReader(_text(name).splitlines())
