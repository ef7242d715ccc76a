"""Small classifiers on frozen vectors, and the score of entities."""

import subprocess
import sys
import threading
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import linear_model
from threadpoolctl import threadpool_info

import bertutil
from bertutil import probes
from bertutil.course import datasets

NAN = float("nan")


def test_neighbour_accuracy_counts_the_rows_whose_nearest_other_row_has_their_label():
    vectors = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0], [1.0, 0.05]])
    assert probes.neighbour_accuracy(vectors, ["a", "a", "b", "b", "a"]) == 1
    assert probes.neighbour_accuracy(vectors, ["a", "b", "b", "b", "a"]) == 0.6


def test_a_row_is_not_its_own_neighbour():
    vectors = torch.eye(4) + 0.01
    assert probes.neighbour_accuracy(vectors, ["a", "b", "b", "a"]) < 1


def test_a_row_is_not_its_own_neighbour_where_all_others_point_away():
    corners = torch.tensor([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])  # of a tetrahedron
    assert probes.neighbour_accuracy(corners, ["a", "b", "a", "b"]) == pytest.approx(1 / 3)  # all are equally near


def test_of_equally_near_rows_each_counts_its_share_whatever_their_last_digits_are():
    for last_digits in (1e-14, -1e-14):  # with the first, row 1 is nearer to row 2 than row 0 is
        vectors = torch.tensor([[1.0, 0.2], [1.0, 0.2], [1.0, 0.9], [-1.0, 0.3]], dtype=torch.double)
        vectors[1, 1] += last_digits
        assert (
            probes.neighbour_accuracy(vectors, ["a", "b", "a", "b"]) == 0.125
        )  # half of row 2, to which two are near


def test_shares_are_the_same_measure_row_by_row():
    vectors, labels = torch.tensor([[1.0, 0], [1, 0], [1, 0], [0, 1], [0.1, 1]]), ["a", "b", "a", "b", "b"]
    assert probes.neighbour_shares(vectors, labels).tolist() == [0.5, 0, 0.5, 1, 1]


def test_the_order_of_equally_near_rows_does_not_matter():
    vectors, labels = torch.tensor([[1.0, 0], [1, 0], [1, 0], [0, 1], [0, 1]]), ["a", "b", "a", "b", "a"]
    turned = probes.neighbour_accuracy(vectors.flip(0), labels[::-1])
    assert probes.neighbour_accuracy(vectors, labels) == turned == pytest.approx((0.5 + 0 + 0.5 + 0 + 0) / 5)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["a", "a", "b"], "4 vectors and 3 labels"),
        (["a"] * 4, "the same label"),
        (["a", "a", "a", "b"], "'b' has one example only"),
    ],
)
def test_labels_that_tell_nothing_are_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        probes.neighbour_accuracy(torch.ones(4, 2), labels)


def test_a_row_with_nan_is_named():
    vectors = torch.ones(4, 2)
    vectors[2] = NAN
    with pytest.raises(ValueError, match="row 2 has NaN"):
        probes.neighbour_accuracy(vectors, ["a", "a", "b", "b"])


def clusters(n, seed=0):
    """Rows around three places, and the names of the places."""
    generator = torch.Generator().manual_seed(seed)
    kinds = torch.arange(n) % 3
    places = 5 * torch.eye(3, 8)
    return places[kinds] + torch.randn(n, 8, generator=generator), ["abc"[k] for k in kinds]


def test_the_linear_probe_learns_labels_that_a_plane_separates():
    (train, labels), (test, expected) = clusters(90), clusters(30, seed=1)
    assert probes.linear_probe(train, labels, test) == expected


def test_the_linear_probe_finds_nothing_in_labels_drawn_at_random():
    train, _ = clusters(90)
    test, _ = clusters(300, seed=1)
    draw = np.random.default_rng(0)
    answer = probes.linear_probe(train, list(draw.choice(["a", "b"], 90)), test)
    assert 0.4 < np.mean(np.array(answer) == draw.choice(["a", "b"], 300)) < 0.6


def test_the_linear_probe_answers_the_same_however_vectors_are_moved_and_scaled():
    (train, labels), (test, _) = clusters(60), clusters(60, seed=1)
    noisy, noisier = train + 8 * torch.randn(60, 8, generator=torch.Generator().manual_seed(2)), test * 0.4
    once = probes.linear_probe(noisy, labels, noisier)
    assert once == probes.linear_probe(noisy, labels, noisier)
    assert once == probes.linear_probe(noisy * 40 + 7, labels, noisier * 40 + 7)
    assert len(set(once)) > 1


def test_the_linear_probe_trains_to_the_end_so_that_a_longer_search_changes_no_answer(bert, monkeypatch):
    parts = []
    for name in ("train", "test"):
        encoding = bertutil.encode(bert, [list(s.words) for s in datasets.entities(name)])
        pooled = bertutil.pool_words(bertutil.hidden_states(bert, encoding, [1])[:, :, 0], encoding, "first")
        parts.append(torch.cat([row[: len(w)] for row, w in zip(pooled, encoding.words, strict=True)]))
    tags = [tag for sentence in datasets.entities("train") for tag in sentence.tags]
    answer = probes.linear_probe(parts[0], tags, parts[1])
    real = linear_model.LogisticRegression
    monkeypatch.setattr(linear_model, "LogisticRegression", lambda **given: real(**given | {"tol": 1e-8}))
    assert probes.linear_probe(parts[0], tags, parts[1]) == answer


def test_a_label_that_training_never_saw_is_never_predicted():
    train, labels = clusters(60)
    known = [i for i, label in enumerate(labels) if label != "c"]
    answer = probes.linear_probe(train[known], [labels[i] for i in known], train)
    assert set(answer) == {"a", "b"}


def test_no_test_vectors_give_no_labels():
    train, labels = clusters(9)
    assert probes.linear_probe(train, labels, train[:0]) == []


def test_vectors_that_are_all_equal_get_the_most_frequent_label():
    ones = torch.ones(5, 2)
    assert probes.linear_probe(ones, ["a", "b", "b", "a", "b"], ones[:2]) == ["b", "b"]


def with_nan(vectors, *place):
    vectors = vectors.clone()
    vectors[place] = NAN
    return vectors


@pytest.mark.parametrize(
    ("vectors", "labels", "test", "message"),
    [
        (torch.ones(4, 2), ["a", "b"], torch.ones(1, 2), "4 vectors and 2 labels"),
        (torch.ones(2, 2), ["a", "a"], torch.ones(1, 2), "the same label"),
        (torch.ones(0, 2), [], torch.ones(1, 2), "the same label"),
        (with_nan(torch.ones(4, 2), 3), list("abab"), torch.ones(1, 2), "^row 3 has NaN .* leave it out"),
        (torch.ones(4, 2), list("abab"), with_nan(torch.ones(3, 2), 1, 0), "^test row 1 has NaN"),
        (torch.ones(4, 2), list("abab"), torch.ones(3, 5), r"^test row 0 has the shape \[5\].*\[2\]"),
    ],
)
def test_the_linear_probe_names_what_it_cannot_use(vectors, labels, test, message):
    with pytest.raises(ValueError, match=message):
        probes.linear_probe(vectors, labels, test)


def sentences(n, seed=0, layers=None):
    """Sentences of random words, each tagged by the word BEFORE it: a word alone does not tell its tag."""
    draw = np.random.default_rng(seed)
    vectors, tags = [], []
    for _ in range(n):
        words = draw.integers(3, size=draw.integers(2, 9))
        tags.append(["O", *("OBI"[word] + ("-X" if word else "") for word in words[:-1])])
        rows = torch.eye(3, 6)[torch.as_tensor(words)] + 0.1 * torch.as_tensor(draw.normal(size=(len(words), 6)))
        vectors.append(rows.float())
    return vectors, tags


def accuracy(tags, expected):
    return np.mean([a == b for x, y in zip(tags, expected, strict=True) for a, b in zip(x, y, strict=True)])


def test_the_sequence_probe_uses_the_neighbours_which_the_linear_probe_cannot():
    (train, tags), (test, expected) = sentences(200), sentences(40, seed=1)
    found = probes.sequence_probe(train, tags, test)
    assert accuracy(found.tags, expected) > 0.98
    assert found.layer_weights == []
    alone = probes.linear_probe(torch.cat(train), [t for own in tags for t in own], torch.cat(test))
    assert np.mean(np.array(alone) == [t for own in expected for t in own]) < 0.7


@pytest.mark.parametrize(("features", "rate"), [(8, 0.01), (384, 0.01), (1536, 0.0025)])
def test_the_learning_rate_of_the_input_weights_falls_with_their_number(features, rate):
    tagger = probes._Tagger(lambda vectors: vectors, [features], 4, 3)
    wide, others = tagger.parameter_groups(rate=0.01)
    assert [x.shape[1] for x in wide["params"]] == [features, features]
    assert (wide["lr"], others["lr"]) == (rate, 0.01)
    both = [*wide["params"], *others["params"]]
    assert {id(x) for x in both} == {id(x) for x in tagger.parameters()}
    assert len(both) == len([*tagger.parameters()])


def test_the_same_seed_gives_the_same_tags_and_another_seed_others():
    (train, tags), (test, _) = sentences(40), sentences(40, seed=1)
    runs = [probes.sequence_probe(train, tags, test, seed=seed, epochs=2).tags for seed in (3, 3, 4)]
    assert runs[0] == runs[1] != runs[2]


def test_probes_trained_side_by_side_give_the_tags_they_give_alone():
    (train, tags), (test, _) = sentences(40), sentences(40, seed=1)
    calls = [partial(probes.sequence_probe, train, tags, test, seed=seed, epochs=2) for seed in range(6)]
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        together = probes.side_by_side(calls)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(threads)
    assert together == [call() for call in calls]
    assert len({str(run.tags) for run in together}) > 1


def test_linear_probes_side_by_side_give_back_the_threads_that_they_took():
    (train, labels), before = clusters(30), [pool["num_threads"] for pool in threadpool_info()]
    calls = [partial(probes.linear_probe, train.repeat(n, 1), labels * n, train) for n in (1, 40, 2, 20)]
    assert probes.side_by_side(calls) == [call() for call in calls]
    assert [pool["num_threads"] for pool in threadpool_info()] == before


def test_calls_side_by_side_run_at_the_same_time_and_their_errors_are_raised():
    meeting = threading.Barrier(2, timeout=60)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert sorted(probes.side_by_side([meeting.wait, meeting.wait])) == [0, 1]
        with pytest.raises(ZeroDivisionError):
            probes.side_by_side([lambda: 1 // 0])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


def test_the_seed_of_the_caller_is_left_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    probes.sequence_probe(*sentences(8), sentences(2)[0], epochs=1)
    assert torch.equal(torch.rand(3), expected)


def test_the_sequence_probe_trains_where_gradients_are_off_and_touches_no_vector():
    train, tags = sentences(8)
    before = [vectors.clone() for vectors in train]
    with torch.no_grad():
        assert len(probes.sequence_probe(train, tags, train, epochs=1).tags) == 8
    assert all(map(torch.equal, train, before))


def test_a_sentence_gets_its_tags_whatever_stands_beside_it():
    (train, tags), (test, _) = sentences(60), sentences(9, seed=1)
    together = probes.sequence_probe(train, tags, test, epochs=2).tags
    assert together == [probes.sequence_probe(train, tags, [one], epochs=2).tags[0] for one in test]
    assert [len(own) for own in together] == [len(one) for one in test]
    assert probes.sequence_probe(train, tags, [], epochs=1).tags == []


@given(st.lists(st.integers(1, 40), min_size=1, max_size=90), st.integers(0, 3))
def test_every_sentence_is_in_one_batch_and_a_batch_holds_sentences_of_like_length(lengths, seed):
    torch.manual_seed(seed)
    batches = probes._of_like_length([torch.zeros(n, 1) for n in lengths], 8)
    assert sorted(i for batch in batches for i in batch.tolist()) == list(range(len(lengths)))
    ordered = sorted([lengths[i] for i in batch] for batch in batches)
    assert [n for batch in ordered for n in sorted(batch)] == sorted(lengths)  # no batch reaches into another's range


def test_the_batches_of_like_length_come_in_another_order_each_time():
    torch.manual_seed(0)
    firsts = {int(probes._of_like_length([torch.zeros(n, 1) for n in range(1, 61)], 20)[0][0]) for _ in range(20)}
    assert len({first // 20 for first in firsts}) == 3


def test_the_weighted_sum_leans_on_the_layer_that_says_something():
    def layered(vectors, seed):
        generator = torch.Generator().manual_seed(seed)
        return [torch.stack([torch.randn(v.shape, generator=generator), v, v.flip(0)], dim=1) for v in vectors]

    (train, tags), (test, expected) = sentences(200), sentences(40, seed=1)
    found = probes.sequence_probe(layered(train, 0), tags, layered(test, 1), epochs=8)
    assert accuracy(found.tags, expected) > 0.9
    assert sum(found.layer_weights) == pytest.approx(1)
    assert int(np.argmax(found.layer_weights)) == 1


@pytest.mark.parametrize(
    ("vectors", "tags", "test", "message"),
    [
        ([torch.ones(2, 3)], [], [], "1 sentences and 0 lists"),
        ([torch.ones(2, 3)], [["O"]], [], "sentence 0 has 2 words and 1 tags"),
        ([torch.ones(2, 3)], [["O", "O"]], [], "the same label"),
        ([], [], [], "the same label"),
        ([torch.ones(2, 3), torch.ones(0, 3)], [["O", "B-X"], []], [], "training sentence 1 has no words"),
        ([torch.ones(2, 3)], [["O", "B-X"]], [torch.ones(0, 3)], "test sentence 0 has no words"),
        ([with_nan(torch.ones(2, 3), 1)], [["O", "B-X"]], [], "training sentence 0, word 1, has NaN .* leave it out"),
        ([torch.ones(2, 3)], [["O", "B-X"]], [torch.ones(1, 4)], r"test sentence 0, word 0, has the shape \[4\]"),
        ([torch.ones(2, 3)], [["O", "B-X"]], [torch.ones(1, 2, 3)], r"the shape \[2, 3\], the first .* \[3\]"),
    ],
)
def test_the_sequence_probe_names_what_it_cannot_use(vectors, tags, test, message):
    with pytest.raises(ValueError, match=message):
        probes.sequence_probe(vectors, tags, test)


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        ("", set()),
        ("O O O", set()),
        ("B-PER", {("PER", 0, 1)}),
        ("O B-PER I-PER O", {("PER", 1, 3)}),
        ("B-PER B-PER", {("PER", 0, 1), ("PER", 1, 2)}),
        ("B-PER I-LOC", {("PER", 0, 1), ("LOC", 1, 2)}),
        ("I-LOC I-LOC O I-LOC", {("LOC", 0, 2), ("LOC", 3, 4)}),
        ("I-LOC B-LOC I-LOC", {("LOC", 0, 1), ("LOC", 1, 3)}),
        ("O B-ORG I-ORG I-ORG", {("ORG", 1, 4)}),
        ("B-A-B I-A-B", {("A-B", 0, 2)}),
    ],
)
def test_entities_are_read_as_conlleval_reads_them(tags, spans):
    assert probes.entity_spans(tags.split()) == spans


@pytest.mark.parametrize("tag", ["PER", "B", "B-", "E-PER", "b-PER", "", "O-PER"])
def test_a_tag_that_is_not_bio_is_named(tag):
    with pytest.raises(ValueError, match=f"word 1 has the tag '{tag}'"):
        probes.entity_spans(["O", tag])


def test_an_entity_counts_only_with_its_kind_and_both_ends():
    gold = [["B-PER", "I-PER", "O", "B-LOC"]]
    for predicted, counts in [
        ("B-PER I-PER O B-LOC", [2, 2, 2]),
        ("I-PER I-PER O I-LOC", [2, 2, 2]),
        ("B-PER O O B-LOC", [1, 2, 2]),
        ("B-PER I-PER I-PER B-LOC", [1, 2, 2]),
        ("B-ORG I-ORG O O", [0, 1, 2]),
        ("O O O O", [0, 0, 2]),
    ]:
        assert probes.entity_counts(gold, [predicted.split()]).tolist() == [counts]


def test_f1_adds_the_counts_of_all_sentences_first():
    gold = [["B-PER"], ["B-PER", "O", "B-LOC", "O", "B-LOC"], ["O"]]
    found = [["B-PER"], ["B-PER", "O", "O", "B-LOC", "O"], ["O"]]
    counts = probes.entity_counts(gold, found)
    assert counts.tolist() == [[1, 1, 1], [1, 2, 3], [0, 0, 0]]
    assert probes.entity_f1(gold, found) == probes.f1(counts) == pytest.approx(2 * 2 / (3 + 4))


def test_f1_is_0_where_there_is_nothing_to_find_and_nothing_was_found():
    assert probes.entity_f1([["O", "O"]], [["O", "O"]]) == 0
    assert probes.entity_f1([], []) == 0


@pytest.mark.parametrize(
    ("gold", "predicted", "message"),
    [
        ([["O"]], [], "1 sentences, and tags were predicted for 0"),
        ([["O"], ["O", "O"]], [["O"], ["O"]], "sentence 1 has 2 words, and 1 tags"),
    ],
)
def test_tags_that_do_not_fit_are_refused(gold, predicted, message):
    with pytest.raises(ValueError, match=message):
        probes.entity_f1(gold, predicted)


TAGS = st.sampled_from(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"])
TWO_TAGGINGS = st.lists(st.lists(st.tuples(TAGS, TAGS), max_size=8), max_size=6)


def spans_otherwise(tags):
    """conlleval's own way: is a chunk's end between two tags, and is a chunk's start?"""

    def start(before, tag):
        return tag != "O" and (tag[0] == "B" or before == "O" or before[2:] != tag[2:])

    padded = ["O", *tags, "O"]
    starts = [i for i, (before, tag) in enumerate(pairwise(padded)) if start(before, tag)]
    ends = [
        i for i, (tag, after) in enumerate(pairwise(padded)) if tag != "O" and (after == "O" or start(tag, after))
    ]
    return {(tags[first][2:], first, last) for first, last in zip(starts, ends, strict=True)}


@given(TWO_TAGGINGS)
def test_f1_is_the_harmonic_mean_of_precision_and_recall_of_conllevals_chunks(both):
    gold, found = ([[pair[k] for pair in sentence] for sentence in both] for k in (0, 1))
    there, said = (
        {(i, *span) for i, tags in enumerate(part) for span in spans_otherwise(tags)} for part in (gold, found)
    )
    right = len(there & said)
    expected = 0.0
    if right:
        precision, recall = right / len(said), right / len(there)
        expected = 2 * precision * recall / (precision + recall)
    assert probes.entity_f1(gold, found) == pytest.approx(expected)


@given(TWO_TAGGINGS)
def test_f1_is_the_same_both_ways_and_1_for_the_gold_itself(both):
    gold, found = ([[pair[k] for pair in sentence] for sentence in both] for k in (0, 1))
    assert probes.entity_f1(gold, found) == probes.entity_f1(found, gold)
    assert probes.entity_f1(gold, gold) == (1 if any(map(spans_otherwise, gold)) else 0)


def test_the_module_does_without_scikit_learn_until_the_linear_probe_is_called():
    code = "import sys; sys.modules['sklearn'] = None; from bertutil import probes; print(probes.f1([1, 1, 1]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("1.0\n", 0), done.stderr[-2000:]


def test_the_shapes_of_the_signatures_hold():
    code = """
from jaxtyping import install_import_hook
with install_import_hook("bertutil", "beartype.beartype"):
    import torch
    from bertutil import probes
rows = [torch.randn(n, 2, 4) for n in (2, 5, 3)]
tags = [["O"] + ["B-X"] * (len(row) - 1) for row in rows]
found = probes.sequence_probe(rows, tags, rows[:2], epochs=1)
probes.sequence_probe([row[:, 0] for row in rows], tags, [row[:, 0] for row in rows], epochs=1)
flat = torch.cat(rows)[:, 0]
probes.neighbour_accuracy(flat, [tag for own in tags for tag in own])
probes.linear_probe(flat, [tag for own in tags for tag in own], flat[:3])
print(len(probes.entity_counts(tags[:2], found.tags)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("2\n", 0), done.stderr[-2000:]


def test_torch_s_default_precision_changes_no_probe():
    vectors = [torch.randn(4, 3, 8, generator=torch.Generator().manual_seed(i)) for i in range(6)]
    tags = [["O", "B-A", "I-A", "O"]] * 6
    expected = probes.sequence_probe(vectors, tags, vectors, epochs=2)
    torch.set_default_dtype(torch.float64)
    try:
        found = probes.sequence_probe(vectors, tags, vectors, epochs=2)
    finally:
        torch.set_default_dtype(torch.float32)
    assert str(found) == str(expected)
