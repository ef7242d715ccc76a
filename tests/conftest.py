"""The checkpoints the tests run on."""

import os

import pytest
import torch
from transformers import BertConfig, BertModel

import bertutil


def pytest_collection_modifyitems(items):
    """Property tests run without coverage, with which they take half as long again; the others reach the bar.

    What asserts seconds, which a busy machine cannot keep, is for the weekly check.
    """
    weekly = pytest.mark.skipif(
        not os.environ.get("BERTUTIL_WEEKLY"), reason="in the weekly check: BERTUTIL_WEEKLY=1"
    )
    for item in items:
        if item.get_closest_marker("weekly"):
            item.add_marker(weekly)
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.add_marker("no_cover")


@pytest.fixture(scope="session")
def bert():
    """The default checkpoint."""
    return bertutil.load("minilm")


@pytest.fixture(scope="session")
def tiny_folder(bert, tmp_path_factory):
    """A folder with a tiny random BertModel (3 layers, 32 features) and the real vocabulary."""
    folder = tmp_path_factory.mktemp("tiny")
    torch.manual_seed(0)
    config = BertConfig(hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=64)
    BertModel(config).save_pretrained(folder)
    bert.tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny(tiny_folder):
    """The tiny random checkpoint, for laws in which the weights do not matter."""
    return bertutil.load(tiny_folder)


@pytest.fixture(scope="session")
def bank_sentence():
    """The example sentence of the 2019 article."""
    return "After stealing money from the bank vault, the bank robber was seen fishing on the Mississippi river bank."
