"""The sealed data sets: nobody has edited them, and what their README promises of them."""

import hashlib
from collections import Counter
from importlib.resources import files

import pytest

from bertutil import split_words
from bertutil.course import datasets

DIGESTS = {
    "help_articles.jsonl": "f84b43a0f1f1c1559f3f6082474c028ee1bc7f864c9f5221e42b624ecf6fb475",
    "help_long.jsonl": "cb4ce227f88ed51278972ab7c983360b55c13ac43bccbf7c5e13d01386fe24b8",
    "help_queries.csv": "306a12d2a33092ca2e3dbb7bb1c5856752a731e08dccbee0a47fe27a3dffe130",
    "senses_new_words.csv": "85cb1f12c6bea08339ac2780603a5481684748da0388e1faa9f8568004cd29de",
    "senses_sealed.csv": "99075fe140cf0dd4d7fd05c779762239fade0d79e6dd29952c0bf8ea0ec160c4",
}
both_sets = pytest.mark.parametrize("load", [datasets.senses_sealed, datasets.senses_new_words])


@pytest.mark.parametrize("file", DIGESTS)
def test_the_file_is_as_it_was_sealed(file):
    assert hashlib.sha256(files(datasets).joinpath(file).read_bytes()).hexdigest() == DIGESTS[file]


@both_sets
def test_there_are_42_senses_of_20_words_with_12_sentences_each(load):
    counts = Counter((row.word, row.sense) for row in load())
    assert len(counts) == 42
    assert set(counts.values()) == {12}
    assert len({word for word, _ in counts}) == 20


@both_sets
def test_a_target_is_one_entry_of_the_vocabulary(load, bert):
    assert {row.word for row in load()} <= bert.tokenizer.get_vocab().keys()


@both_sets
def test_a_sentence_has_its_target_exactly_once(load):
    found = [[row.sentence[i:j].lower() for i, j in split_words(row.sentence)].count(row.word) for row in load()]
    assert set(found) == {1}


def test_the_sealed_set_has_the_words_and_senses_of_the_tuned_one():
    assert {row[:2] for row in datasets.senses_sealed()} == {row[:2] for row in datasets.senses()}


def test_the_new_words_are_new():
    assert not {row.word for row in datasets.senses()} & {row.word for row in datasets.senses_new_words()}


def help_texts():
    return [*datasets.help_articles(), *datasets.help_paragraphs()]


def test_the_help_centre_has_160_articles_and_the_paragraphs_of_12_documents():
    assert len(datasets.help_articles()) == 160
    assert len({text.id.split("#")[0] for text in datasets.help_paragraphs()}) == 12


def test_every_text_of_the_help_centre_has_an_id_of_its_own_and_is_not_empty():
    assert len({text.id for text in help_texts()}) == len(help_texts())
    assert all(text.text.strip() and text.title.strip() for text in help_texts())


def test_paragraphs_count_from_one():
    first, second = datasets.help_paragraphs()[:2]
    assert (first.id, second.id) == ("d01#1", "d01#2")
    assert first.text.startswith("These terms set out the contract")


def test_queries_are_of_four_kinds():
    assert Counter(row.kind for row in datasets.help_queries()) == {
        "meaning": 40,
        "code": 30,
        "mixed": 30,
        "long": 20,
    }


def test_every_answer_is_a_text_of_the_help_centre():
    assert {answer for row in datasets.help_queries() for answer in row.relevant} <= {
        text.id for text in help_texts()
    }


def test_a_query_with_several_answers_lists_each():
    assert [row.relevant for row in datasets.help_queries() if "a060" in row.relevant] == [("a060", "a057")]


def test_a_paragraph_found_later_to_answer_is_listed_behind():
    assert [row.relevant for row in datasets.help_queries() if "a153" in row.relevant] == [("a153", "d05#2")]


def test_the_two_halves_share_no_query_and_no_answer():
    choose, report = datasets.help_queries("choose"), datasets.help_queries("report")
    assert sorted(choose + report) == sorted(datasets.help_queries())
    assert not {a for row in choose for a in row.relevant} & {a for row in report for a in row.relevant}


@pytest.mark.parametrize("part", ["choose", "report"])
def test_a_half_has_two_fifths_of_each_kind_at_least(part):
    whole, half = (
        Counter(r.kind for r in datasets.help_queries()),
        Counter(r.kind for r in datasets.help_queries(part)),
    )
    assert all(half[kind] >= 0.4 * n for kind, n in whole.items())


def test_another_part_is_refused():
    with pytest.raises(ValueError, match="'choose', 'report' or 'all'"):
        datasets.help_queries("test")
