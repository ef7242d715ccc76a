"""How sure one can be of a score: the bootstrap, differences on the same rows, and Wilson's interval."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bertutil.intervals import bootstrap, bootstrap_interval, paired_difference, wilson_interval
from bertutil.probes import f1

NAN = float("nan")
drawn_again = settings(max_examples=50, deadline=None)  # many draws each, on a machine that may be busy
COUNTS = np.array([[1, 1, 1], [0, 1, 1], [2, 3, 2], [0, 0, 1]] * 10)
numbers = st.lists(st.integers(-50, 50), min_size=1, max_size=12)
two_columns = st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=1, max_size=12).map(
    lambda rows: np.array(rows, dtype=float).T
)


def correlation(one, other):
    return np.corrcoef(one, other)[0, 1]


def weighted_mean(values, weights):
    return float(np.average(values, weights=weights))


def simulated(seed, n=60):
    """Two columns of which one row is as hard for both."""
    draw = np.random.default_rng(seed)
    common = draw.normal(size=n)
    return common + draw.normal(scale=0.6, size=n), common + draw.normal(scale=0.6, size=n) + 0.2


class TestBootstrap:
    def test_two_calls_draw_the_same_rows(self):
        values = np.arange(20.0)
        scores = bootstrap(np.mean, values)
        assert len(scores) == 1000
        assert len(set(scores)) > 100
        assert bootstrap(np.mean, 10 * values) == pytest.approx(10 * scores)

    def test_all_columns_are_drawn_alike(self):
        rows = np.arange(30)
        assert (bootstrap(lambda a, b: np.array_equal(a, b), rows, rows) == 1).all()

    def test_a_draw_has_as_many_rows_as_there_are_and_any_row_can_come_at_any_place(self):
        drawn = []
        bootstrap(lambda rows: drawn.append(rows.tolist()) or 0, np.arange(4), n=200)
        assert {len(rows) for rows in drawn} == {4}
        assert [set(place) for place in zip(*drawn, strict=True)] == [{0, 1, 2, 3}] * 4
        assert any(len(set(rows)) < 4 for rows in drawn)

    def test_the_first_draws_are_those_that_the_committed_notebooks_have(self):
        draws = np.random.default_rng(5).integers(7, size=(3, 7))
        assert (
            bootstrap(lambda rows: rows @ 8.0 ** np.arange(7), np.arange(7), n=3, seed=5).tolist()
            == (draws @ 8.0 ** np.arange(7)).tolist()
        )

    def test_the_spread_of_the_scores_is_scipys(self):
        columns = simulated(1)
        theirs = stats.bootstrap(columns, correlation, paired=True, n_resamples=4000, vectorized=False, rng=2)
        assert bootstrap(correlation, *columns, n=4000).std() == pytest.approx(theirs.standard_error, rel=0.05)

    @pytest.mark.parametrize("columns", [([1, 2], [1]), ([],), ()])
    def test_columns_that_do_not_fit_are_refused(self, columns):
        with pytest.raises(ValueError, match="the same number, one at least"):
            bootstrap(lambda *_: 0.0, *columns)


class TestBootstrapInterval:
    @pytest.mark.parametrize("level", [0.5, 0.95])
    @pytest.mark.parametrize("score", [correlation, lambda a, b: np.median(a - b), lambda a, b: a.mean() / b.std()])
    def test_it_is_scipys_percentile_interval(self, score, level):
        columns = simulated(3)
        options = {"paired": True, "method": "percentile", "vectorized": False, "confidence_level": level}
        theirs = stats.bootstrap(columns, score, n_resamples=6000, rng=1, **options)
        ours = bootstrap_interval(score, *columns, n=6000, level=level)
        assert ours == pytest.approx(tuple(theirs.confidence_interval), abs=0.15 * theirs.standard_error)

    def test_that_of_a_mean_is_the_one_of_the_textbook(self):
        values = np.random.default_rng(0).normal(3, 2, size=400)
        low, high = bootstrap_interval(np.mean, values, n=4000)
        error = 1.96 * values.std() / 20
        assert (low, high) == pytest.approx((values.mean() - error, values.mean() + error), abs=0.015)

    def test_it_covers_the_truth_about_as_often_as_it_says(self):
        samples = np.random.default_rng(1).normal(0, 1, size=(200, 60))
        for level, lowest, highest in ((0.95, 0.9, 0.98), (0.6, 0.52, 0.67)):
            intervals = [bootstrap_interval(np.mean, sample, n=200, level=level) for sample in samples]
            assert lowest < np.mean([low < 0 < high for low, high in intervals]) < highest

    @given(numbers)
    @drawn_again
    def test_it_lies_between_the_smallest_and_the_largest_row_and_has_a_width_where_rows_differ(self, values):
        low, high = bootstrap_interval(np.mean, values, n=100)
        assert min(values) - 1e-9 <= low <= high <= max(values) + 1e-9
        assert (low < high) == (len(set(values)) > 1)

    @given(st.lists(st.integers(-50, 50), min_size=8, max_size=20))
    @drawn_again
    def test_it_holds_the_mean_of_rows_that_differ(self, values):
        low, high = bootstrap_interval(np.mean, values, n=100)
        assert low - 1e-9 <= np.mean(values) <= high + 1e-9

    @given(numbers, st.floats(0.01, 0.99), st.floats(0.01, 0.99))
    @drawn_again
    def test_a_higher_level_holds_that_of_a_lower_one(self, values, one, other):
        narrow, wide = (bootstrap_interval(np.mean, values, n=100, level=level) for level in sorted((one, other)))
        assert wide[0] <= narrow[0] <= narrow[1] <= wide[1]

    def test_it_takes_rows_of_counts_and_is_the_same_for_the_same_seed(self):
        low, high = bootstrap_interval(f1, COUNTS)
        assert 0 < low < f1(COUNTS) < high < 1
        assert (low, high) == bootstrap_interval(f1, COUNTS)
        assert (low, high) != bootstrap_interval(f1, COUNTS, seed=1)

    def test_both_ends_leave_the_same_share_of_the_draws_out(self):
        values = np.random.default_rng(0).normal(size=30)
        scores = bootstrap(np.mean, values)
        low, high = bootstrap_interval(np.mean, values, level=0.9)
        assert ((scores < low).sum(), (scores > high).sum()) == (50, 50)

    def test_draws_without_a_score_are_left_out(self):
        def mean_of_positive(x):
            return float(x[x > 0].mean()) if (x > 0).any() else NAN

        assert bootstrap_interval(mean_of_positive, [2.0, 0.0]) == (2, 2)

    @pytest.mark.parametrize("columns", [([1, 2], [1]), ([],), ()])
    def test_columns_that_do_not_fit_are_refused(self, columns):
        with pytest.raises(ValueError, match="the same number, one at least"):
            bootstrap_interval(lambda *_: 0.0, *columns)

    @pytest.mark.parametrize("options", [{"level": 0}, {"level": 1}, {"level": 95}, {"level": -0.5}, {"n": 0}])
    def test_levels_that_are_no_share_and_no_draws_at_all_are_refused(self, options):
        with pytest.raises(ValueError, match="level must lie between 0 and 1, and n must be 1 at least"):
            bootstrap_interval(np.mean, [1, 2], **options)


class TestPairedDifference:
    def test_for_numbers_it_is_the_mean_of_the_differences_and_its_interval_to_the_last_bit(self):
        one, other = simulated(4)
        expected = float(np.mean(one - other)), *bootstrap_interval(np.mean, one - other)
        assert paired_difference(one, other) == expected

    def test_with_a_score_it_is_the_difference_of_the_scores_on_the_same_draws_to_the_last_bit(self):
        other = COUNTS[::-1] * [0, 1, 1]
        drawn = bootstrap(f1, COUNTS) - bootstrap(f1, other)
        expected = f1(COUNTS) - f1(other), *np.quantile(drawn, [0.025, 0.975])
        assert paired_difference(COUNTS, other, score=f1) == expected

    def test_a_shared_column_goes_with_both(self):
        (one, other), weights = simulated(5), np.arange(60.0)
        found = paired_difference(one, other, weights, score=weighted_mean)
        drawn = bootstrap(weighted_mean, one, weights) - bootstrap(weighted_mean, other, weights)
        expected = weighted_mean(one, weights) - weighted_mean(other, weights)
        assert found == (expected, *np.quantile(drawn, [0.025, 0.975]))

    def test_it_is_scipys_interval_of_paired_samples(self):
        columns = simulated(6)
        options = {"paired": True, "method": "percentile", "vectorized": False, "n_resamples": 6000}
        theirs = stats.bootstrap(columns, lambda a, b: np.mean(a) - np.mean(b), rng=1, **options)
        _, *ends = paired_difference(*columns, n=6000)
        assert ends == pytest.approx(list(theirs.confidence_interval), abs=0.15 * theirs.standard_error)

    def test_it_is_narrower_than_the_two_intervals_where_a_row_is_as_hard_for_both(self):
        one, other = simulated(7)
        _, low, high = paired_difference(one, other)
        alone = sum(np.diff(bootstrap_interval(np.mean, column)) for column in (one, other))
        assert high - low < 0.6 * alone

    def test_it_covers_the_truth_about_as_often_as_it_says(self):
        found = [paired_difference(*simulated(seed), n=200) for seed in range(200)]
        assert 0.9 < np.mean([low < -0.2 < high for _, low, high in found]) < 0.98

    @given(st.one_of(numbers, st.lists(st.booleans(), min_size=1)))
    @drawn_again
    def test_a_column_is_by_exactly_0_ahead_of_itself(self, values):
        assert paired_difference(values, values, n=50) == (0, 0, 0)
        assert paired_difference(values, values, score=np.std, n=50) == (0, 0, 0)

    @given(two_columns, st.sampled_from([None, np.median]))
    @drawn_again
    def test_the_other_order_turns_the_sign(self, columns, score):
        ahead, low, high = paired_difference(*columns, score=score, n=100)
        assert paired_difference(*columns[::-1], score=score, n=100) == pytest.approx((-ahead, -high, -low))

    @given(two_columns, st.floats(0.01, 0.99), st.floats(0.01, 0.99))
    @drawn_again
    def test_a_higher_level_holds_that_of_a_lower_one(self, columns, one, other):
        narrow, wide = (paired_difference(*columns, n=50, level=level) for level in sorted((one, other)))
        assert wide[1] <= narrow[1] <= narrow[2] <= wide[2]

    def test_the_seed_settles_the_draws(self):
        columns = simulated(8)
        assert paired_difference(*columns, seed=1) == paired_difference(*columns, seed=1)
        assert paired_difference(*columns, seed=1) != paired_difference(*columns, seed=2)

    def test_right_and_wrong_answers_may_be_truth_values(self):
        ahead, low, high = paired_difference([True, True, False, True], [True, False, False, False])
        assert (ahead, low, high) == (0.5, 0, 1)

    @pytest.mark.parametrize(
        ("columns", "message"),
        [
            (([1, 2], [1]), "the same number, one at least"),
            (([], []), "the same number, one at least"),
            ((COUNTS, COUNTS), "or give a score"),
            (([1, 2], [1, 2], [1, 2]), "or give a score"),
            ((1, 2), "or give a score"),
        ],
    )
    def test_columns_that_do_not_fit_are_refused(self, columns, message):
        with pytest.raises(ValueError, match=message):
            paired_difference(*columns)

    @pytest.mark.parametrize("options", [{"level": 1}, {"n": 0}])
    def test_levels_that_are_no_share_and_no_draws_at_all_are_refused(self, options):
        with pytest.raises(ValueError, match="level must lie between 0 and 1, and n must be 1 at least"):
            paired_difference([1, 2], [1, 2], **options)


class TestWilsonInterval:
    def test_it_agrees_with_published_values(self):
        # Newcombe 1998 (Statistics in Medicine 17), table I, method 3
        assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
        assert wilson_interval(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
        assert wilson_interval(0, 20) == pytest.approx((0, 0.1611), abs=5e-5)
        assert wilson_interval(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)

    @given(
        st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
        st.sampled_from([1.0, 1.645, 1.96, 3.0]),
    )
    def test_it_is_scipys_for_the_same_z(self, tries, z):
        level = 2 * stats.norm.cdf(z) - 1
        theirs = stats.binomtest(*tries).proportion_ci(level, method="wilson")
        assert wilson_interval(*tries, z) == pytest.approx((theirs.low, theirs.high), abs=1e-12)

    def test_its_default_is_the_95_percent_interval(self):
        theirs = stats.binomtest(7, 30).proportion_ci(0.95, method="wilson")
        assert wilson_interval(7, 30) == pytest.approx((theirs.low, theirs.high), abs=1e-5)

    @given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
    def test_it_holds_the_share_and_mirrors(self, tries):
        right, n = tries
        low, high = wilson_interval(right, n)
        assert -1e-12 <= low <= right / n + 1e-12
        assert right / n - 1e-12 <= high <= 1 + 1e-12
        assert wilson_interval(n - right, n) == pytest.approx((1 - high, 1 - low))

    @pytest.mark.parametrize(("right", "n"), [(-1, 5), (6, 5), (0, 0)])
    def test_what_is_no_count_is_refused(self, right, n):
        with pytest.raises(ValueError, match="it takes one try at least"):
            wilson_interval(right, n)


def test_the_module_needs_numpy_only_and_its_shapes_hold():
    code = """
import sys
sys.modules |= dict.fromkeys(["torch", "scipy", "sklearn", "transformers", "pandas"])
from jaxtyping import install_import_hook
with install_import_hook("bertutil", "beartype.beartype"):
    from bertutil import intervals
print(len(intervals.bootstrap_interval(max, [1, 2])), intervals.paired_difference([2, 3], [1, 2]))
print(intervals.paired_difference(["b"], ["a"], ["c"], score=lambda one, both: len({*one, *both})))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("2 (1.0, 1.0, 1.0)\n(0.0, 0.0, 0.0)\n", 0), done.stderr[-2000:]
