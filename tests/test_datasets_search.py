"""What the data sets for search and for sentence similarity promise (chapters 8 and 9)."""

import re
from collections import Counter
from importlib.resources import files
from statistics import median

import pytest

from bertutil.course.datasets import distractors, pairs, questions


def words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower())


# Articles, conjunctions, prepositions, pronouns, auxiliary verbs, question words and the halves of contractions
# (don't, I've). Kept short: every word that is not here counts as a content word.
STOP_WORDS = frozenset(
    words(
        """
        a an the and or but if because of in on at to from for with by
        i you he she it we they me him her us them my your his its our their this that who what which
        is are was were be do does did has have had can could may should will would not
        how why when where t s ve ll re d m don won
        """
    )
)
SUFFIX = re.compile(r"(?<=\w\w)(?:ies|ied|es|ed|ing|er|est|ly|(?<![su])s|e|y)$")


def stem(word: str) -> str:
    """The first five letters, without a common ending: plants, planted and planting give plant."""
    return re.sub(r"([^aeiou])\1$", r"\1", SUFFIX.sub("", word))[:5]


def content(text: str) -> set[str]:
    return {stem(word) for word in words(text) if word not in STOP_WORDS}


def overlap(first: set[str], second: set[str]) -> float:
    """Jaccard index: the share of all words of two texts that stand in both."""
    return len(first & second) / len(first | second)


def pair_overlaps(low: float, high: float) -> list[float]:
    """Word overlap, stop words included, of every pair whose score lies in [low, high]."""
    return [overlap(set(words(p.first)), set(words(p.second))) for p in pairs() if low <= p.score <= high]


def search_corpus() -> list[str]:
    return [item.answer for item in questions()] + distractors()


def pair_sentences() -> list[str]:
    return [sentence for pair in pairs() for sentence in (pair.first, pair.second)]


def repeated(texts: list[str]) -> list[str]:
    """The texts that say the same words as one before them, whatever their case and punctuation."""
    counts = Counter(" ".join(words(text)) for text in texts)
    return [text for text, count in counts.items() if count > 1]


# --- the measure itself ---


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("plant", "plants"),
        ("stop", "stopped"),
        ("bake", "baking"),
        ("dry", "dries"),
        ("bus", "buses"),
        ("garden", "gardeners"),
    ],
)
def test_forms_of_one_word_count_as_shared(first, second):
    assert content(first) & content(second)


def test_different_words_do_not_count_as_shared():
    assert not content("Water the plants!") & content("Watch the plane!")


# --- questions and answers ---


def test_there_are_at_least_64_questions_over_at_least_8_topics():
    assert len(questions()) >= 64
    assert len({item.topic for item in questions()}) >= 8


def test_every_topic_has_at_least_5_questions():
    assert min(Counter(item.topic for item in questions()).values()) >= 5


def test_no_question_shares_a_content_word_with_its_answer():
    shared = {item.question: content(item.question) & content(item.answer) for item in questions()}
    assert {question: stems for question, stems in shared.items() if stems} == {}


def test_every_question_and_every_answer_has_content_words():
    assert min(len(content(item.question)) for item in questions()) >= 2
    assert min(len(content(item.answer)) for item in questions()) >= 3


def test_every_question_asks_and_every_answer_states():
    assert [item.question for item in questions() if not re.search(r"[?!]$", item.question)] == []
    assert [item.answer for item in questions() if "?" in item.answer or not item.answer.endswith(".")] == []


def test_no_question_stands_twice():
    assert repeated([item.question for item in questions()]) == []


# --- answers and distractors: the texts that are searched ---


def test_there_are_at_least_300_distractors():
    assert len(distractors()) >= 300


def test_no_text_of_the_corpus_stands_twice():
    assert repeated(search_corpus()) == []


def test_no_two_texts_of_the_corpus_have_a_third_of_their_content_words_in_common():
    corpus = [(text, content(text)) for text in search_corpus()]
    alike = [(a, b) for i, (a, x) in enumerate(corpus) for b, y in corpus[:i] if overlap(x, y) >= 1 / 3]
    assert alike == []


def test_every_distractor_is_one_sentence():
    inner_end = re.compile(r"[.!?]\s")
    assert [text for text in distractors() if not text.endswith(".") or inner_end.search(text)] == []


def test_distractors_are_as_long_as_answers():
    answer_lengths = [len(words(item.answer)) for item in questions()]
    distractor_lengths = [len(words(text)) for text in distractors()]
    assert abs(median(answer_lengths) - median(distractor_lengths)) <= 2
    assert abs(max(answer_lengths) - max(distractor_lengths)) <= 3
    assert abs(min(answer_lengths) - min(distractor_lengths)) <= 3


def test_most_questions_share_a_content_word_with_some_distractor():
    in_distractors = set().union(*map(content, distractors()))
    lured = [item for item in questions() if content(item.question) & in_distractors]
    assert len(lured) >= 0.9 * len(questions())


# --- sentence pairs ---


def test_there_are_at_least_130_pairs():
    assert len(pairs()) >= 130


def test_scores_go_from_0_to_5_in_whole_steps_and_are_balanced():
    counts = Counter(pair.score for pair in pairs())
    assert sorted(counts) == [0, 1, 2, 3, 4, 5]
    assert max(counts.values()) <= 1.25 * min(counts.values())


def test_no_sentence_stands_in_two_pairs_or_twice_in_one():
    assert repeated(pair_sentences()) == []


def test_a_third_of_the_pairs_that_mean_the_same_share_few_words():
    overlaps = pair_overlaps(4, 5)
    assert sum(value <= 0.15 for value in overlaps) >= len(overlaps) / 3


def test_a_third_of_the_pairs_that_mean_different_things_share_many_words():
    overlaps = pair_overlaps(0, 1)
    assert sum(value >= 0.35 for value in overlaps) >= len(overlaps) / 3


def test_word_overlap_tells_high_from_low_pairs_in_less_than_three_quarters_of_cases():
    high, low = pair_overlaps(4, 5), pair_overlaps(0, 1)
    wins = sum((a > b) + (a == b) / 2 for a in high for b in low)
    assert wins / (len(high) * len(low)) < 0.75


# --- all three files ---


def test_no_sentence_stands_in_two_of_the_files():
    assert repeated([item.question for item in questions()] + search_corpus() + pair_sentences()) == []


def test_every_text_is_trimmed_and_starts_with_a_capital():
    texts = [item.question for item in questions()] + search_corpus() + pair_sentences()
    assert [text for text in texts if text != " ".join(text.split()) or not text[0].isupper()] == []


def test_every_text_has_4_to_30_words():
    texts = [item.question for item in questions()] + search_corpus() + pair_sentences()
    assert [text for text in texts if not 4 <= len(words(text)) <= 30] == []


@pytest.mark.parametrize("name", ["questions.csv", "distractors.txt", "pairs.csv"])
def test_file_has_unix_line_ends_and_no_empty_line(name):
    raw = files("bertutil.course.datasets").joinpath(name).read_bytes()
    assert b"\r" not in raw
    assert raw.endswith(b"\n")
    assert b"" not in raw.removesuffix(b"\n").split(b"\n")
