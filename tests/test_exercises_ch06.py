import pytest
import torch

from bertutil.exercises import ch06


def word_vector_solution(states, word_index, word):
    return states[word_index == word][:, -4:].sum(dim=1).mean(dim=0)


def word_vector_with_loops(states, word_index, word):
    total, n = torch.zeros(states.shape[2]), 0
    for token, index in zip(states, word_index.tolist(), strict=True):
        if index == word:
            total = total + token[-1] + token[-2] + token[-3] + token[-4]
            n += 1
    return total / n


def content_mean_solution(vectors, mask):
    kept = mask.clone()
    kept[:, 0] = 0
    kept[torch.arange(len(mask)), mask.sum(dim=1) - 1] = 0
    return (vectors * kept[:, :, None]).sum(dim=1) / kept.sum(dim=1, keepdim=True)


def content_mean_with_a_shift(vectors, mask):
    kept = torch.nn.functional.pad(mask[:, 2:], (1, 1)).bool()  # a token is content if the one behind it is real
    return torch.stack([row[keep].mean(0) for row, keep in zip(vectors, kept, strict=True)])


def text_vectors_solution(vectors, central, text_index):
    result = []
    for text in range(int(text_index.max()) + 1):
        rows = text_index == text
        result.append(vectors[rows][central[rows]].mean(dim=0))
    return torch.stack(result)


def text_vectors_weighted(vectors, central, text_index):
    n = int(text_index.max()) + 1
    sums = torch.zeros(n, vectors.shape[2]).index_add(0, text_index, (vectors * central[:, :, None]).sum(1))
    counts = torch.zeros(n).index_add(0, text_index, central.sum(1).float())
    return sums / counts[:, None]


def window_means(vectors, central):
    return torch.stack([row[keep].mean(0) for row, keep in zip(vectors, central, strict=True)])


@pytest.mark.parametrize(
    ("exercise", "function"),
    [
        (ch06.word_vector, word_vector_solution),
        (ch06.word_vector, word_vector_with_loops),
        (ch06.content_mean, content_mean_solution),
        (ch06.content_mean, content_mean_with_a_shift),
        (ch06.text_vectors, text_vectors_solution),
        (ch06.text_vectors, text_vectors_weighted),
    ],
)
def test_correct_answers_pass(exercise, function):
    assert exercise.verdict(function) == "Right."


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda s, w, i: s[w == i][:, -4:].mean(1).mean(0), "mean of the four layers"),
        (lambda s, w, i: s[w == i][:, -4:].sum(1).sum(0), "add up the pieces"),
        (lambda s, w, i: s[w == i][0, -4:].sum(0), "first piece only"),
        (lambda s, w, i: s[w == i][-1, -4:].sum(0), "last piece only"),
        (lambda s, w, i: s[w == i].sum(1).mean(0), "all layers"),
        (lambda s, w, i: s[w == i][:, :4].sum(1).mean(0), "first four layers"),
        (lambda s, w, i: s[w == i][:, 1:5].sum(1).mean(0), "layers 1 to 4"),
        (lambda s, w, i: s[w == i][:, -4:-1].sum(1).mean(0), "leave out the last layer"),
        (lambda s, w, i: s[i, -4:].sum(0), "token at place"),
        (lambda s, w, i: s[:, -4:].sum(1).mean(0), "over all tokens"),
        (lambda s, w, i: s[w == i][:, -4:].flatten(1).mean(0), "one after the other"),
        (lambda s, w, i: s[w == i][:, -4:].sum(1), "one vector for each piece"),
        (lambda s, w, i: s[w == i][:, -4:].sum(1).mean(), "must be [6]"),
        (lambda s, w, i: 3.0, "return a tensor"),
        (lambda s, w, i: s[w == i][:, -4:].sum(1).mean(0) + 1, "off by 1.000"),
        (lambda s, w, i: s.mul_(2)[w == i][:, -4:].sum(1).mean(0), "has changed the tensor"),
        (lambda s, w, i: s[w == 99].sum(1).mean(0), "NaN"),
        (lambda s, w: s, "raised TypeError"),
        (torch.zeros(6), "hand in the function itself"),
    ],
)
def test_word_vector_names_the_mistake(function, reason):
    verdict = ch06.word_vector.verdict(function)
    assert verdict.startswith("Not right yet: ")
    assert reason in verdict


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda v, m: (v * m[:, :, None]).sum(1) / m.sum(1, keepdim=True), "[CLS] and [SEP] are still"),
        (lambda v, m: v[:, 1:-1].mean(1), "[1:-1]"),
        (lambda v, m: (v * m[:, :, None])[:, 1:].sum(1) / (m.sum(1, keepdim=True) - 1), "[SEP] is still"),
        (lambda v, m: content_mean_solution(v, m) * (m.sum(1, keepdim=True) - 2), "this is the sum"),
        (
            lambda v, m: content_mean_solution(v, m) * (m.sum(1, keepdim=True) - 2) / m.sum(1, keepdim=True),
            "wrong count",
        ),
        (lambda v, m: content_mean_solution(v, m) * (m.sum(1, keepdim=True) - 2) / m.shape[1], "divided by"),
        (lambda v, m: v.mean(0), "over the texts"),
        (lambda v, m: v.mean(1) if len(v) > 1 else content_mean_solution(v, m), "padding is in the mean"),
        (lambda v, m: v[:, 0] / 0 * 0, "NaN"),
        (lambda v, m: m.fill_(0) * 1.0, "has changed the tensor"),
        (
            lambda v, m: torch.stack([row[: n - 1].mean(0) for row, n in zip(v, m.sum(1).tolist(), strict=True)]),
            "[CLS] is still",
        ),
    ],
)
def test_content_mean_names_the_mistake(function, reason):
    verdict = ch06.content_mean.verdict(function)
    assert verdict.startswith("Not right yet: ")
    assert reason in verdict


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda v, c, t: window_means(v, c), "one vector for each window"),
        (
            lambda v, c, t: torch.stack([window_means(v, c)[t == i].mean(0) for i in range(int(t.max()) + 1)]),
            "every window counts the same",
        ),
        (
            lambda v, c, t: torch.stack([v[t == i].flatten(0, 1).mean(0) for i in range(int(t.max()) + 1)]),
            "use `central`",
        ),
        (
            lambda v, c, t: torch.stack([window_means(v, c)[t == i][0] for i in range(int(t.max()) + 1)]),
            "only the first window",
        ),
        (
            lambda v, c, t: torch.stack([v[t == i][c[t == i]].sum(0) for i in range(int(t.max()) + 1)]),
            "this is the sum",
        ),
        (lambda v, c, t: v[c].mean(0).expand(int(t.max()) + 1, -1), "same vector"),
        (lambda v, c, t: v[c].mean(0), "must be [1, 5]"),
    ],
)
def test_text_vectors_names_the_mistake(function, reason):
    verdict = ch06.text_vectors.verdict(function)
    assert verdict.startswith("Not right yet: ")
    assert reason in verdict


def test_hints_go_step_by_step(capsys):
    for exercise in (ch06.word_vector, ch06.content_mean, ch06.text_vectors):
        exercise.hint()
        exercise.hint(9)
    assert capsys.readouterr().out.count("Hint ") == 6
