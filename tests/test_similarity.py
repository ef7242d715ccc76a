"""cosine_similarity(), search(), remove_mean() and random_pair_baseline()."""

import os
import subprocess
import sys
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from torch.testing import assert_close

import bertutil
from bertutil import similarity

NAN = float("nan")


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 8), st.integers(0, 1000))
@settings(max_examples=50, deadline=None)
def test_the_cosine_is_scipys(n, m, features, seed):
    generator = np.random.default_rng(seed)
    a, b = generator.normal(size=(n, features)), generator.normal(size=(m, features))
    assert_close(bertutil.cosine_similarity(a, b), torch.tensor(1 - cdist(a, b, "cosine")))


def test_one_argument_compares_the_rows_with_each_other():
    a = torch.tensor([[1.0, 0.0], [3.0, 4.0]])
    assert_close(bertutil.cosine_similarity(a), torch.tensor([[1.0, 0.6], [0.6, 1.0]]))


def test_a_single_vector_counts_as_one_row():
    assert_close(bertutil.cosine_similarity(torch.tensor([2.0, 0.0]), torch.tensor([0.0, 5.0])), torch.zeros(1, 1))


def test_half_precision_is_compared_in_float32():
    a = torch.randn(3, 64).bfloat16()
    assert_close(bertutil.cosine_similarity(a), bertutil.cosine_similarity(a.float()))


def test_a_zero_vector_is_refused_by_its_row():
    with pytest.raises(ValueError, match="row 1 of b is a zero vector"):
        bertutil.cosine_similarity(torch.ones(1, 2), torch.tensor([[1.0, 1.0], [0.0, 0.0]]))


def test_different_widths_are_refused():
    with pytest.raises(ValueError, match="3 features, those of b 4"):
        bertutil.cosine_similarity(torch.ones(1, 3), torch.ones(1, 4))


def test_more_than_two_dimensions_are_refused():
    with pytest.raises(ValueError, match=r"a has the shape \[1, 2, 3\]"):
        bertutil.cosine_similarity(torch.ones(1, 2, 3))


def test_search_returns_the_best_first():
    corpus = torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    scores, indices = bertutil.search(torch.tensor([[1.0, 0.1]]), corpus, k=3)
    assert indices.tolist() == [[1, 2, 0]]
    assert_close(scores, bertutil.cosine_similarity(torch.tensor([[1.0, 0.1]]), corpus)[:, [1, 2, 0]])


def test_search_puts_nan_and_infinity_last_with_the_score_nan():
    corpus = torch.tensor([[NAN, 1.0], [-1.0, 0.0], [float("inf"), 1.0], [1.0, 0.0]])
    scores, indices = bertutil.search(torch.tensor([[1.0, 0.0]]), corpus, k=4)
    assert indices.tolist() == [[3, 1, 0, 2]]
    assert scores[0, 2:].isnan().all()


def test_equal_scores_keep_the_order_of_the_corpus():
    _, indices = bertutil.search(torch.ones(1, 4), torch.ones(50, 4), k=50)
    assert indices[0].tolist() == list(range(50))


@pytest.mark.parametrize("k", [0, -1, 4])
def test_a_k_that_the_corpus_cannot_serve_is_refused(k):
    with pytest.raises(ValueError, match=rf"k is {k}; .* at most 3"):
        bertutil.search(torch.ones(1, 2), torch.ones(3, 2), k=k)


def search_in_blocks(block, *arguments, **options):
    """search() with blocks of `block` numbers."""
    with mock.patch.object(similarity, "BLOCK", block):
        return bertutil.search(*arguments, **options)


# Of length 2, with cosines that are quarters: equal ones are equal to the last bit, whatever the block's size.
exact_rows = st.lists(st.sampled_from([-1.0, 1.0]), min_size=4, max_size=4)
rows = st.one_of(exact_rows, st.just([NAN] * 4), st.just([1.0, float("inf"), 0.0, 1.0]))


@given(st.lists(rows, min_size=1, max_size=12), st.lists(rows, max_size=3), st.integers(1, 60), st.data())
@settings(deadline=None)
def test_blocks_of_any_size_give_what_one_block_gives(corpus, queries, block, data):
    k = data.draw(st.integers(1, len(corpus)))
    queries, corpus = torch.tensor(queries).reshape(-1, 4), torch.tensor(corpus)
    cosines = bertutil.cosine_similarity(queries, corpus)
    expected = cosines.nan_to_num(nan=-2).sort(dim=1, descending=True, stable=True).indices[:, :k]
    for size in (block, 1_000_000):
        scores, indices = search_in_blocks(size, queries, corpus, k=k)
        assert torch.equal(indices, expected)
        assert_close(scores, cosines.gather(1, expected), equal_nan=True)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_every_precision_is_searched_in_blocks(dtype):
    generator = torch.Generator().manual_seed(0)
    corpus = torch.randn(200, 16, generator=generator).to(dtype)
    queries = corpus[:3] + 0.01
    scores, indices = search_in_blocks(500, queries, corpus, k=7)
    expected = bertutil.cosine_similarity(queries, corpus).topk(7)
    assert torch.equal(indices, expected.indices)
    assert_close(scores, expected.values)
    assert scores.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)


@pytest.mark.parametrize("block", [1, 8, 1_000_000])
def test_a_zero_vector_is_refused_by_its_row_in_the_whole_corpus(block):
    corpus = torch.ones(9, 2)
    corpus[7] = 0
    with pytest.raises(ValueError, match="row 7 of corpus is a zero vector"):
        search_in_blocks(block, torch.ones(1, 2), corpus, k=1)


@pytest.mark.parametrize("size", [1e-44, 1e-30, 1e-19, 1e-12, 1.0, 1e15, 1e19, 1e30, 3e38])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_very_short_and_very_long_rows_have_a_direction(size, dtype):
    rows = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, -1.0], [0.0, 0.0, 0.0]], dtype=dtype)[:2]
    other = torch.tensor([[3.0, 0.0, 4.0]], dtype=dtype)
    expected = bertutil.cosine_similarity(other, rows)
    assert_close(expected, torch.tensor([[7, -4]], dtype=dtype) / 5 / 2**0.5)
    assert_close(bertutil.cosine_similarity(other, rows * size), expected)
    assert_close(bertutil.search(other, rows * size, k=2)[0], expected)
    assert bertutil.self_similarity(rows * size) == pytest.approx(-0.5)
    assert bertutil.random_pair_baseline(rows * size, n=3) == pytest.approx(-0.5)


def test_a_long_row_beside_ordinary_and_infinite_ones_leaves_them_as_they_are():
    rows = torch.tensor([[1e30, 1e30], [1.0, 1.0], [float("inf"), 1.0], [NAN, 1e-30], [1e-30, 0.0]])
    cosines = bertutil.cosine_similarity(rows, torch.tensor([1.0, 1.0]))[:, 0]
    assert_close(cosines, torch.tensor([1, 1, NAN, NAN, 0.5**0.5]), equal_nan=True)


def test_no_cosine_is_above_1_and_nan_stays():
    rows = torch.randn(300, 384, generator=torch.Generator().manual_seed(0))
    for vectors in (rows, torch.cat([rows, -rows]).double(), rows.expand(300, 384)):
        cosines = bertutil.cosine_similarity(vectors)
        assert cosines.abs().max() <= 1
        assert not torch.arccos(cosines).isnan().any()
        assert bertutil.search(vectors, vectors, k=2)[0].max() <= 1
    assert bertutil.self_similarity(rows[:1].expand(50, -1)) <= 1
    assert bertutil.random_pair_baseline(rows[:1].expand(50, -1)) <= 1
    assert bertutil.cosine_similarity(torch.tensor([[NAN, 1.0]]), rows[:1, :2]).isnan().all()


@pytest.mark.parametrize("n_features", [8, 100, 384])
@pytest.mark.parametrize("n_queries", [1, 2, 5])
@pytest.mark.parametrize("n_rows", [7, 50, 333])
def test_equal_rows_have_equal_scores_wherever_they_stand(n_features, n_queries, n_rows):
    generator = torch.Generator().manual_seed(0)
    queries = torch.randn(n_queries, n_features, generator=generator)
    row = torch.randn(n_features, generator=generator)
    scores, indices = bertutil.search(queries, row.repeat(n_rows, 1), k=n_rows)
    assert (scores == scores[:, :1]).all()
    assert indices.tolist() == [list(range(n_rows))] * n_queries


def rows_of(kind):
    """The rows 0 to 4 in another form."""
    rows = np.random.default_rng(0).integers(-99, 99, size=(5, 8)).astype(np.float32)
    masked = np.ma.MaskedArray(rows.copy(), mask=False)
    forms = {
        "reversed": np.ascontiguousarray(rows[::-1])[::-1],
        "features reversed": np.ascontiguousarray(rows[:, ::-1])[:, ::-1],
        "every second row": np.repeat(rows, 2, axis=0)[::2],
        "columns of a wider table": np.hstack([rows, rows])[:, 8:],
        "columns first": np.asfortranarray(rows),
        "big-endian": rows.astype(">f4"),
        "big-endian integers": rows.astype(">i8"),
        "float16": rows.astype(np.float16),
        "long double": rows.astype(np.longdouble),
        "int8": rows.astype(np.int8),
        "int64 tensor": torch.from_numpy(rows).long(),
        "lists": rows.tolist(),
        "list of arrays": list(rows),
        "list of tensors": list(torch.from_numpy(rows)),
        "DataFrame": pd.DataFrame(rows),
        "DataFrame of several types": pd.DataFrame(rows).astype({0: "float64", 1: "int16"}),
        "DataFrame of objects": pd.DataFrame(rows).astype(object),
        "column of arrays": pd.Series(list(rows)),
        "column of lists": pd.Series(rows.tolist()).to_numpy(),
        "reversed column": pd.Series(list(rows[::-1]))[::-1],
        "masked array": masked,
    }
    return rows, forms[kind]


FORMS = ["reversed", "features reversed", "every second row", "columns of a wider table", "columns first"]
FORMS += ["big-endian", "big-endian integers", "float16", "long double", "int8", "int64 tensor", "lists"]
FORMS += ["list of arrays", "list of tensors", "DataFrame", "DataFrame of several types", "DataFrame of objects"]
FORMS += ["column of arrays", "column of lists", "reversed column", "masked array"]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", FORMS)
def test_vectors_in_any_form_give_the_same_numbers(kind):
    rows, form = rows_of(kind)
    close = {"check_dtype": False}
    cosines = bertutil.cosine_similarity(rows)
    assert_close(bertutil.cosine_similarity(form), cosines, **close)
    for block in (1, 1_000_000):
        scores, indices = search_in_blocks(block, form, form, k=2)
        assert_close(scores, cosines.topk(2).values, **close)
        assert torch.equal(indices, cosines.topk(2).indices)
    assert_close(bertutil.remove_mean(form), bertutil.remove_mean(rows), **close)
    assert bertutil.self_similarity(form) == pytest.approx(bertutil.self_similarity(rows), abs=1e-6)
    assert bertutil.random_pair_baseline(form) == pytest.approx(bertutil.random_pair_baseline(rows), abs=1e-6)


def test_true_and_false_are_1_and_0():
    rows = np.array([[True, True], [False, True]])
    for form in (rows, torch.from_numpy(rows), rows.tolist()):
        assert float(bertutil.cosine_similarity(form)[0, 1]) == pytest.approx(0.5**0.5)


def test_a_masked_value_is_not_a_number():
    rows = np.ma.MaskedArray(np.ones((2, 3)), mask=[[0, 0, 0], [0, 1, 0]])
    assert bertutil.cosine_similarity(rows, np.ones(3)).isnan().tolist() == [[False], [True]]


def test_a_data_frame_with_a_column_called_vectors_is_a_data_frame():
    frame = pd.DataFrame({"vectors": [1.0, 0.0], "others": [0.0, 1.0]})
    assert bertutil.search([0.0, 1.0], frame, k=2)[1].tolist() == [[1, 0]]


@pytest.mark.parametrize(
    "form",
    [
        np.array([["1", "2"]]),
        np.array([["1", "2"]], dtype=object),
        pd.DataFrame({"a": ["x"], "b": [1.0]}),
        pd.DataFrame({"a": [1.0, pd.NA]}, dtype="Float64").astype(object),
        pd.Series([[1.0, 2.0], [3.0]]),
        pd.Series([[1.0, 2.0], None]),
        [[1.0, 2.0], [3.0]],
        np.array([[1j, 2.0]]),
        torch.tensor([[1j, 2.0]]),
        np.array([["2020-01-01"]], dtype="datetime64[D]"),
        "text",
        {"a": 1},
    ],
)
def test_what_holds_no_numbers_or_rows_of_several_lengths_is_refused_by_its_name(form):
    good = np.ones((1, 2))
    with pytest.raises(TypeError, match=r"^b (is no table|holds)"):
        bertutil.cosine_similarity(good, form)
    with pytest.raises(TypeError, match=r"^corpus (is no table|holds)"):
        bertutil.search(good, form, k=1)
    for function in (bertutil.remove_mean, bertutil.random_pair_baseline, bertutil.self_similarity):
        with pytest.raises(TypeError, match=r"^vectors (is no table|holds)"):
            function(form)


def test_a_corpus_of_another_width_or_more_dimensions_is_refused():
    with pytest.raises(ValueError, match="the queries have 2 features, the vectors of the corpus 3"):
        bertutil.search(torch.ones(1, 2), torch.ones(4, 3), k=1)
    with pytest.raises(ValueError, match=r"corpus has the shape \[1, 2, 3\]"):
        bertutil.search(torch.ones(1, 3), torch.ones(1, 2, 3), k=1)


def test_a_corpus_may_be_what_has_vectors(tiny, tmp_path):
    made = bertutil.embed_corpus(tiny, ["a bank", "a river", "the vault"], tmp_path / "out", progress=False)
    query = bertutil.embed(tiny, ["the vault"])
    expected = bertutil.search(query, np.array(made.vectors), k=3)
    for corpus in (made, SimpleNamespace(vectors=torch.tensor(made.vectors))):
        scores, indices = bertutil.search(query, corpus, k=3)
        assert torch.equal(scores, expected[0])
        assert torch.equal(indices, expected[1])
    assert indices[0, 0] == 2


MEMORY = """
import re, sys, threading, time
import numpy as np, torch
import bertutil

def own():  # MiB; the pages of a map do not count
    return int(re.search(r"RssAnon:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024

path, n_rows, n_queries = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(1)
queries = torch.randn(n_queries, 384)
bertutil.search(queries[:1], np.ones((9, 384), dtype=np.float32), k=3)
vectors = np.memmap(path, dtype=np.float32, mode="r", shape=(n_rows, 384))
peak = before = own()
done = threading.Event()

def sample():
    global peak
    while not done.is_set():
        peak = max(peak, own())
        time.sleep(0.001)

thread = threading.Thread(target=sample)
thread.start()
bertutil.search(queries, vectors, k=10)
done.set()
thread.join()
print(peak - before)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="the memory is read from /proc")
@pytest.mark.parametrize("n_queries", [1, 2000])
def test_a_memory_map_is_searched_in_memory_that_does_not_grow_with_it(tmp_path, n_queries):
    path, n_rows = tmp_path / "vectors", 65_000 if n_queries == 1 else 12_500
    np.random.default_rng(0).standard_normal((n_rows, 384), dtype=np.float32).tofile(path)
    command = [sys.executable, "-c", MEMORY, str(path), str(n_rows), str(n_queries)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    print(f"{path.stat().st_size / 2**20:.0f} MiB, {n_queries} queries: {done.stdout.strip()} MiB more memory")
    assert float(done.stdout) < 80  # the one file has 95 MiB, and with the other the scores of all queries


def test_search_without_queries_finds_nothing():
    scores, indices = bertutil.search(torch.ones(0, 2), torch.ones(3, 2), k=2)
    assert scores.shape == indices.shape == (0, 2)


def test_removing_the_mean_centres_the_vectors_and_leaves_nan_rows_out():
    vectors = torch.tensor([[1.0, 2.0], [NAN, NAN], [3.0, 6.0]])
    assert_close(bertutil.remove_mean(vectors), torch.tensor([[-1.0, -2.0], [NAN, NAN], [1.0, 2.0]]), equal_nan=True)


def test_a_mean_from_elsewhere_is_subtracted_in_any_number_of_dimensions():
    vectors = torch.randn(2, 3, 4)
    mean = torch.randn(4)
    assert torch.equal(bertutil.remove_mean(vectors, mean), vectors - mean)
    with pytest.raises(ValueError, match=r"shape \[3\], the vectors have 4"):
        bertutil.remove_mean(vectors, torch.ones(3))


@pytest.mark.filterwarnings("error")
def test_vectors_and_their_mean_may_be_arrays():
    vectors = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    for mean in (vectors.mean(axis=0), None):
        assert_close(bertutil.remove_mean(vectors, mean), torch.from_numpy(vectors - vectors.mean(axis=0)))


def test_the_baseline_is_the_mean_cosine_of_different_rows():
    vectors = torch.randn(40, 16, generator=torch.Generator().manual_seed(0)) + 1
    cosines = bertutil.cosine_similarity(vectors)
    off_diagonal = cosines[~torch.eye(40, dtype=bool)]
    assert abs(bertutil.random_pair_baseline(vectors, n=50_000) - float(off_diagonal.mean())) < 0.01
    assert bertutil.random_pair_baseline(vectors[:2], n=10) == pytest.approx(float(cosines[0, 1]), abs=1e-6)


def test_the_baseline_is_repeatable_and_follows_its_seed():
    vectors = torch.randn(40, 16)
    assert bertutil.random_pair_baseline(vectors) == bertutil.random_pair_baseline(vectors)
    assert bertutil.random_pair_baseline(vectors, seed=1) != bertutil.random_pair_baseline(vectors)


def test_a_baseline_of_one_vector_is_refused():
    with pytest.raises(ValueError, match="two vectors at least"):
        bertutil.random_pair_baseline(torch.ones(1, 4))


def test_self_similarity_is_the_mean_cosine_of_different_rows():
    vectors = torch.randn(7, 5)
    cosines = bertutil.cosine_similarity(vectors)
    expected = cosines[~torch.eye(7, dtype=bool)].mean()
    assert bertutil.self_similarity(vectors) == pytest.approx(float(expected), abs=1e-5)
    with pytest.raises(ValueError, match="it takes two at least"):
        bertutil.self_similarity(vectors[:1])


@pytest.mark.filterwarnings("error")
def test_a_read_only_array_such_as_a_memory_map_is_searched_without_a_warning():
    corpus = np.eye(3, dtype=np.float32)
    corpus.flags.writeable = False
    assert bertutil.search(corpus[1], corpus, k=1)[1].tolist() == [[1]]
