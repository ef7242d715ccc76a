import pytest
import torch

from bertutil import cosine_similarity, encode, remove_mean
from bertutil.exercises import ch07
from bertutil.probes import neighbour_accuracy


def guess_solution(counts):
    n = sum(counts)
    return sum(k * (k - 1) for k in counts) / (n * (n - 1))


def guess_by_counting(counts):
    labels = [sense for sense, k in enumerate(counts) for _ in range(k)]
    pairs = [(a, b) for i, a in enumerate(labels) for j, b in enumerate(labels) if i != j]
    return sum(a == b for a, b in pairs) / len(pairs)


def neighbour_solution(vectors, labels):
    unit = vectors / vectors.norm(dim=1, keepdim=True)
    nearest = (unit @ unit.T).fill_diagonal_(-1).argmax(dim=1).tolist()
    return sum(labels[i] == labels[j] for i, j in enumerate(nearest)) / len(labels)


def gap_solution(vectors, labels, background):
    cosines = cosine_similarity(remove_mean(vectors, background.mean(dim=0)))
    same = torch.tensor([[a == b for b in labels] for a in labels])
    other = ~torch.eye(len(labels), dtype=torch.bool)
    return cosines[same & other].mean() - cosines[~same].mean()


def gap_with_loops(vectors, labels, background):
    vectors = vectors - background.mean(dim=0)
    found = {True: [], False: []}
    for i in range(len(labels)):
        for j in range(i):
            found[labels[i] == labels[j]].append(torch.cosine_similarity(vectors[i], vectors[j], dim=0))
    return float(torch.stack(found[True]).mean() - torch.stack(found[False]).mean())


def cosines(vectors):
    return cosine_similarity(vectors)


def hits(scores, labels):
    return sum(labels[i] == labels[j] for i, j in enumerate(scores.argmax(dim=1).tolist())) / len(labels)


def halves(vectors, labels, with_self=False):
    table, same = cosines(vectors), torch.tensor([[a == b for b in labels] for a in labels])
    own = same if with_self else same & ~torch.eye(len(labels), dtype=torch.bool)
    return float(table[own].mean()), float(table[~same].mean())


def scaled_too_early(vectors, labels, background):
    mean = background.mean(dim=0)
    same, different = halves(vectors / vectors.norm(dim=1, keepdim=True) - mean / mean.norm(), labels)
    return same - different


def in_place(vectors, labels, *_):
    vectors /= vectors.norm(dim=1, keepdim=True)
    return 0.5


@pytest.mark.parametrize(
    ("exercise", "function"),
    [
        (ch07.guess, guess_solution),
        (ch07.guess, guess_by_counting),
        (ch07.neighbour, neighbour_solution),
        (ch07.neighbour, neighbour_accuracy),
        (ch07.gap, gap_solution),
        (ch07.gap, gap_with_loops),
    ],
)
def test_correct_answers_pass(exercise, function):
    assert exercise.verdict(function) == "Right."


@pytest.mark.parametrize("exercise", [ch07.guess, ch07.neighbour, ch07.gap])
def test_the_stubs_are_not_tried_yet(exercise):
    def unwritten(*_):
        raise NotImplementedError

    assert exercise.verdict(None) == "Not tried yet."
    assert exercise.verdict(lambda *_: ...) == "Not tried yet."
    assert exercise.verdict(unwritten) == "Not tried yet."


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda c: 1 / len(c), "divided by the number of senses"),
        (lambda c: sum((k / sum(c)) ** 2 for k in c), "itself is still among those to pick from"),
        (lambda c: sum(k * k for k in c) / (sum(c) * (sum(c) - 1)), "but not of its own sense"),
        (lambda c: sum(k * (k - 1) for k in c) / sum(c) ** 2, "but not of all sentences"),
        (lambda c: sum(k - 1 for k in c) / (sum(c) - 1) / len(c), "weigh each sense"),
        (lambda c: (c[0] - 1) / (sum(c) - 1), "weigh each sense|first sense only"),
        (lambda c: 1 - guess_solution(c), "share of wrong guesses"),
        (lambda c: str(guess_solution(c)), "returns a str"),
        (lambda c: 0.3, "your function gives 0.300"),
    ],
)
def test_wrong_guesses_are_refused_with_the_reason(function, reason):
    verdict = ch07.guess.verdict(function)
    assert verdict.startswith("Not right yet")
    assert any(part in verdict for part in reason.split("|"))


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda v, labels: hits(cosines(v), labels), "finds itself"),
        (lambda v, labels: hits(-cosines(v).fill_diagonal_(2), labels), "smallest cosine"),
        (lambda v, labels: hits((v @ v.T).fill_diagonal_(-1e9), labels), "dot product"),
        (lambda v, labels: hits(-torch.cdist(v, v).fill_diagonal_(1e9), labels), "by distance"),
        (lambda v, labels: neighbour_solution(v, labels) * len(labels), "number of hits"),
        (lambda v, labels: 1 - neighbour_solution(v, labels), "share of misses"),
        (lambda v, labels: cosines(v), "return one number"),
        (lambda v, labels: 0.01, "your function gives 0.010"),
        (in_place, "changes the tensor"),
    ],
)
def test_wrong_neighbours_are_refused_with_the_reason(function, reason):
    verdict = ch07.neighbour.verdict(function)
    assert verdict.startswith("Not right yet")
    assert reason in verdict


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda v, labels, b: halves(v, labels)[0] - halves(v, labels)[1], "has not been removed"),
        (lambda v, labels, b: halves(v - b.mean(0), labels, True)[0] - halves(v - b.mean(0), labels)[1], "diagonal"),
        (lambda v, labels, b: gap_solution(v, labels, v), "mean of the vectors themselves"),
        (scaled_too_early, "remove it first"),
        (lambda v, labels, b: -gap_solution(v, labels, b), "different minus same"),
        (lambda v, labels, b: halves(v - b.mean(0), labels)[0], "subtract the one of different senses"),
        (lambda v, labels, b: halves(v - b.mean(0), labels)[1], "mean cosine of different senses"),
        (lambda v, labels, b: {}, "returns a dict"),
        (in_place, "changes the tensor"),
    ],
)
def test_wrong_gaps_are_refused_with_the_reason(function, reason):
    verdict = ch07.gap.verdict(function)
    assert verdict.startswith("Not right yet")
    assert reason in verdict


def test_every_exercise_has_hints(capsys):
    for exercise in (ch07.guess, ch07.neighbour, ch07.gap):
        for step in (1, 2, 3):
            exercise.hint(step)
            assert f"Hint {step} of 3" in capsys.readouterr().out


def test_the_rare_words_split_and_stand_once_in_both_of_their_sentences(bert):
    for column in (0, 1):
        encoding = encode(bert, [pair[column] for pair in ch07.RARE.values()])
        for word, found in zip(ch07.RARE, encoding.words, strict=True):
            own = [each for each in found if each.text == word]
            assert len(own) == 1
            assert own[0].n_pieces > 1
            assert not {each.text for each in found} & (set(ch07.RARE) - {word})
