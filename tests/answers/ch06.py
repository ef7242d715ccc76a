"""Right and wrong answers to the exercises of chapter 6; a wrong one with a part of the reply that it deserves."""

import torch

from bertutil.course.exercises import ch06


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


def content(mask):
    return (mask.cumsum(1) > 1) & (torch.nn.functional.pad(mask[:, 1:], (0, 1)) == 1)


def mean_from_to(vectors, mask, start, end):
    return torch.stack([row[: int(m.sum())][start:end].mean(0) for row, m in zip(vectors, mask, strict=True)])


def mean_without(vectors, mask, place):
    kept = mask.clone()
    kept[:, 0] = 0
    kept[place] = 0
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


RIGHT = [
    (ch06.word_vector, word_vector_solution),
    (ch06.word_vector, word_vector_with_loops),
    (ch06.content_mean, content_mean_solution),
    (ch06.content_mean, content_mean_with_a_shift),
    (ch06.text_vectors, text_vectors_solution),
    (ch06.text_vectors, text_vectors_weighted),
]

WRONG = [
    (ch06.word_vector, lambda s, w, i: s[w == i][:, -4:].mean(1).mean(0), "mean of the four layers"),
    (ch06.word_vector, lambda s, w, i: s[w == i][:, -4:].sum(1).sum(0), "add up the pieces"),
    (ch06.word_vector, lambda s, w, i: s[w == i][0, -4:].sum(0), "first piece only"),
    (ch06.word_vector, lambda s, w, i: s[w == i][-1, -4:].sum(0), "last piece only"),
    (ch06.word_vector, lambda s, w, i: s[w == i].sum(1).mean(0), "all layers"),
    (ch06.word_vector, lambda s, w, i: s[w == i][:, :4].sum(1).mean(0), "first four layers"),
    (ch06.word_vector, lambda s, w, i: s[w == i][:, 1:5].sum(1).mean(0), "layers 1 to 4"),
    (ch06.word_vector, lambda s, w, i: s[w == i][:, -4:-1].sum(1).mean(0), "leave out the last layer"),
    (ch06.word_vector, lambda s, w, i: s[i, -4:].sum(0), "token at place"),
    (ch06.word_vector, lambda s, w, i: s[i + 1, -4:].sum(0), "you count the tokens from [CLS] on"),
    (ch06.word_vector, lambda s, w, i: s[w == i][:, -1].mean(0), "the last layer alone"),
    (ch06.word_vector, lambda s, w, i: s[w == i][:, -3:].sum(1).mean(0), "the last three layers"),
    (ch06.word_vector, lambda s, w, i: s[w == i][:, 9:13].sum(1).mean(0), "no layer at all"),
    (ch06.word_vector, lambda s, w, i: s[-4:].sum(0).mean(0), "the last four TOKENS"),
    (ch06.word_vector, lambda s, w, i: s[w == i][:, -4:].sum(0).mean(0), "the other way round"),
    (ch06.word_vector, lambda s, w, i: s[:, -4:].sum(1).mean(0), "over all tokens"),
    (ch06.word_vector, lambda s, w, i: s[w == i][:, -4:].flatten(1).mean(0), "one after the other"),
    (ch06.word_vector, lambda s, w, i: s[w == i][:, -4:].sum(1), "one vector for each piece"),
    (ch06.word_vector, lambda s, w, i: s[w == i][:, -4:].sum(1).mean(), "must be [6]"),
    (ch06.word_vector, lambda s, w, i: 3.0, "return a tensor"),
    (ch06.word_vector, lambda s, w, i: s[w == i][:, -4:].sum(1).mean(0) + 1, "off by 1.000"),
    (ch06.word_vector, lambda s, w, i: s.mul_(2)[w == i][:, -4:].sum(1).mean(0), "changes the tensor"),
    (ch06.word_vector, lambda s, w, i: s[w == 99].sum(1).mean(0), "NaN"),
    (ch06.word_vector, lambda s, w: s, "raised TypeError"),
    (ch06.word_vector, torch.zeros(6), "hand in the function itself"),
    (
        ch06.content_mean,
        lambda v, m: (v * m[:, :, None]).sum(1) / m.sum(1, keepdim=True),
        "[CLS] and [SEP] are still",
    ),
    (ch06.content_mean, lambda v, m: v[:, 1:-1].mean(1), "[1:-1]"),
    (
        ch06.content_mean,
        lambda v, m: (v * m[:, :, None])[:, 1:].sum(1) / (m.sum(1, keepdim=True) - 1),
        "[SEP] is still",
    ),
    (ch06.content_mean, lambda v, m: content_mean_solution(v, m) * (m.sum(1, keepdim=True) - 2), "this is the sum"),
    (
        ch06.content_mean,
        lambda v, m: content_mean_solution(v, m) * (m.sum(1, keepdim=True) - 2) / m.sum(1, keepdim=True),
        "wrong count",
    ),
    (
        ch06.content_mean,
        lambda v, m: content_mean_solution(v, m) * (m.sum(1, keepdim=True) - 2) / m.shape[1],
        "divided by",
    ),
    (ch06.content_mean, lambda v, m: v.mean(0), "over the texts"),
    (ch06.content_mean, lambda v, m: (v * m[:, :, None]).mean(1), "not by the length of the row"),
    (ch06.content_mean, lambda v, m: v[:, 0], "the vector of [CLS]"),
    (
        ch06.content_mean,
        lambda v, m: (v * m[:, :, None])[:, 1:-1].sum(1) / m[:, 1:-1].sum(1, keepdim=True),
        "in the longest text only",
    ),
    (
        ch06.content_mean,
        lambda v, m: content_mean_solution(v, m) * (m.sum(1, keepdim=True) - 2) / (m.sum(1, keepdim=True) - 1),
        "one token too many",
    ),
    (
        ch06.content_mean,
        lambda v, m: v.mean(1) if len(v) > 1 else content_mean_solution(v, m),
        "padding is in the mean",
    ),
    (ch06.content_mean, lambda v, m: v[:, 0] / 0 * 0, "NaN"),
    (ch06.content_mean, lambda v, m: m.fill_(0) * 1.0, "changes the tensor"),
    (
        ch06.content_mean,
        lambda v, m: torch.stack([row[: n - 1].mean(0) for row, n in zip(v, m.sum(1).tolist(), strict=True)]),
        "[CLS] is still",
    ),
    (ch06.text_vectors, lambda v, c, t: window_means(v, c), "one vector for each window"),
    (
        ch06.text_vectors,
        lambda v, c, t: torch.stack([window_means(v, c)[t == i].mean(0) for i in range(int(t.max()) + 1)]),
        "every window counts the same",
    ),
    (
        ch06.text_vectors,
        lambda v, c, t: torch.stack([v[t == i].flatten(0, 1).mean(0) for i in range(int(t.max()) + 1)]),
        "use `central`",
    ),
    (
        ch06.text_vectors,
        lambda v, c, t: torch.stack([window_means(v, c)[t == i][0] for i in range(int(t.max()) + 1)]),
        "only the first window",
    ),
    (
        ch06.text_vectors,
        lambda v, c, t: torch.stack([v[t == i][c[t == i]].sum(0) for i in range(int(t.max()) + 1)]),
        "this is the sum",
    ),
    (ch06.text_vectors, lambda v, c, t: v[c].mean(0).expand(int(t.max()) + 1, -1), "same vector"),
    (ch06.text_vectors, lambda v, c, t: v[c].mean(0), "all texts have become one vector"),
    (ch06.text_vectors, lambda v, c, t: text_vectors_solution(v, ~c, t), "NOT to be taken"),
    (ch06.text_vectors, lambda v, c, t: text_vectors_solution(v, c, t)[:-1], "must be [1, 5]"),
    (
        ch06.text_vectors,
        lambda v, c, t: torch.stack([v[t == i][c[t == i]].mean(0) for i in range(int(t.max()))]),
        "one text more",
    ),
    (
        ch06.text_vectors,
        lambda v, c, t: torch.stack([(v * c[:, :, None])[t == i].mean((0, 1)) for i in range(int(t.max()) + 1)]),
        "`central` leaves out",
    ),
    (
        ch06.word_vector,
        lambda s, w, i: torch.nn.functional.normalize(word_vector_solution(s, w, i), dim=0),
        "not normalised",
    ),
    (ch06.word_vector, lambda s, w, i: word_vector_solution(s, w, i) / (w == i).sum(), "it is 0.333 times"),
    (
        ch06.word_vector,
        lambda s, w, i: s[w == i][:, 3:].sum(1).mean(0),
        "13 states you add up layers 3 to 12",
    ),
    (ch06.word_vector, lambda s, w, i: s[w == i][:, -2:].sum(1).mean(0), "layers 5 to 6"),
    (ch06.word_vector, lambda s, w, i: s[w == i][:, -4:].mean(0), "one row for each of the four layers"),
    (ch06.word_vector, lambda s, w, i: s[w == i].mean(0), "one row for each layer"),
    (ch06.word_vector, lambda s, w, i: s[:, -4:].sum(1), "one row for each token"),
    (ch06.word_vector, lambda s, w, i: s[w == i][-4:].sum(1).mean(0), "a bare [-4:] cuts the pieces"),
    (ch06.word_vector, lambda s, w, i: word_vector_solution(s, w, i - 1), "the word in front"),
    (ch06.word_vector, lambda s, w, i: word_vector_solution(s, w, i)[None], "take the batch of one off"),
    (ch06.content_mean, lambda v, m: v[content(m)], "run together"),
    (ch06.content_mean, lambda v, m: v[content(m)].mean(0), "run together"),
    (ch06.content_mean, lambda v, m: (v * content(m)[:, :, None]).sum(1) / content(m).sum(1), "axes are lined up"),
    (
        ch06.content_mean,
        lambda v, m: v.masked_fill(~content(m)[:, :, None], -1e9).amax(1),
        "this is the maximum, without",
    ),
    (ch06.content_mean, lambda v, m: mean_from_to(v, m, 1, -2), "the last token of the text is left out"),
    (ch06.content_mean, lambda v, m: mean_from_to(v, m, 2, -1), "the first token of the text is left out"),
    (ch06.content_mean, lambda v, m: mean_without(v, m, (torch.arange(len(m)), m.sum(1) - 2)), "[SEP] stays"),
    (ch06.content_mean, lambda v, m: mean_without(v, m, (slice(None), m.sum(1) - 1)), "in ALL texts"),
    (ch06.content_mean, lambda v, m: mean_without(v, m, (slice(None), -1)), "in the last column"),
    (
        ch06.content_mean,
        lambda v, m: (v * m[:, :, None]).sum(1) / (m.sum(1, keepdim=True) - 2),
        "[CLS] and [SEP] are still in the sum",
    ),
    (
        ch06.content_mean,
        lambda v, m: (v * m[:, :, None])[:, 1:].sum(1) / m.sum(1, keepdim=True),
        "[SEP] is still in the mean, and the other one",
    ),
    (ch06.word_vector, lambda s, w, i: s[w >= 0][:, -4:].sum(1).mean(0), "goes over all words"),
    (ch06.word_vector, lambda s, w, i: s[w == i][:, -5:-1].sum(1).mean(0), "[-5:-1] stops before it"),
    (ch06.word_vector, lambda s, w, i: s[w == i + 9][:, -4:].sum(1).mean(0), "a mean over nothing"),
]
