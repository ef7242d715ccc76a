"""cosine_similarity(), search(), remove_mean() and random_pair_baseline()."""

import os
import subprocess
import sys
from types import SimpleNamespace
from unittest import mock

import numpy as np
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


def test_a_vector_too_short_for_the_precision_is_a_zero_vector():
    short = np.full((1, 2), 1e-30)
    with pytest.raises(ValueError, match="row 0 of a is a zero vector"):
        bertutil.cosine_similarity(short.astype(np.float32))
    assert bertutil.cosine_similarity(short).item() == pytest.approx(1)


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
