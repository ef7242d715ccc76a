"""Chapter 12: the pairs to tune vectors with, what is measured before and after, and what other seeds gave."""

import json
from collections.abc import Sequence
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from scipy.stats import spearmanr  # type: ignore[import-untyped]

from bertutil.checkpoints import Bert
from bertutil.corpus import checkpoint_digest
from bertutil.course import datasets
from bertutil.course.rivals import accuracies, word_states
from bertutil.packed import embed
from bertutil.similarity import cosine_similarity

Pairs = list[tuple[str, ...]]
KINDS = ("code", "meaning", "mixed", "long")


class Measured(NamedTuple):
    """What a checkpoint reaches: 1 / rank for each query of the help centre and each question of the tutorial's own.

    `pairs`: Spearman's correlation over the sentence pairs; `senses`: how many of the sealed new words' senses the
    last layer tells apart (leaving one out, the mean of the words).
    """

    help: Float[np.ndarray, " queries"]
    questions: Float[np.ndarray, " questions"]
    pairs: float
    senses: float


def help_texts() -> dict[str, str]:
    """Return what a search of the help centre looks through, by id: articles with their titles, and paragraphs."""
    articles = {article.id: f"{article.title}. {article.text}" for article in datasets.help_articles()}
    return articles | {paragraph.id: paragraph.text for paragraph in datasets.help_paragraphs()}


def title_pairs(part: str = "choose") -> Pairs:
    """Return each article's title with its text, for the halves of datasets.help_queries(), or "all"."""
    wanted = {"choose": (0,), "report": (1,), "all": (0, 1)}[part]
    return [(row.title, row.text) for row in datasets.help_articles() if int(row.id[1:]) % 2 in wanted]


def query_pairs(part: str = "choose") -> Pairs:
    """Return the queries of one half, each with every text that answers it."""
    texts = help_texts()
    return [(query.query, texts[id]) for query in datasets.help_queries(part) for id in query.relevant]


def with_hard_negatives(bert: Bert, pairs: Pairs) -> Pairs:
    """Return the pairs with a third text: the neighbour of the right one, of its half, that answers another query.

    For an article on an error code that is, as a rule, an article on another code.
    """
    right = {pair[:2] for pair in pairs}
    texts = [text for id, text in help_texts().items() if int(id[1:].partition("#")[0]) % 2 == 0]
    cosines = cosine_similarity(embed(bert, [text for _, text, *_ in pairs]), embed(bert, texts))
    made: Pairs = []
    for (query, text, *_), scores in zip(pairs, cosines, strict=True):
        wrong = torch.tensor([(query, other) in right for other in texts])
        made.append((query, text, texts[int(scores.masked_fill(wrong, -2).argmax())]))
    return made


def shuffled(pairs: Pairs, seed: int) -> Pairs:
    """Return the same queries and the same texts, each query with the text of another pair."""
    order = torch.randperm(len(pairs), generator=torch.Generator().manual_seed(seed)).tolist()
    next_one = dict(zip(order, order[1:] + order[:1], strict=True))
    return [(query, pairs[next_one[i]][1]) for i, (query, *_) in enumerate(pairs)]


def drawn(pairs: Pairs, n: int, seed: int) -> Pairs:
    """Return `n` of the pairs, drawn at random."""
    order = torch.randperm(len(pairs), generator=torch.Generator().manual_seed(seed))
    return [pairs[i] for i in order[:n].tolist()]


def reciprocal_ranks(
    scores: Float[torch.Tensor, "queries texts"], right: Sequence[Sequence[int]]
) -> Float[np.ndarray, " queries"]:
    """Return 1 / rank of the best of the right texts of each query."""
    best = [row[own].max() for row, own in zip(scores, map(list, right), strict=True)]
    return np.array([float(1 / (1 + (row > top).sum())) for row, top in zip(scores, best, strict=True)])


def measure(bert: Bert) -> Measured:
    """Measure a checkpoint, its sentence vectors made as bert.sentence says."""
    texts = help_texts()
    place = {id: i for i, id in enumerate(texts)}
    queries, questions, pairs = datasets.help_queries(), datasets.questions(), datasets.pairs()
    answers = [question.answer for question in questions] + datasets.distractors()

    def scores(asked: list[str], searched: list[str]) -> torch.Tensor:
        return cosine_similarity(embed(bert, asked), embed(bert, searched))

    found = scores([query.query for query in queries], list(texts.values()))
    rows = datasets.senses_new_words()
    first = torch.as_tensor(embed(bert, [pair.first for pair in pairs]))
    second = torch.as_tensor(embed(bert, [pair.second for pair in pairs]))
    return Measured(
        help=reciprocal_ranks(found, [[place[id] for id in query.relevant] for query in queries]),
        questions=reciprocal_ranks(
            scores([q.question for q in questions], answers), [[i] for i in range(len(questions))]
        ),
        pairs=float(spearmanr(torch.cosine_similarity(first, second), [pair.score for pair in pairs]).statistic),
        senses=float(accuracies(word_states(bert, rows), rows)[:, -1].mean()),
    )


def of_kinds(part: str = "report") -> np.ndarray:
    """Return the kind of each query of one part, and "" for the others."""
    chosen = set(datasets.help_queries(part))
    return np.array([query.kind if query in chosen else "" for query in datasets.help_queries()])


def plain_mean(values: Float[np.ndarray, " queries"], kinds: np.ndarray) -> float:
    """Return the mean over the kinds of query that are there, each of them counting the same."""
    return float(np.mean([values[kinds == kind].mean() for kind in KINDS if (kinds == kind).any()]))


def stored(bert: Bert) -> dict[str, list[Measured]]:
    """Return what `python tools/tuning.py` stored for this checkpoint, by variant: a run for each seed."""
    record: dict[str, Any] = next(
        (each for each in _files() if each["digest"] == checkpoint_digest(bert)), {"runs": {}}
    )
    return {
        variant: [
            Measured(np.array(run["help"]), np.array(run["questions"]), run["pairs"], run["senses"]) for run in runs
        ]
        for variant, runs in record["runs"].items()
    }


def _files() -> list[dict[str, Any]]:
    folder = files("bertutil.course.datasets")
    names = sorted(file.name for file in folder.iterdir() if file.name.startswith("tuning_"))
    return [json.loads(folder.joinpath(name).read_text(encoding="utf-8")) for name in names]
