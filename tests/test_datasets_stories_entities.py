"""The promises of two data sets: the stories (chapter 11) and the tagged sentences (chapter 8)."""

import re
from collections import Counter, defaultdict
from importlib.resources import files

import pytest

from bertutil.course.datasets import Tagged, entities, next_sentence_pairs, stories

PARTS = ("train", "test")
KINDS = ("PER", "LOC", "ORG", "MISC")
FUNCTION_WORDS = {"of", "the", "and", "for", "in", "on", "at", "a", "an", "to", "from", "with", "de", "&", "'s"}

each_part = pytest.mark.parametrize("part", PARTS)


def names(sentence: Tagged) -> list[tuple[str, tuple[str, ...]]]:
    """The entities of a sentence, each as its kind and its words."""
    found: list[tuple[str, list[str]]] = []
    for word, tag in zip(sentence.words, sentence.tags, strict=True):
        if tag.startswith("B-"):
            found.append((tag[2:], [word]))
        elif tag.startswith("I-"):
            found[-1][1].append(word)
    return [(kind, tuple(words)) for kind, words in found]


def all_names(part: str) -> list[tuple[str, tuple[str, ...]]]:
    return [name for sentence in entities(part) for name in names(sentence)]


def content_tokens(part: str) -> set[str]:
    return {word.lower() for _, words in all_names(part) for word in words} - FUNCTION_WORDS


def raw(file: str) -> str:
    return files("bertutil.course.datasets").joinpath(file).read_bytes().decode("utf-8")


# Tagged sentences


@pytest.mark.parametrize(("part", "least"), [("train", 320), ("test", 110)])
def test_a_part_has_enough_sentences(part, least):
    assert len(entities(part)) >= least


def test_any_other_part_is_refused():
    with pytest.raises(ValueError, match="must be 'train' or 'test'"):
        entities("dev")


@each_part
def test_every_line_is_a_word_one_space_and_a_tag_or_blank(part):
    lines = raw(f"entities_{part}.conll").removesuffix("\n").split("\n")
    assert [line for line in lines if not re.fullmatch(r"(\S+ (O|[BI]-(PER|LOC|ORG|MISC)))?", line)] == []


@each_part
def test_one_blank_line_parts_sentences_and_none_ends_the_file(part):
    text = raw(f"entities_{part}.conll")
    assert "\n\n\n" not in text
    assert text[0] != "\n"
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


@each_part
def test_no_inside_tag_without_a_tag_of_the_same_kind_before_it(part):
    for sentence in entities(part):
        for before, tag in zip(("O", *sentence.tags), sentence.tags, strict=False):
            assert not tag.startswith("I-") or before in (f"B-{tag[2:]}", tag), sentence


@pytest.mark.parametrize(("part", "least"), [("train", 60), ("test", 25)])
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_occurs_often_enough(part, least, kind):
    assert Counter(found for found, _ in all_names(part))[kind] >= least


@each_part
def test_names_have_one_to_four_words_and_every_length_occurs(part):
    assert {len(words) for _, words in all_names(part)} == {1, 2, 3, 4}


@each_part
def test_about_one_sentence_in_six_has_no_entity(part):
    sentences = entities(part)
    assert 1 / 8 <= sum(set(s.tags) == {"O"} for s in sentences) / len(sentences) <= 1 / 4


@each_part
def test_some_names_have_several_kinds(part):
    kinds = defaultdict(set)
    for kind, words in all_names(part):
        kinds[words].add(kind)
    assert sum(len(found) > 1 for found in kinds.values()) >= 5


@each_part
def test_some_name_words_are_ordinary_words_elsewhere_in_the_part(part):
    ordinary = {w for s in entities(part) for w, t in zip(s.words, s.tags, strict=True) if t == "O"}
    assert len(content_tokens(part) & ordinary) >= 15


def test_the_parts_share_no_content_word_of_a_name():
    assert content_tokens("train") & content_tokens("test") == set()


@pytest.mark.parametrize(("part", "other"), [PARTS, PARTS[::-1]])
def test_no_name_of_a_part_stands_untagged_in_the_other(part, other):
    text = "".join(f" {' '.join(sentence.words)} \n" for sentence in entities(other))
    assert [words for _, words in all_names(part) if f" {' '.join(words)} " in text] == []


def test_no_sentence_occurs_twice_in_or_between_the_parts():
    counts = Counter(" ".join(s.words).lower() for part in PARTS for s in entities(part))
    assert [sentence for sentence, count in counts.items() if count > 1] == []


@each_part
def test_sentences_have_four_to_thirty_two_tokens(part):
    assert [s.words for s in entities(part) if not 4 <= len(s.words) <= 32] == []


@each_part
def test_punctuation_is_its_own_token(part):
    words = {word for sentence in entities(part) for word in sentence.words}
    attached = {w for w in words if len(w) > 1 and not (w[0].isalnum() and w[-1].isalnum())}
    assert attached - {"'s"} == set()


@each_part
def test_every_sentence_begins_with_a_capital_and_ends_with_a_stop(part):
    for words, _ in entities(part):
        first = words[1] if words[0] == '"' else words[0]
        assert first[0].isupper(), words
        assert words[-1] in {".", "?", "!"} or words[-2:] in {(".", '"'), ("?", '"'), ("!", '"')}, words


# Stories


def test_there_are_at_least_seventy_stories():
    assert len(stories()) >= 70


def test_the_stories_file_has_the_promised_columns():
    assert raw("stories.csv").split("\n")[0] == "title,sentence1,sentence2,sentence3,sentence4,sentence5"


def test_the_stories_file_ends_with_one_newline_and_has_no_carriage_return():
    text = raw("stories.csv")
    assert "\r" not in text
    assert re.search(r"[^\n]\n\Z", text)


def test_titles_are_unique_and_not_empty():
    titles = [story.title.lower() for story in stories()]
    assert all(titles)
    assert len(set(titles)) == len(titles)


def test_every_story_has_five_sentences_that_begin_with_a_capital_and_end_with_a_stop():
    for story in stories():
        assert len(story.sentences) == 5
        assert all(re.fullmatch(r"[A-Z].*[.?!]", sentence) for sentence in story.sentences), story


def test_no_sentence_occurs_twice_in_or_between_stories():
    counts = Counter(sentence.lower() for story in stories() for sentence in story.sentences)
    assert [sentence for sentence, count in counts.items() if count > 1] == []


def test_story_sentences_have_four_to_thirty_words():
    lengths = [len(sentence.split()) for story in stories() for sentence in story.sentences]
    assert min(lengths) >= 4
    assert max(lengths) <= 30


@pytest.mark.parametrize("wrong", ["other", "same"])
class TestNextSentencePairs:
    def test_label_1_is_the_sentence_that_follows_and_label_0_is_not(self, wrong):
        told = stories()
        home = {text: (s, i) for s, story in enumerate(told) for i, text in enumerate(story.sentences)}
        for first, second, label in zip(*next_sentence_pairs(told, wrong), strict=True):
            (s, i), (t, j) = home[first], home[second]
            assert ((s, i + 1) == (t, j)) == label
            if not label:
                assert first != second
                assert (s == t) == (wrong == "same")

    def test_each_pair_has_its_counterpart_behind_it(self, wrong):
        firsts, _, labels = next_sentence_pairs(stories(), wrong)
        assert firsts[::2] == firsts[1::2]
        assert labels == [1, 0] * (4 * 75)

    def test_the_second_sentence_alone_tells_nothing(self, wrong):
        _, seconds, labels = next_sentence_pairs(stories(), wrong)
        parts = [sorted(s for s, own in zip(seconds, labels, strict=True) if own == label) for label in (0, 1)]
        assert parts[0] == parts[1]

    def test_the_parts_of_a_split_share_no_sentence(self, wrong):
        told = stories()
        train, test = (next_sentence_pairs(part, wrong) for part in (told[20:], told[:20]))
        assert not {*train[0], *train[1]} & {*test[0], *test[1]}

    def test_the_seed_settles_the_wrong_sentences(self, wrong):
        told = stories()
        assert next_sentence_pairs(told, wrong, seed=1) == next_sentence_pairs(told, wrong, seed=1)
        assert next_sentence_pairs(told, wrong, seed=1) != next_sentence_pairs(told, wrong, seed=2)


def test_pairs_that_cannot_be_made_are_refused():
    told = stories()
    with pytest.raises(ValueError, match="'other' or 'same'"):
        next_sentence_pairs(told, "random")
    with pytest.raises(ValueError, match="1 story only"):
        next_sentence_pairs(told[:1])
