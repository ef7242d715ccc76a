"""Chapter 15: what a checkpoint gives for the texts that several claims share; each part is computed once."""

import random
import re
from collections.abc import Callable, Iterable, Sequence
from copy import copy
from functools import cache, cached_property, partial
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
from bertutil.course import datasets, rivals
from bertutil.course.inputs import BANK, RARE, is_cased
from bertutil.course.ledger.rules import UnfitError
from bertutil.encoding import Encoding, encode
from bertutil.intervals import bootstrap_interval, paired_difference
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
from bertutil.static import StaticVectors, glove

_glove: Callable[[], StaticVectors] = cache(glove)


class Pairs(NamedTuple):
    """Graded pairs of sentences, with cosines in every layer.

    `mean` and `cls`: by layer, from the content tokens and from [CLS]; `glove`: from means of GloVe's rows.
    `unrelated`: by layer, the mean cosine of sentences of different pairs (means of the content tokens).
    """

    scores: Float[np.ndarray, " pairs"]
    mean: Float[np.ndarray, "pairs layers"]
    cls: Float[np.ndarray, "pairs layers"]
    glove: Float[np.ndarray, " pairs"]
    unrelated: tuple[float, ...]


class Evidence:
    """A checkpoint, and what it gives for the texts that several claims share; each is computed once, when asked for.

    `cased`: the file with the vocabulary of bert-base-cased, for C32; find_cased() looks for it. `seeds`: what is
    trained is trained once with each of them, and has them as its first axis.
    """

    def __init__(self, bert: Bert, cased: Path | None = None, seeds: Sequence[int] = (0,)) -> None:
        """See the class."""
        self.bert = bert
        self.cased = cased
        self.seeds = tuple(seeds)

    def of_seed(self, seed: int) -> "Evidence":
        """The same evidence for one of the seeds; what was trained is not trained again."""
        one, k = copy(self), self.seeds.index(seed)
        one.seeds = (seed,)
        for name in ("sequence_counts", "place_trained", "next_trained"):
            one.__dict__[name] = {how: values[[k]] for how, values in getattr(self, name).items()}
        return one

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
        """For each of the 40 words of the two sealed sets the vectors of its uses, and their senses."""
        return self.senses["word"]

    @cached_property
    def senses(self) -> dict[str, dict[str, tuple[Float[Tensor, "uses layers features"], list[str]]]]:
        """The uses of the 40 words as "word", and the rivals of its vector, which do not see it or its order.

        "others": the mean of the other words' states; "shuffled": the word, with the others in a random order around
        it; "glove": the best static average of the context, from GloVe, which has one layer (see rivals).
        """
        data = sealed()
        split, places = rivals.split_rows(data)
        draw = random.Random(0)
        mixed = []
        for own, place in zip(split, places, strict=True):
            others = draw.sample(own[:place] + own[place + 1 :], len(own) - 1)
            mixed.append([*others[:place], own[place], *others[place:]])
        found: dict[str, dict[str, tuple[list[Tensor], list[str]]]] = {}
        states = zip(
            data, places, self.words(split), self.words(mixed), self.contexts["GloVe, SIF, centred"], strict=True
        )
        for use, place, vectors, shuffled, static in states:
            kinds = {
                "word": vectors[place],
                "others": torch.cat([vectors[:place], vectors[place + 1 :]]).nanmean(dim=0),
                "shuffled": shuffled[place],
                "glove": static[None],
            }
            for kind, vector in kinds.items():
                rows, senses = found.setdefault(kind, {}).setdefault(use.word, ([], []))
                rows.append(vector)
                senses.append(use.sense)
        return {
            kind: {word: (torch.stack(rows), senses) for word, (rows, senses) in words.items()}
            for kind, words in found.items()
        }

    @cached_property
    def contexts(self) -> dict[str, Float[Tensor, "uses features"]]:
        """Static averages of the sentences of the two sealed sets without their word, in several ways."""
        return rivals.static_contexts(self.bert, _glove(), sealed())

    @cached_property
    def sense_accuracy(self) -> dict[str, Float[np.ndarray, "words layers"]]:
        """By kind (see senses): share of the uses of each word whose nearest other use has the same sense, by layer.

        "guessing": how often a random other use has it, the same number in a single layer.
        """
        found = {
            kind: np.array([[neighbour_accuracy(layer, senses) for layer in own.unbind(dim=1)] for own, senses in w])
            for kind, w in ((kind, list(words.values())) for kind, words in self.senses.items())
        }
        return found | {"guessing": np.array([[guess(senses)] for _, senses in self.uses.values()])}

    @cached_property
    def pairs(self) -> "Pairs":
        """The graded pairs: their scores, and cosines for both kinds of sentence vectors."""
        data = datasets.pairs()
        first, second = self.sentences([pair.first for pair in data]), self.sentences([pair.second for pair in data])
        return Pairs(
            np.array([pair.score for pair in data]),
            torch.cosine_similarity(first["mean"], second["mean"], dim=2).numpy(),
            torch.cosine_similarity(first["cls"], second["cls"], dim=2).numpy(),
            torch.cosine_similarity(
                glove_means(pair.first for pair in data), glove_means(pair.second for pair in data)
            ).numpy(),
            tuple(self_similarity(vectors) for vectors in first["mean"].unbind(dim=1)),
        )

    @cached_property
    def reciprocal_ranks(self) -> dict[str, Float[np.ndarray, " questions"]]:
        """1 / rank of each question's answer, by both kinds of sentence vectors, by TF-IDF and by means of GloVe."""
        from sklearn.feature_extraction.text import TfidfVectorizer  # type: ignore[import-untyped]

        asked = [question.question for question in datasets.questions()]
        corpus = [question.answer for question in datasets.questions()] + datasets.distractors()
        queries, texts = self.sentences(asked), self.sentences(corpus)
        counter = TfidfVectorizer().fit(corpus)
        scores = {
            how: cosine_similarity(queries[how][:, self.sentence_layer], texts[how][:, self.sentence_layer]).numpy()
            for how in queries
        }
        scores["glove"] = cosine_similarity(glove_means(asked), glove_means(corpus)).numpy()
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
    def static(self) -> dict[str, dict[str, list[Float[Tensor, "words features"]]]]:
        """The entities data as static vectors, "train" and "test".

        "input table": the mean of the rows of a word's pieces in the checkpoint's own table; "GloVe": the word's row,
        zeros where it has none.
        """
        found: dict[str, dict[str, list[Tensor]]] = {"input table": {}, "GloVe": {}}
        for part in ("train", "test"):
            sentences = [list(sentence.words) for sentence in datasets.entities(part)]
            encoding = encode(self.bert, sentences)
            rows = pool_words(self.table[encoding.input_ids], encoding, "mean")
            found["input table"][part] = [row[: len(own)] for row, own in zip(rows, encoding.words, strict=True)]
            found["GloVe"][part] = [_glove().rows(words).nan_to_num() for words in sentences]
        return found

    @cached_property
    def sequence_counts(self) -> dict[str, Float[np.ndarray, "seeds sentences 3"]]:
        """Entity counts of the BiLSTM on the six inputs of table 7, and on the two static ones, for each seed."""
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
        made |= {name: (parts["train"], parts["test"]) for name, parts in self.static.items()}
        calls = [
            partial(sequence_probe, own, tags, other, seed=seed)
            for own, other in made.values()
            for seed in self.seeds
        ]
        counts = [entity_counts(gold, run.tags) for run in side_by_side(calls)]
        n = len(self.seeds)
        return {name: np.stack(counts[i * n : (i + 1) * n]) for i, name in enumerate(made)}

    @cached_property
    def linear_counts(self) -> Float[np.ndarray, "sentences 3"]:
        """Entity counts of a linear probe on the sum of the last four layers, word by word."""
        (train, tags), (test, gold) = self.tagged["train"], self.tagged["test"]
        summed = [torch.cat([self.last_four(own).sum(dim=1) for own in part]) for part in (train, test)]
        answers = iter(linear_probe(summed[0], [tag for own in tags for tag in own], summed[1]))
        return entity_counts(gold, [[next(answers) for _ in own] for own in gold])

    @cached_property
    def place(self) -> dict[str, Float[np.ndarray, " sentences"]]:
        """Does a sentence of the entities data name a place? 1 where the answer is right, on the test part.

        "commoner": always the answer that is commoner in the training part; "frozen": a linear probe on [CLS] as it
        comes; "tf-idf": the same kind of probe on the words, counted.
        """
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

        (train, labels), (test, gold) = self._place_sentences
        cls = [torch.as_tensor(embed(self.bert, part, strategy="last", how="cls")) for part in (train, test)]
        joined = [[" ".join(words) for words in part] for part in (train, test)]
        counter = TfidfVectorizer().fit(joined[0])
        words = LogisticRegression(C=10).fit(counter.transform(joined[0]), labels)
        answers = {
            "commoner": [round(sum(labels) / len(labels))] * len(gold),
            "frozen": [int(label) for label in linear_probe(cls[0], list(map(str, labels)), cls[1])],
            "tf-idf": words.predict(counter.transform(joined[1])),
        }
        return {name: (np.asarray(given) == gold).astype(float) for name, given in answers.items()}

    @cached_property
    def place_trained(self) -> dict[str, Float[np.ndarray, "seeds sentences"]]:
        """The same question, "trained": from [CLS] after fine-tuning the upper three layers, for each seed."""
        (train, labels), (test, gold) = self._place_sentences
        encodings = encode(self.bert, train), encode(self.bert, test)
        answers = [
            self._train(encodings[0], labels, batch_size=8, seed=seed).logits(encodings[1]).argmax(dim=1).numpy()
            for seed in self.seeds
        ]
        return {"trained": (np.stack(answers) == np.array(gold)).astype(float)}

    @property
    def _place_sentences(self) -> list[tuple[list[list[str]], list[int]]]:
        parts = datasets.entities("train"), datasets.entities("test")
        return [([list(row.words) for row in part], [int("B-LOC" in row.tags) for row in part]) for part in parts]

    @cached_property
    def next_trained(self) -> dict[str, Float[np.ndarray, "seeds stories"]]:
        """How often, in each held-out story, the sentence that follows gets a higher score than a wrong one.

        "other": the wrong one is from another story, as in training; "same": from the same story. From [CLS], after
        fine-tuning the upper three layers on two thirds of the stories; for each seed.
        """
        stories = datasets.stories()
        *texts, labels = datasets.next_sentence_pairs(stories[self._held_out :])
        found: dict[str, list[np.ndarray]] = {"other": [], "same": []}
        for seed in self.seeds:
            trained = self._train(encode(self.bert, *texts), labels, batch_size=4, together=2, seed=seed)
            for wrong, rows in found.items():
                *pairs, _ = datasets.next_sentence_pairs(stories[: self._held_out], wrong)
                rows.append(self._first_is_higher(trained.logits(encode(self.bert, *pairs)).diff(dim=1)))
        return {wrong: np.stack(rows) for wrong, rows in found.items()}

    @cached_property
    def next_cosine(self) -> Float[np.ndarray, " stories"]:
        """The same choice, against a sentence of another story, by the cosine of the sentence vectors: untrained."""
        *texts, _ = datasets.next_sentence_pairs(datasets.stories()[: self._held_out])
        first, second = (self.sentences(side)["mean"][:, self.sentence_layer] for side in texts)
        return self._first_is_higher(torch.cosine_similarity(first, second))

    @property
    def _held_out(self) -> int:
        return len(datasets.stories()) // 3

    def _first_is_higher(self, scores: Tensor) -> Float[np.ndarray, " stories"]:
        """For each held-out story the share of its four pairs in which the true one has the higher score."""
        both = scores.reshape(self._held_out, 4, 2)
        return np.asarray((both[..., 0] > both[..., 1]).double().mean(dim=1))

    def _train(self, encoding: Encoding, labels: Sequence[int], **settings: int) -> fine_tuning.Classifier:
        """Short, and of the upper three layers only, which saves time and memory."""
        layers = min(3, self.bert.n_layers)
        return fine_tuning.train_cls(
            self.bert, encoding, labels, epochs=1, learning_rate=2e-4, layers=layers, **settings
        )


def sealed() -> list[datasets.Sense]:
    """The two sets of senses for which no model was run before they were finished: 40 words."""
    return datasets.senses_sealed() + datasets.senses_new_words()


def glove_place(word: str, other: str) -> int:
    """The place of `other` among the neighbours of `word` in GloVe; 1 is the nearest."""
    cosines = cosine_similarity(glove_row(word)[None], _glove().vectors)[0]
    return int((cosines > cosines[_glove().words.index(other)]).sum())  # the word itself is one of them


def glove_row(word: str) -> Float[Tensor, " features"]:
    """GloVe's row of a word."""
    return _glove().row(word)


def glove_means(texts: Iterable[str]) -> Float[Tensor, "texts features"]:
    """The mean of GloVe's rows of each text's words, without function words; zeros where none has a row."""
    words = [[word for word in re.findall(r"\w+", text.lower()) if word not in rivals.STOP_WORDS] for text in texts]
    return torch.stack([_glove().mean(own) for own in words]).nan_to_num()


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


def ahead(name: str, ours: ArrayLike, others: ArrayLike) -> dict[str, float]:
    """By how much `ours` is ahead of `others` on the same items, one number each, with both ends of its interval.

    Where all differences are the same, drawing items again shows no spread. There the interval goes 3 / n to either
    side: of n items none was different, so up to 3 in n may be (the rule of three; Hanley and Lippman-Hand 1983).
    """
    figure, low, high = paired_difference(ours, others)
    differences = np.asarray(ours) - np.asarray(others)
    room = 3 / len(differences) if np.ptp(differences) < 1e-12 else 0.0
    return sure(name, (figure, low - room, high + room))


def ahead_over_seeds(
    name: str, ours: ArrayLike, others: ArrayLike, score: Callable[..., float] = np.mean
) -> dict[str, float]:
    """The same for what was trained, [seeds, items, ...]: one interval, for which seeds and items are drawn again.

    `others` may be without seeds, where nothing is trained. With a single seed the items alone are drawn.
    """
    one, other = np.broadcast_arrays(np.asarray(ours), np.asarray(others))
    generator = np.random.default_rng(0)

    def difference(items: np.ndarray) -> float:
        seeds = generator.integers(len(one), size=len(one))
        return float(score(one[seeds][:, items]) - score(other[seeds][:, items]))

    low, high = bootstrap_interval(difference, np.arange(one.shape[1]))
    return sure(name, (float(score(one) - score(other)), low, high))


def spearman(values: ArrayLike, scores: ArrayLike) -> float:
    """Spearman's rank correlation."""
    from scipy.stats import spearmanr  # type: ignore[import-untyped]

    return float(spearmanr(values, scores).statistic)


def ranks(scores: Float[np.ndarray, "queries texts"]) -> Float[np.ndarray, " queries"]:
    """The rank of text i for query i; equal scores share the mean of their ranks."""
    from scipy.stats import rankdata

    return np.diagonal(rankdata(-scores, axis=1))


def guess(senses: Sequence[str]) -> float:
    """How often a random other use has the same sense."""
    return float(np.mean([(senses.count(sense) - 1) / (len(senses) - 1) for sense in senses]))


def in_order(alike: Float[np.ndarray, " n"], unlike: Float[np.ndarray, " m"]) -> Float[np.ndarray, " n"]:
    """For each number of `alike` the share of `unlike` that is below it; equal ones count one half."""
    return np.asarray((np.sign(alike[:, None] - unlike) / 2 + 0.5).mean(axis=1))


def same_minus_other(vectors: Float[Tensor, "uses features"], senses: Sequence[str]) -> float:
    """Mean cosine of pairs of the same sense minus that of pairs of different senses."""
    cosines = cosine_similarity(vectors)
    same = torch.tensor([[a == b for b in senses] for a in senses])
    return float(cosines[same & ~torch.eye(len(senses), dtype=torch.bool)].mean() - cosines[~same].mean())
