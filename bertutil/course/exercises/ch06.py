"""Exercises of chapter 6: a word vector, a mean without special tokens, text vectors from windows."""

from typing import Any

import torch
from torch import Tensor

from bertutil.course.exercises import Exercise, Wrong, call
from bertutil.course.inputs import random_values


def _as_tensor(answer: Any, shape: tuple[int, ...], meaning: str) -> Tensor:
    """The answer, where it is a tensor of the right shape."""
    if not isinstance(answer, Tensor):
        stack = ": torch.stack makes one of a list of vectors" if isinstance(answer, list) else ""
        raise Wrong(f"your function returns a {type(answer).__name__}; return a tensor{stack}")
    if tuple(answer.shape) != shape:
        raise Wrong(f"the result has the shape {list(answer.shape)}; it must be {list(shape)}: {meaning}")
    return answer


def _close(answer: Tensor, expected: Tensor) -> bool:
    return torch.allclose(answer.to(expected.dtype), expected, atol=1e-5)


def _judge_word_vector(function: Any) -> None:
    for n_layers, seed in ((7, 0), (13, 1), (5, 2)):
        states = random_values(10, n_layers, 6, seed=seed)
        word_index = torch.tensor([-1, 0, 1, 1, 2, 2, 3, 3, 3, -1])
        for word in (3, 1, 0):
            answer = call(function, states, word_index, word)
            of_word = states[word_index == word]
            last_four = of_word[:, -4:]
            tokens = last_four.sum(1)
            if isinstance(answer, Tensor) and answer.shape == (4 * 6,):
                raise Wrong("you have put the four layers one after the other; the task is to add them up")
            if isinstance(answer, Tensor) and answer.shape == tokens.shape and len(tokens) > 1:
                raise Wrong("there is still one vector for each piece; the mean over the pieces is missing")
            rows: dict[tuple[int, ...], str] = {
                (1, 6): "one vector for the word, [features]; take the batch of one off, with [0]",
                (4, 6): "there is still one row for each of the four layers; add them up",
                (n_layers, 6): "there is still one row for each layer; take the last four of them, and add these up",
                (len(states), 6): "there is one row for each token; keep those whose word_index is `word`",
            }
            shape = tuple(answer.shape) if isinstance(answer, Tensor) else ()
            answer = _as_tensor(answer, (6,), rows.get(shape, "one vector for the word, [features]"))
            ranges = {
                f"for a model of {n_layers} states you add up layers {a} to {b - 1}; the last four are [-4:]": (
                    of_word[:, a:b].sum(1).mean(0)
                )
                for a in range(n_layers)
                for b in range(a + 1, n_layers + 1)
            }
            slips = {
                "you take the mean of the four layers; the task is their sum (the direction is the same, the length "
                "is not)": last_four.mean(1).mean(0),
                "you add up the pieces; the task is their mean": tokens.sum(0),
                "you take the first piece only; the word may have several": tokens[0],
                "you take the last piece only; the word may have several": tokens[-1],
                "you add up all layers, not the last four: [:, -4:] (a bare [-4:] cuts the pieces)": of_word.sum(
                    1
                ).mean(0),
                "you add up the first four layers; the last four are at the end of the axis, [-4:]": of_word[:, :4]
                .sum(1)
                .mean(0),
                "you add up layers 1 to 4; count from the end of the axis, [-4:]": of_word[:, 1:5].sum(1).mean(0),
                "this is the last layer alone; the task is the sum of the last four": of_word[:, -1].mean(0),
                "this is the second-to-last layer alone; the task is the sum of the last four": of_word[:, -2].mean(
                    0
                ),
                "this is one layer: [-4] is the fourth from the end, [-4:] are the last four": of_word[:, -4].mean(0),
                "you add up the last three layers, and not the last four, [-4:]": of_word[:, -3:].sum(1).mean(0),
                "you add up no layer at all: this model has fewer layers than you ask for, so count from the end "
                "of the axis, [-4:]": torch.zeros(6),
                "you take the largest value over the pieces; the task is their mean": tokens.amax(0),
                "you take the last four TOKENS; the layers are axis 1 of [tokens, layers, features]": states[-4:]
                .sum(0)
                .mean(0),
                "you add up the pieces and take the mean over the layers; it is the other way round": last_four.sum(
                    0
                ).mean(0),
                "you leave out the last layer: [-4:-1] stops before it": of_word[:, -4:-1].sum(1).mean(0),
                "you leave out the last layer: [-5:-1] stops before it": of_word[:, -5:-1].sum(1).mean(0),
                "the mean goes over all words; take only the tokens whose word_index is `word`": (
                    states[word_index >= 0][:, -4:].sum(1).mean(0)
                ),
                "these are the pieces of the word in front; the words are numbered from 0": states[
                    word_index == word - 1, -4:
                ]
                .sum(1)
                .mean(0),
                "you count the tokens from [CLS] on, but a word in front can have several pieces: look where "
                "word_index equals `word`": states[word + 1, -4:].sum(0),
                "you take the token at place `word`, but `word` is a number among the words: look where "
                "word_index equals it": states[word, -4:].sum(0),
                "the mean goes over all tokens; take only those whose word_index is `word`": states[:, -4:]
                .sum(1)
                .mean(0),
            }
            _compare(answer, tokens.mean(0), slips | ranges)


def _judge_content_mean(function: Any) -> None:
    for lengths, seed in (([7, 4, 5], 0), ([3, 9], 1), ([6], 2)):
        mask = torch.tensor([[int(place < length) for place in range(max(lengths))] for length in lengths])
        vectors = random_values(*mask.shape, 5, seed=seed)
        answer = call(function, vectors, mask)
        if isinstance(answer, Tensor) and answer.shape == (mask.shape[1], 5) and mask.shape[1] != len(lengths):
            raise Wrong("the mean goes over the texts; the tokens are axis 1 of [texts, tokens, features]")
        together = "the tokens of all texts have run together; add up over dim=1, the tokens of each text"
        shape = tuple(answer.shape) if isinstance(answer, Tensor) else ()
        mixed = shape in ((5,), (sum(lengths), 5), (sum(lengths) - 2 * len(lengths), 5))
        answer = _as_tensor(
            answer, (len(lengths), 5), together if mixed else "one vector for each text, [texts, features]"
        )
        rows = list(zip(vectors, lengths, strict=True))
        real = torch.stack([row[:length].mean(0) for row, length in rows])
        slips = {
            "[CLS] and [SEP] are still in the mean": real,
            "padding is in the mean: use the mask": vectors.mean(1),
            "[CLS] is still in the mean: it is the first token of each text": torch.stack(
                [row[: length - 1].mean(0) for row, length in rows]
            ),
            "[SEP] is still in the mean: it is the last real token, which stands at another place in each text": (
                torch.stack([row[1:length].mean(0) for row, length in rows])
            ),
            "[1:-1] takes away the last column, which is [SEP] only in the longest text; in the shorter ones "
            "[SEP] is the last token whose mask is 1": vectors[:, 1:-1].mean(1),
            "[CLS] is left out; of [SEP] only that in the last column, so in the longest text only: in the "
            "shorter ones [SEP] is still in the mean": torch.stack(
                [row[1 : min(length, mask.shape[1] - 1)].mean(0) for row, length in rows]
            ),
            "the mean still counts the masked tokens: divide by the number of tokens that you keep, not by the "
            "length of the row": torch.stack([row[:length].sum(0) / mask.shape[1] for row, length in rows]),
            "this is the vector of [CLS]; the task is a mean": vectors[:, 0],
            "this is the maximum; the task is the mean": torch.stack([row[:length].amax(0) for row, length in rows]),
            "this is the maximum, without [CLS] and [SEP]; the task is the mean": torch.stack(
                [row[1 : length - 1].amax(0) for row, length in rows]
            ),
            "[SEP] stays, and the token in front of it is left out: Python counts from 0, so [SEP] is at "
            "mask.sum(dim=1) - 1": torch.stack(
                [(row[1:length].sum(0) - row[length - 2]) / (length - 2) for row, length in rows]
            ),
            "the last token of the text is left out along with [SEP]": torch.stack(
                [row[1 : length - 2].mean(0) for row, length in rows]
            ),
            "the first token of the text is left out along with [CLS]": torch.stack(
                [row[2 : length - 1].mean(0) for row, length in rows]
            ),
            "kept[:, places] = 0 clears these columns in ALL texts: kept[torch.arange(len(mask)), places] = 0": (
                torch.stack(
                    [row[[k for k in range(1, length) if k + 1 not in lengths]].mean(0) for row, length in rows]
                )
            ),
            **{
                f"{what} still in the sum, though not in the number by which you divide": torch.stack(
                    [row[a : length - 1 + b].sum(0) / (length - 2) for row, length in rows]
                )
                for what, a, b in (("[CLS] and [SEP] are", 0, 1), ("[CLS] is", 0, 0), ("[SEP] is", 1, 1))
            },
            **{
                f"{what} still in the mean, and the other one is still counted in the number by which you divide": (
                    torch.stack([row[a : length - 1 + b].sum(0) / length for row, length in rows])
                )
                for what, a, b in (("[CLS] is", 0, 0), ("[SEP] is", 1, 1))
            },
            "the sum is right, but it is divided by the real tokens of ALL texts": torch.stack(
                [row[1 : length - 1].sum(0) / mask.sum() for row, length in rows]
            ),
            "the sum is right, but it is divided by one token too many: neither [CLS] nor [SEP] counts": torch.stack(
                [row[1 : length - 1].sum(0) / (length - 1) for row, length in rows]
            ),
            "the sum is right, but it is divided by a wrong count: divide by the tokens that you have added "
            "up": torch.stack([row[1 : length - 1].sum(0) / length for row, length in rows]),
            "the sum is right, but it is divided by the width of the batch; divide by the tokens that you have "
            "added up": torch.stack([row[1 : length - 1].sum(0) / mask.shape[1] for row, length in rows]),
            "this is the sum; divide it by the number of tokens": torch.stack(
                [row[1 : length - 1].sum(0) for row, length in rows]
            ),
        }
        _compare(answer, torch.stack([row[1 : length - 1].mean(0) for row, length in rows]), slips)


def _judge_text_vectors(function: Any) -> None:
    for owners, seed in (([0, 0, 0], 0), ([0, 1, 1, 2], 1), ([0, 0, 1, 2, 2, 2], 2)):
        text_index = torch.tensor(owners)
        vectors = random_values(len(owners), 8, 5, seed=seed)
        central = torch.zeros(len(owners), 8, dtype=torch.bool)
        for row in range(len(owners)):
            central[row, 1 : 3 + (3 * row) % 5] = True  # a different number of tokens in each window
        try:
            answer = call(function, vectors, central, text_index)
        except Wrong as error:
            if "non-empty TensorList" not in str(error):
                raise
            raise Wrong(
                f"{error}. The last text has the number text_index.max(), so there is one text more"
            ) from None
        n = max(owners) + 1
        if isinstance(answer, Tensor) and list(answer.shape) == [len(owners), 5] and len(owners) != n:
            raise Wrong("there is one vector for each window; put the windows of a text together, see text_index")
        if isinstance(answer, Tensor) and answer.ndim == 1:
            raise Wrong("all texts have become one vector; keep their windows apart by text_index, one vector a text")
        answer = _as_tensor(answer, (n, 5), "one vector for each text, [texts, features]")
        windows = torch.stack([row[kept].mean(0) for row, kept in zip(vectors, central, strict=True)])

        def each(values: Tensor, kept: Tensor, index: Tensor = text_index, n: int = n) -> Tensor:
            return torch.stack([values[index == text][kept[index == text]].mean(0) for text in range(n)])

        slips = {
            "every window counts the same, however few tokens are taken from it; each token must count the same": (
                torch.stack([windows[text_index == text].mean(0) for text in range(n)])
            ),
            "tokens are in the mean that are not to be taken from this window; use `central`": each(
                vectors, torch.ones_like(central)
            ),
            "only the first window of each text is in the result": torch.stack(
                [windows[text_index == text][0] for text in range(n)]
            ),
            "only the last window of each text is in the result": torch.stack(
                [windows[text_index == text][-1] for text in range(n)]
            ),
            "these are the tokens that are NOT to be taken; `central` is True for the others": each(
                vectors, ~central
            ),
            "the windows' means are added up; every token is to count the same": torch.stack(
                [windows[text_index == text].sum(0) for text in range(n)]
            ),
            "the mean still counts the tokens that `central` leaves out: divide by the tokens that are taken": (
                torch.stack([(vectors * central[:, :, None])[text_index == text].mean((0, 1)) for text in range(n)])
            ),
            "this is the vector of [CLS]; the task is a mean over the central tokens": torch.stack(
                [vectors[text_index == text][0, 0] for text in range(n)]
            ),
            "this is the sum; divide it by the number of tokens": torch.stack(
                [vectors[text_index == text][central[text_index == text]].sum(0) for text in range(n)]
            ),
            "this is the maximum; the task is the mean": torch.stack(
                [vectors[text_index == text][central[text_index == text]].amax(0) for text in range(n)]
            ),
            "all texts have the same vector: keep the windows of each text apart, see text_index": vectors[central]
            .mean(0)
            .expand(n, -1),
        }
        _compare(answer, each(vectors, central), slips)


def _compare(answer: Tensor, expected: Tensor, slips: dict[str, Tensor]) -> None:
    """Accept the expected value; else name the slip that the answer comes from."""
    if _close(answer, expected):
        return
    if answer.isnan().any():
        raise Wrong("there is NaN in the result; it comes from a mean over nothing, or from 0 divided by 0")
    for reason, value in slips.items():
        if answer.shape == value.shape and _close(answer, value):
            raise Wrong(reason)
    if _close(torch.cosine_similarity(answer, expected, dim=-1), torch.ones(answer.shape[:-1])):
        length = answer.norm(dim=-1)
        if _close(length, torch.ones_like(length)):
            raise Wrong("the direction is right, and the length is 1; return the vector as it is, not normalised")
        times = (length / expected.norm(dim=-1)).flatten().tolist()
        raise Wrong(
            f"the direction is right, and the length is not: it is {times[0]:.3g} times what it should be, so the "
            "number by which you divide is another one"
        )
    raise Wrong(
        f"the shape is right, the values are not; the largest is off by {(answer - expected).abs().max():.3f}"
    )


word_vector = Exercise(
    "word-vector",
    _judge_word_vector,
    [
        "Which rows of `states` belong to the word? `word_index == word` is a mask of True and False, and a mask can "
        "stand in square brackets.",
        "`states[word_index == word]` is [pieces, layers, features]. The last four layers are `[:, -4:]` of it. "
        "Then add up one axis and take the mean over the other.",
    ],
)

content_mean = Exercise(
    "content-mean",
    _judge_content_mean,
    [
        "Make a new mask from a copy of the old one: 0 at [CLS], 0 at [SEP]. [CLS] is at place 0 in every text. "
        "Where is [SEP]?",
        "`mask.sum(dim=1) - 1` is the place of [SEP] in each text, because padding stands on the right. "
        "`kept[torch.arange(len(mask)), places] = 0` writes one zero into each row.",
        "With the new mask `kept`: `(vectors * kept[:, :, None]).sum(dim=1) / kept.sum(dim=1, keepdim=True)`.",
    ],
)

text_vectors = Exercise(
    "text-vectors",
    _judge_text_vectors,
    [
        "For one text the answer is short: the mean of all its central tokens together. Go through the texts in a "
        "loop and stack the results.",
        "`rows = text_index == text` says which windows belong to a text. `vectors[rows]` are their vectors, "
        "`central[rows]` is the mask that goes with them.",
    ],
)
