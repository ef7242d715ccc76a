"""Chapter 8: small classifiers on frozen vectors, to see what a layer knows.

A probe learns from training vectors and returns what it predicts for test vectors; the model that made the vectors
is not touched. linear_probe() needs scikit-learn, which comes with the [lab] extra.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from importlib import import_module
from importlib.util import find_spec
from threading import Lock
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence, unpack_sequence

from bertutil.similarity import cosine_similarity

Result = TypeVar("Result")

_random_numbers = Lock()


class Tagging(NamedTuple):
    """What sequence_probe() returns: the tags of each test sentence, and the weights of the layers.

    `layer_weights` sum to 1; it is empty where the vectors came as one layer.
    """

    tags: list[list[str]]
    layer_weights: list[float]


def neighbour_accuracy(vectors: Float[Tensor, "n features"], labels: Sequence[str]) -> float:
    """Return the share of rows whose nearest other row, by cosine, has the same label (leave one out).

    With k labels of equal size, guessing is right a little less often than 1 in k, since the row itself is left
    out. The mean of neighbour_shares(); raises what it raises. Claims C19, C20, C35.
    """
    return float(neighbour_shares(vectors, labels).mean())


def neighbour_shares(vectors: Float[Tensor, "n features"], labels: Sequence[str]) -> Float[Tensor, " n"]:
    """Return for each row 1 if its nearest other row, by cosine, has the same label, and 0 if not.

    Where several are equally near, the share of them that has it, whatever their order. (Cosines in double precision,
    equal up to 1e-9: those of equal rows can differ in the last digit, and not on every processor in the same way.)

    Raises ValueError for a number of labels other than of vectors, a label with a single row (its neighbour can
    never be right), a single label (no neighbour can be wrong) and rows with NaN.
    """
    _check(vectors, labels)
    names, own, counts = np.unique(np.asarray(labels), return_inverse=True, return_counts=True)
    if counts.min() < 2:
        raise ValueError(f"the label {str(names[counts.argmin()])!r} has one example only; each needs two at least")
    cosines = cosine_similarity(vectors.double()).fill_diagonal_(-torch.inf)
    nearest = (cosines >= cosines.amax(dim=1, keepdim=True) - 1e-9).double()
    codes = torch.as_tensor(own)
    return (nearest * (codes[:, None] == codes)).sum(dim=1) / nearest.sum(dim=1)


def linear_probe(
    vectors: Float[Tensor, "n features"],
    labels: Sequence[str],
    test_vectors: Float[Tensor, "m features"],
    *,
    strength: float = 0.01,
) -> list[str]:
    """Return the label that a multinomial logistic regression, trained on `vectors`, gives each test vector.

    All vectors are first moved by the mean of the training vectors and divided by one number, their spread, so that
    a `strength` (scikit-learn's C; smaller means smaller weights) says the same for every layer. Its default was
    chosen by cross-validation within the training part of datasets.entities. There is no chance in it: the same
    input gives the same answer. A label that is not among the training labels is never predicted, so test rows
    that have it count as wrong. A word without a piece has a NaN row, which is refused: leave the word out, and
    count it as wrong, or as "O" where entities are tagged.

    Raises ValueError for a number of labels other than of vectors, a single label, NaN rows (by their number) and
    test vectors of another width. Claims C22, C29, C36.
    """
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    _check(vectors, labels)
    _check_rows(test_vectors, vectors.shape[1:], "test row {}")
    standard = _standard([vectors])
    with threadpool_limits(1):  # on two cores two threads took 2.5 times as long: they wait for each other
        # tol: with the default, ten times this, noise in the seventh digit changed single answers
        model = LogisticRegression(C=strength, max_iter=5000, tol=1e-5)
        model.fit(standard(vectors).double().numpy(), list(labels))
    if not len(test_vectors):
        return []
    return [str(label) for label in model.predict(standard(test_vectors).double().numpy())]


def sequence_probe(
    vectors: Sequence[Float[Tensor, "_words *layers features"]],
    tags: Sequence[Sequence[str]],
    test_vectors: Sequence[Float[Tensor, "_words *layers features"]],
    *,
    seed: int = 0,
    epochs: int = 6,
    hidden: int = 64,
) -> Tagging:
    """Return the tags that a BiLSTM over the words of a sentence, trained on `vectors`, gives each test sentence.

    A sentence is [words, features], or [words, layers, features] for a weighted sum of layers whose weights (a
    softmax of learned numbers, and one common factor, as in ELMo) are trained with the rest. `seed` settles the
    first weights and the batches; on one machine the same seed gives the same tags, also where
    several probes are trained side_by_side. `hidden` is the size of the LSTM in each direction. A tag that is not
    among the training tags is never predicted. A word without a piece has a NaN row, which is refused: leave the
    word out, and count it as "O".

    Raises ValueError for a number of tags other than of words, a single tag, a sentence without words, NaN rows
    (by sentence and word) and sentences of different width. Sources: the BERT paper (arXiv 1810.04805), 5.3; ELMo
    (arXiv 1802.05365), 3.2; claims C22, C29, C36.
    """
    _check_sentences(vectors, tags, test_vectors)
    names = sorted({tag for own in tags for tag in own})
    targets = [torch.tensor([names.index(tag) for tag in own]) for own in tags]
    with _random_numbers, torch.random.fork_rng(devices=[]):  # torch's, which all threads share
        torch.manual_seed(seed)
        tagger = _Tagger(_standard(vectors), vectors[0].shape[1:], hidden, len(names))
        batches = [batch for _ in range(epochs) for batch in _of_like_length(vectors, 64)]
    with torch.enable_grad():
        optimizer = torch.optim.Adam(tagger.parameter_groups(rate=0.01))
        for batch in batches:
            scores = tagger([vectors[i] for i in batch])
            wanted = pack_sequence([targets[i] for i in batch], enforce_sorted=False)
            loss = nn.functional.cross_entropy(scores.data, wanted.data)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
    with torch.no_grad():
        parts = [tagger(list(test_vectors[i : i + 64])) for i in range(0, len(test_vectors), 64)]
        found = [scores.argmax(dim=1).tolist() for part in parts for scores in unpack_sequence(part)]
        weights = tagger.mix.softmax(dim=0).tolist()
    return Tagging([[names[i] for i in sentence] for sentence in found], weights)


def side_by_side(calls: Sequence[Callable[[], Result]]) -> list[Result]:
    """Return what each call gives, in their order: as many at a time as torch has threads, each with one thread.

    Threads that share the small steps of a probe mostly wait for each other: on two cores, 24 sequence probes one
    after the other with two threads took 1.9 times as long. What a call raises is raised.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    # linear_probe() limits numpy's threads for a time; that the number comes back is seen to here, for all calls
    limit = import_module("threadpoolctl").threadpool_limits(1) if find_spec("threadpoolctl") else nullcontext()
    try:
        with limit, ThreadPoolExecutor(threads) as pool:
            return list(pool.map(lambda call: call(), calls))
    finally:
        torch.set_num_threads(threads)


def entity_spans(tags: Sequence[str]) -> set[tuple[str, int, int]]:
    """Return the entities of a sentence as (kind, first word, word after the last one).

    B-X begins an entity; I-X continues one of the kind X and, where there is none just before it, begins one, as in
    conlleval, the scorer of the CoNLL-2003 task. Anything else than O, B-X and I-X raises ValueError.
    """
    spans, kind, start = set(), "", 0
    for i, tag in enumerate([*tags, "O"]):
        mark, _, name = tag.partition("-")
        if tag != "O" and (mark not in ("B", "I") or not name):
            raise ValueError(
                f"word {i} has the tag {tag!r}; it must be 'O', or 'B-' or 'I-' and a kind, as in 'B-PER'"
            )
        if mark == "I" and name == kind:
            continue
        if kind:
            spans.add((kind, start, i))
        kind, start = name, i
    return spans


def entity_counts(
    gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]
) -> Int[np.ndarray, "sentences 3"]:
    """Count the entities of each sentence: those found rightly, all that were predicted, all that are there.

    An entity is found rightly where its kind, its first and its last word are right. Raises ValueError for tags
    that are not BIO tags, and for different numbers of sentences or words.
    """
    if len(gold) != len(predicted):
        raise ValueError(f"there are {len(gold)} sentences, and tags were predicted for {len(predicted)}")
    rows = []
    for i, (true, found) in enumerate(zip(gold, predicted, strict=True)):
        if len(true) != len(found):
            raise ValueError(f"sentence {i} has {len(true)} words, and {len(found)} tags were predicted for it")
        here, said = entity_spans(true), entity_spans(found)
        rows.append((len(here & said), len(said), len(here)))
    return np.array(rows, dtype=int).reshape(-1, 3)


def f1(counts: ArrayLike) -> float:
    """Return F1 of counts [sentences, 3] (see entity_counts): the harmonic mean of precision and recall.

    The counts of all sentences are added first (micro average). Where nothing is there and nothing was predicted,
    it is 0, as in conlleval.
    """
    right, predicted, there = np.asarray(counts).reshape(-1, 3).sum(axis=0).tolist()
    return 2 * right / (predicted + there) if predicted + there else 0.0


def entity_f1(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> float:
    """Return F1 of whole entities, 0 to 1, for BIO tags (see entity_spans, entity_counts and f1). Claim C22."""
    return f1(entity_counts(gold, predicted))


class _Tagger(nn.Module):
    """A learned sum of layers (where there are several), a BiLSTM, and a linear map to scores of tags."""

    def __init__(self, standard: Callable[[Tensor], Tensor], shape: Sequence[int], hidden: int, n_tags: int) -> None:
        super().__init__()
        self.standard = standard
        self.mix = nn.Parameter(torch.zeros(shape[0] if len(shape) == 2 else 0, dtype=torch.float32))
        self.gamma = nn.Parameter(torch.ones((), dtype=torch.float32))
        self.lstm = nn.LSTM(shape[-1], hidden, bidirectional=True, dtype=torch.float32)
        self.out = nn.Linear(2 * hidden, n_tags, dtype=torch.float32)

    def parameter_groups(self, rate: float) -> list[dict[str, Any]]:
        """Return the parameters with their learning rates, as torch's optimisers take them.

        A step of Adam moves what a weight matrix gives by the rate times its number of inputs, so the LSTM's input
        weights have `rate` up to 384 features and less beyond (Yang and others 2021, arXiv 2203.03466).
        With one rate for all, training on the concatenation of layers was chaotic: last digits of the input, which
        differ between processors, changed tags.
        """
        wide = [self.lstm.weight_ih_l0, self.lstm.weight_ih_l0_reverse]
        others = [x for x in self.parameters() if all(x is not own for own in wide)]
        return [{"params": wide, "lr": rate * min(1, 384 / self.lstm.input_size)}, {"params": others, "lr": rate}]

    def forward(self, sentences: list[Tensor]) -> PackedSequence:
        """Scores [words, tags] for each sentence, packed."""
        words = pack_sequence(sentences, enforce_sorted=False)
        words = words._replace(data=self.standard(words.data))
        if len(self.mix):
            weights = self.gamma * self.mix.softmax(dim=0)
            words = words._replace(data=(weights[:, None] * words.data).sum(dim=1))
        states, _ = self.lstm(words)
        scores: PackedSequence = states._replace(data=self.out(states.data))
        return scores


def _of_like_length(sentences: Sequence[Tensor], size: int) -> list[Int[Tensor, " batch"]]:
    """All sentences once, in random batches of about the same number of words.

    An LSTM takes as many steps for a batch as its longest sentence has words, and the backward pass of each step
    touches the whole batch: a probe on one layer takes a fifth less time than with batches of mixed lengths.
    """
    order = torch.randperm(len(sentences))
    lengths = torch.tensor([len(sentences[i]) for i in order])
    batches = torch.split(order[lengths.argsort(stable=True)], size)
    return [batches[i] for i in torch.randperm(len(batches))]


def _check(vectors: Tensor, labels: Sequence[str]) -> None:
    if len(vectors) != len(labels):
        raise ValueError(f"there are {len(vectors)} vectors and {len(labels)} labels; each vector needs one")
    _check_several(labels)
    _check_rows(vectors, vectors.shape[1:], "row {}")


def _check_sentences(
    vectors: Sequence[Tensor], tags: Sequence[Sequence[str]], test_vectors: Sequence[Tensor]
) -> None:
    if len(vectors) != len(tags):
        raise ValueError(f"there are {len(vectors)} sentences and {len(tags)} lists of tags; each needs one")
    for i, (sentence, own) in enumerate(zip(vectors, tags, strict=True)):
        if len(sentence) != len(own):
            raise ValueError(f"sentence {i} has {len(sentence)} words and {len(own)} tags; each word needs one")
    _check_several([tag for own in tags for tag in own])
    for part, sentences in (("training", vectors), ("test", test_vectors)):
        for i, sentence in enumerate(sentences):
            if not len(sentence):
                raise ValueError(f"{part} sentence {i} has no words; leave it out")
            _check_rows(sentence, vectors[0].shape[1:], f"{part} sentence {i}, word {{}},")


def _check_several(labels: Sequence[str]) -> None:
    if len(set(labels)) < 2:
        raise ValueError("all rows have the same label; it takes two at least to tell anything apart")


def _check_rows(vectors: Tensor, shape: torch.Size, place: str) -> None:
    if vectors.shape[1:] != shape:
        widths = f"the shape {list(vectors.shape[1:])}, the first training row {list(shape)}"
        raise ValueError(f"{place.format(0)} has {widths}; make all vectors in the same way")
    odd = (~vectors.isfinite()).flatten(1).any(dim=1).nonzero().flatten().tolist()
    if odd:
        raise ValueError(f"{place.format(odd[0])} has NaN or infinity, as a word without a piece has; leave it out")


def _standard(train: Sequence[Tensor]) -> Callable[[Tensor], Tensor]:
    """Return what moves vectors by the training mean of each feature, and divides them by the spread of each layer.

    The spread is one number a layer: a feature that hardly varies, divided by its own, would be mostly noise. Part
    by part: a copy of the vectors of all layers would be the largest thing in memory.
    """
    n = sum(map(len, train))
    mean = torch.stack([part.double().sum(dim=0).cpu() for part in train]).sum(dim=0) / n
    squares = torch.stack([(part.double().cpu() - mean).square().sum(dim=(0, -1)) for part in train]).sum(dim=0)
    spread = (squares / (n * mean.shape[-1] - 1)).sqrt().clamp(min=1e-6)  # 0 where all vectors are equal
    mean, spread = mean.float(), spread[..., None].float()
    return lambda vectors: (vectors.float().cpu() - mean) / spread
