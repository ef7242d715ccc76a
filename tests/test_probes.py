"""Small classifiers on frozen vectors."""

import pytest
import torch

from bertutil import probes


def test_neighbour_accuracy_counts_the_rows_whose_nearest_other_row_has_their_label():
    vectors = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0], [1.0, 0.05]])
    assert probes.neighbour_accuracy(vectors, ["a", "a", "b", "b", "a"]) == 1
    assert probes.neighbour_accuracy(vectors, ["a", "b", "b", "b", "a"]) == 0.6


def test_a_row_is_not_its_own_neighbour():
    vectors = torch.eye(4) + 0.01
    assert probes.neighbour_accuracy(vectors, ["a", "b", "b", "a"]) < 1


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
    vectors[2] = float("nan")
    with pytest.raises(ValueError, match="row 2 has NaN"):
        probes.neighbour_accuracy(vectors, ["a", "a", "b", "b"])
