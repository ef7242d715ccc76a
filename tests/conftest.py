"""The checkpoints the tests run on."""

import pytest
import torch
from transformers import BertConfig, BertModel

import bertutil


def pytest_collection_modifyitems(items):
    """Property tests run without coverage, with which they take half as long again; the others reach the bar."""
    for item in items:
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
