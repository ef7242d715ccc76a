"""Chapter 15: what a checkpoint gives for the texts that several claims share; each part is computed once."""

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from huggingface_hub import try_to_load_from_cache
from jaxtyping import Float
from numpy.typing import ArrayLike
from torch import Tensor

from bertutil import fine_tuning
from bertutil.checkpoints import CATALOGUE, Bert
from bertutil.course import datasets
from bertutil.course.inputs import BANK, RARE, is_cased
from bertutil.course.ledger.rules import UnfitError
from bertutil.encoding import Encoding, encode
from bertutil.intervals import bootstrap_interval
from bertutil.layers import hidden_states
from bertutil.packed import embed
from bertutil.pieces import Texts
from bertutil.pooling import SentenceHow, WordHow, pool_words
from bertutil.probes import (
    entity_counts,
    linear_probe,
    neighbour_accuracy,
    sequence_probe,
    side_by_side,
)
from bertutil.similarity import cosine_similarity, search, self_similarity


class Pairs(NamedTuple):
    """Graded pairs of sentences, with cosines in every layer.

    `unrelated`: by layer, the mean cosine of sentences of different pairs (means of the content tokens).
    """

    scores: Float[np.ndarray, " pairs"]
    mean: Float[np.ndarray, "pairs layers"]
    cls: Float[np.ndarray, "pairs layers"]
    unrelated: tuple[float, ...]


class Evidence:
    """A checkpoint, and what it gives for the texts that several claims share; each is computed once, when asked for.

    `cased`: the file with the vocabulary of bert-base-cased, for C32; find_cased() looks for it.
    """

    def __init__(self, bert: Bert, cased: Path | None = None) -> None:
        """See the class."""
        self.bert = bert
        self.cased = cased

    @property
    def table(self) -> Float[Tensor, "entries features"]:
        """The checkpoint's own static table: one row for each entry of the vocabulary."""
        weight: Tensor = self.bert.model.embeddings.word_embeddings.weight
        return weight.detach()

    @property
    def sentence_layer(self) -> int:
        """The layer that the catalogue recommends for sentence vectors."""
        return -1 if self.bert.sentence.strategy == "last" else -2

    def require(
        self, *, layers: int = 1, segments: int = 1, tokens: Sequence[str] = (), uncased: bool = False
    ) -> None:
        """Raise UnfitError where the checkpoint has fewer layers or segment types, lacks a token, or is cased."""
        config, vocabulary = self.bert.model.config, self.bert.tokenizer.get_vocab()
        if self.bert.n_layers < layers:
            raise UnfitError(f"it takes {layers} layers, and this checkpoint has {self.bert.n_layers}")
        if config.type_vocab_size < segments:
            raise UnfitError(f"it takes {segments} segment types, and this checkpoint has {config.type_vocab_size}")
        if lacking := [token for token in tokens if token not in vocabulary]:
            raise UnfitError(f"the vocabulary of this checkpoint has no entry {', '.join(lacking)}")
        if uncased and is_cased(self.bert):
            raise UnfitError("it is about an uncased model, and this checkpoint is cased")

    def last_four(self, states: Float[Tensor, "words layers features"]) -> Float[Tensor, "words 4 features"]:
        """The last four layers; UnfitError where there are fewer."""
        self.require(layers=4)
        return states[:, -4:]

    @cached_property
    def bank(self) -> tuple[Encoding, Float[Tensor, "rows tokens layers features"]]:
        """The article's sentence with three banks."""
        encoding = encode(self.bert, BANK)
        return encoding, hidden_states(self.bert, encoding)

    def words(self, texts: Texts, how: WordHow = "mean") -> list[Tensor]:
        """For each text the vectors of its words, [words, layers, features]."""
        return [*map(torch.as_tensor, embed(self.bert, texts, unit="word", strategy="each", how=how))]

    def sentences(self, texts: Sequence[str]) -> dict[str, Float[Tensor, "texts layers features"]]:
        """Two kinds of sentence vectors: the mean of the content tokens, and [CLS]."""
        ways: tuple[SentenceHow, ...] = ("mean", "cls")
        made = {how: embed(self.bert, texts, strategy="each", how=how, specials=False) for how in ways}
        return {how: torch.as_tensor(vectors).double() for how, vectors in made.items()}

    @cached_property
    def uses(self) -> dict[str, tuple[Float[Tensor, "uses layers features"], list[str]]]:
        """For each word of datasets.senses() the vectors of its uses, and their senses."""
        data = datasets.senses()
        split = encode(self.bert, [use.sentence for use in data]).words
        found: dict[str, tuple[list[Tensor], list[str]]] = {}
        for use, names, vectors in zip(data, split, self.words([use.sentence for use in data]), strict=True):
            own, senses = found.setdefault(use.word, ([], []))
            own.append(vectors[[name.text.lower() for name in names].index(use.word)])
            senses.append(use.sense)
        return {word: (torch.stack(own), senses) for word, (own, senses) in found.items()}

    @cached_property
    def sense_accuracy(self) -> Float[np.ndarray, "words layers"]:
        """Share of the uses of each word whose nearest other use has the same sense, by layer."""
        layers = range(self.bert.n_layers + 1)
        return np.array(
            [[neighbour_accuracy(own[:, k], senses) for k in layers] for own, senses in self.uses.values()]
        )

    @cached_property
    def pairs(self) -> "Pairs":
        """The graded pairs: their scores, and cosines for both kinds of sentence vectors."""
        data = datasets.pairs()
        first, second = self.sentences([pair.first for pair in data]), self.sentences([pair.second for pair in data])
        return Pairs(
            np.array([pair.score for pair in data]),
            torch.cosine_similarity(first["mean"], second["mean"], dim=2).numpy(),
            torch.cosine_similarity(first["cls"], second["cls"], dim=2).numpy(),
            tuple(self_similarity(vectors) for vectors in first["mean"].unbind(dim=1)),
        )

    @cached_property
    def reciprocal_ranks(self) -> dict[str, Float[np.ndarray, " questions"]]:
        """1 / rank of each question's answer, by both kinds of sentence vectors and by TF-IDF."""
        from sklearn.feature_extraction.text import TfidfVectorizer  # type: ignore[import-untyped]

        asked = [question.question for question in datasets.questions()]
        corpus = [question.answer for question in datasets.questions()] + datasets.distractors()
        queries, texts = self.sentences(asked), self.sentences(corpus)
        counter = TfidfVectorizer().fit(corpus)
        scores = {
            how: cosine_similarity(queries[how][:, self.sentence_layer], texts[how][:, self.sentence_layer]).numpy()
            for how in queries
        }
        scores["tf-idf"] = (counter.transform(asked) @ counter.transform(corpus).T).toarray()
        return {how: 1 / ranks(table) for how, table in scores.items()}

    @cached_property
    def rare(self) -> dict[str, Float[np.ndarray, "words 2"]]:
        """How often each word that splits is found again among all words of other sentences: 0, 1/2 or 1.

        By mean, sum and last piece; in layer 0, and in the sum of the last four layers. Two searches a word: from
        either of its sentences. "guessing" is the same number for all words, how often a random word would be it.
        """
        sides = [[texts[side] for texts in RARE.values()] for side in (0, 1)]
        names = [[word.text for own in encode(self.bert, side).words for word in own] for side in sides]
        found = {"guessing": np.full((len(RARE), 2), np.mean([1 / len(own) for own in names]))}
        ways: tuple[WordHow, ...] = ("mean", "sum", "last")
        for how in ways:
            vectors = [torch.cat(self.words(side, how)) for side in sides]
            kinds = [(states[:, 0], self.last_four(states).sum(dim=1)) for states in vectors]
            hits = np.zeros((len(RARE), 2))
            for one, other in ((0, 1), (1, 0)):
                rows = [names[one].index(word) for word in RARE]
                for k in (0, 1):
                    nearest = search(kinds[one][k][rows], kinds[other][k], k=1)[1].flatten().tolist()
                    hits[:, k] += [names[other][i] == word for i, word in zip(nearest, RARE, strict=True)]
            found[how] = hits / 2
        return found

    @cached_property
    def tagged(self) -> dict[str, tuple[list[Tensor], list[list[str]]]]:
        """The entities data, "train" and "test": vectors of each sentence's words (first pieces), and their tags."""
        return {
            part: (
                self.words([list(sentence.words) for sentence in datasets.entities(part)], "first"),
                [list(sentence.tags) for sentence in datasets.entities(part)],
            )
            for part in ("train", "test")
        }

    @cached_property
    def static(self) -> dict[str, list[Float[Tensor, "words features"]]]:
        """The entities data again: the row of the static table for each word's first piece."""
        found = {}
        for part in ("train", "test"):
            encoding = encode(self.bert, [list(sentence.words) for sentence in datasets.entities(part)])
            rows = pool_words(self.table[encoding.input_ids], encoding, "first")
            found[part] = [row[: len(own)] for row, own in zip(rows, encoding.words, strict=True)]
        return found

    @cached_property
    def sequence_counts(self) -> dict[str, Float[np.ndarray, "sentences 3"]]:
        """Entity counts of the BiLSTM on the inputs of table 7, and on the static table; one seed."""
        (train, tags), (test, gold) = self.tagged["train"], self.tagged["test"]
        inputs: dict[str, Callable[[Tensor], Tensor]] = {
            "embeddings": lambda states: states[:, 0],
            "second-to-last": lambda states: states[:, -2],
            "last": lambda states: states[:, -1],
            "weighted sum of all": lambda states: states[:, 1:],
        }
        if self.bert.n_layers >= 4:
            inputs["weighted sum of the last 4"] = self.last_four
            inputs["concatenation of the last 4"] = lambda states: self.last_four(states).flatten(1)
        made = {name: ([make(s) for s in train], [make(s) for s in test]) for name, make in inputs.items()}
        made["static table"] = (self.static["train"], self.static["test"])
        runs = side_by_side([partial(sequence_probe, own, tags, other) for own, other in made.values()])
        return {name: entity_counts(gold, run.tags) for name, run in zip(made, runs, strict=True)}

    @cached_property
    def place(self) -> dict[str, Float[np.ndarray, " sentences"]]:
        """Does a sentence of the entities data name a place? 1 where the answer is right, on the test part.

        "commoner": always the answer that is commoner in the training part; "frozen": a linear probe on [CLS] as it
        comes; "trained": after fine-tuning the upper three layers.
        """
        parts = datasets.entities("train"), datasets.entities("test")
        labels, gold = ([int("B-LOC" in sentence.tags) for sentence in part] for part in parts)
        train, test = ([list(sentence.words) for sentence in part] for part in parts)
        cls = [torch.as_tensor(embed(self.bert, part, strategy="last", how="cls")) for part in (train, test)]
        trained = self._train(encode(self.bert, train), labels, batch_size=8)
        answers = {
            "commoner": [round(sum(labels) / len(labels))] * len(gold),
            "frozen": [int(label) for label in linear_probe(cls[0], list(map(str, labels)), cls[1])],
            "trained": trained.predict(encode(self.bert, test)).tolist(),
        }
        return {name: (np.array(given) == gold).astype(float) for name, given in answers.items()}

    @cached_property
    def next_sentence(self) -> dict[str, Float[np.ndarray, " stories"]]:
        """How often, in each held-out story, the sentence that follows gets a higher score than a wrong one.

        "other": the wrong one is from another story, as in training; "same": from the same story. From [CLS], after
        fine-tuning the upper three layers on two thirds of the stories.
        """
        stories = datasets.stories()
        held_out = len(stories) // 3
        *texts, labels = datasets.next_sentence_pairs(stories[held_out:])
        trained = self._train(encode(self.bert, *texts), labels, batch_size=4, together=2)
        found = {}
        for wrong in ("other", "same"):
            *texts, _ = datasets.next_sentence_pairs(stories[:held_out], wrong)
            follows = trained.logits(encode(self.bert, *texts)).diff(dim=1).reshape(held_out, 4, 2)
            found[wrong] = (follows[..., 0] > follows[..., 1]).double().mean(dim=1).numpy()
        return found

    def _train(self, encoding: Encoding, labels: Sequence[int], **batches: int) -> fine_tuning.Classifier:
        """Short, and of the upper three layers only, which saves time and memory."""
        layers = min(3, self.bert.n_layers)
        return fine_tuning.train_cls(
            self.bert, encoding, labels, epochs=1, learning_rate=2e-4, layers=layers, **batches
        )


def find_cased() -> Path | None:
    """Return the vocabulary file of bert-base-cased where the hub's local cache has it, else None; no network.

    load("bert-base-cased"), once and with a network, puts it there.
    """
    file = try_to_load_from_cache(CATALOGUE["bert-base-cased"].hub_id, "vocab.txt")
    return Path(file) if isinstance(file, str) else None


def sure(name: str, found: tuple[float, float, float]) -> dict[str, float]:
    """A figure with both ends of its 95 % interval, as three quantities."""
    figure, low, high = found
    return {name: figure, f"{name}, at least": low, f"{name}, at most": high}


def average(values: Float[np.ndarray, " n"]) -> tuple[float, float, float]:
    """The mean of `values`, and both ends of its 95 % interval."""
    return float(np.mean(values)), *bootstrap_interval(np.mean, values)


def spearman(values: ArrayLike, scores: ArrayLike) -> float:
    """Spearman's rank correlation."""
    from scipy.stats import spearmanr  # type: ignore[import-untyped]

    return float(spearmanr(values, scores).statistic)


def ranks(scores: Float[np.ndarray, "queries texts"]) -> Float[np.ndarray, " queries"]:
    """The rank of text i for query i; of equal scores each counts one half."""
    own = np.diagonal(scores)[:, None]
    ahead, equal = (scores > own).sum(axis=1), (scores == own).sum(axis=1) - 1
    return np.asarray(1 + ahead + equal / 2)


def guess(senses: Sequence[str]) -> float:
    """How often a random other use has the same sense."""
    return float(np.mean([(senses.count(sense) - 1) / (len(senses) - 1) for sense in senses]))


def in_order(alike: Float[np.ndarray, " n"], unlike: Float[np.ndarray, " m"]) -> Float[np.ndarray, " n"]:
    """For each number of `alike` the share of `unlike` that is below it; equal ones count one half."""
    return np.asarray(((alike[:, None] > unlike) + (alike[:, None] == unlike) / 2).mean(axis=1))


def same_minus_other(vectors: Float[Tensor, "uses features"], senses: Sequence[str]) -> float:
    """Mean cosine of pairs of the same sense minus that of pairs of different senses."""
    cosines = cosine_similarity(vectors)
    same = torch.tensor([[a == b for b in senses] for a in senses])
    return float(cosines[same & ~torch.eye(len(senses), dtype=torch.bool)].mean() - cosines[~same].mean())
