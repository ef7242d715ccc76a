"""load(): the default from its package, the hub through a hub laid out on disk, any folder, and clear refusals."""

import json
import shutil
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from transformers import BertForMaskedLM, BertModel, BertTokenizer, DistilBertConfig, DistilBertModel
from transformers.utils import logging as transformers_logging

import bertutil
from bertutil import checkpoints

REVISION = bertutil.CATALOGUE["bert-base-uncased"].revision


@pytest.fixture
def no_network(monkeypatch):
    """Every attempt to connect fails, and is written down."""
    attempts = []

    def refuse(self, address):
        attempts.append(address)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    return attempts


@pytest.fixture
def folder(tiny_folder, tmp_path):
    """A copy of the tiny checkpoint, to be spoiled."""
    return Path(shutil.copytree(tiny_folder, tmp_path / "copy"))


@pytest.fixture
def hub_cache(tiny_folder, bert, tmp_path, monkeypatch):
    """The hub's cache folder with a stand-in for bert-base-uncased at its pinned revision."""
    snapshot = tmp_path / "hub" / "models--google-bert--bert-base-uncased" / "snapshots" / REVISION
    shutil.copytree(tiny_folder, snapshot)
    vocabulary = sorted(bert.tokenizer.get_vocab(), key=bert.tokenizer.get_vocab().get)
    (snapshot / "vocab.txt").write_text("".join(f"{token}\n" for token in vocabulary), encoding="utf-8")
    refs = snapshot.parents[1] / "refs"
    refs.mkdir()
    (refs / "main").write_text(REVISION)
    digests = {f: sha256((snapshot / f).read_bytes()).hexdigest() for f in ("model.safetensors", "vocab.txt")}
    entry = replace(bertutil.CATALOGUE["bert-base-uncased"], digests=digests)
    monkeypatch.setattr(checkpoints, "CATALOGUE", {**bertutil.CATALOGUE, "bert-base-uncased": entry})
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.file_download.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return snapshot


# The default


def test_the_default_is_minilm_from_its_package_without_any_network(no_network, monkeypatch):
    monkeypatch.delenv("BERTUTIL_MODEL", raising=False)
    bert = bertutil.load()
    assert (bert.name, bert.n_layers, bert.hidden_size, bert.max_length) == ("minilm", 6, 384, 512)
    assert len(bert.tokenizer) == 30_522
    assert no_network == []


def test_the_environment_variable_sets_the_default(monkeypatch, tiny_folder):
    monkeypatch.setenv("BERTUTIL_MODEL", str(tiny_folder))
    assert bertutil.load().name == str(tiny_folder)


def test_loading_is_silent(capfd):
    bertutil.load()
    assert capfd.readouterr() == ("", "")


def test_a_loaded_model_is_in_evaluation_mode_and_repeats_itself_bit_for_bit(bert):
    assert not bert.model.training
    encoding = bertutil.encode(bert, "the same twice")
    assert torch.equal(bertutil.hidden_states(bert, encoding), bertutil.hidden_states(bert, encoding))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_dtype_is_the_one_asked_for_whatever_the_files_hold(tiny, tmp_path, dtype):
    BertModel.from_pretrained(tiny.name, dtype=torch.float16).save_pretrained(tmp_path)
    tiny.tokenizer.save_pretrained(tmp_path)
    model = bertutil.load(tmp_path, dtype=dtype).model
    assert {parameter.dtype for parameter in model.parameters()} == {dtype}


def test_the_attention_is_the_one_asked_for(tiny_folder):
    assert bertutil.load(tiny_folder, attention="eager").model.config._attn_implementation == "eager"
    assert bertutil.load(tiny_folder).model.config._attn_implementation == "sdpa"


def test_the_fixed_padding_of_the_packaged_tokenizer_is_reset(bert):
    assert bert.tokenizer.backend_tokenizer.padding is None
    assert bert.tokenizer.backend_tokenizer.truncation is None


# Digests


def test_a_wrong_digest_is_refused(hub_cache):
    weights = hub_cache / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    with pytest.raises(ValueError, match=r"model\.safetensors is not the published file: its sha256 is .*install"):
        bertutil.load("bert-base-uncased")


def test_a_file_changed_after_it_was_found_good_is_checked_again(hub_cache):
    bertutil.load("bert-base-uncased")
    vocabulary = hub_cache / "vocab.txt"
    vocabulary.write_text(vocabulary.read_text(encoding="utf-8").replace("knight", "night"), encoding="utf-8")
    with pytest.raises(ValueError, match=r"vocab\.txt is not the published file"):
        bertutil.load("bert-base-uncased")


def test_a_tokenizer_with_another_vocabulary_than_the_published_one_is_refused(hub_cache):
    file = hub_cache / "tokenizer.json"
    changed = json.loads(file.read_text(encoding="utf-8"))
    vocabulary = changed["model"]["vocab"]
    vocabulary["knight"], vocabulary["lap"] = vocabulary["lap"], vocabulary["knight"]
    file.write_text(json.dumps(changed), encoding="utf-8")
    with pytest.raises(ValueError, match=r"another vocabulary in tokenizer\.json than in the vocab\.txt"):
        bertutil.load("bert-base-uncased")


def test_a_missing_file_is_named(hub_cache):
    with pytest.raises(ValueError, match=r"weights\.bin is missing"):
        checkpoints.verify_digest(hub_cache / "weights.bin", "0")


# The hub


def test_a_checkpoint_in_the_hubs_cache_needs_no_network(hub_cache, no_network):
    bert = bertutil.load("bert-base-uncased")
    assert (bert.name, bert.n_layers, len(bert.tokenizer)) == ("bert-base-uncased", 3, 30_522)
    assert no_network == []


def test_a_hub_that_cannot_be_reached_is_answered_with_the_ways_out(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ConnectionError, match=r"load\('minilm'\).*path/to/folder.*HF_HOME"):
        bertutil.load("bert-base-uncased")
    with pytest.raises(ConnectionError, match="could not be fetched from the hub as 'owner/name'"):
        bertutil.load("owner/name")


def test_a_hub_repository_without_a_config_is_no_bert(monkeypatch):
    def not_there(*_, **__):
        raise checkpoints.RemoteEntryNotFoundError("404", response=type("R", (), {"headers": {}, "request": None})())

    monkeypatch.setattr(checkpoints, "hf_hub_download", not_there)
    with pytest.raises(ValueError, match=r"has no config\.json"):
        bertutil.load("owner/name")


def test_without_its_package_minilm_comes_from_the_hub(monkeypatch):
    asked = []
    monkeypatch.setattr(checkpoints, "find_spec", lambda package: None)
    monkeypatch.setattr(checkpoints, "_download", lambda *arguments: asked.append(arguments) or Path("nowhere"))
    with pytest.raises(ValueError, match="holds no checkpoint"):
        bertutil.load("minilm")
    assert asked == [("minilm", "sentence-transformers/all-MiniLM-L6-v2", None)]


# Catalogue names go before folders


def test_a_folder_called_like_a_catalogue_name_is_given_with_its_path(folder, monkeypatch):
    monkeypatch.chdir(folder.rename(folder.parent / "minilm").parent)
    assert bertutil.load("minilm").n_layers == 6
    for name in ("./minilm", Path("minilm")):
        bert = bertutil.load(name)
        assert (bert.n_layers, bert.sentence) == (3, checkpoints.PLAIN)


def test_an_empty_folder_called_minilm_takes_nothings_place(tmp_path, monkeypatch):
    (tmp_path / "minilm").mkdir()
    monkeypatch.chdir(tmp_path)
    assert bertutil.load("minilm").hidden_size == 384
    with pytest.raises(ValueError, match=r"minilm holds no checkpoint: there is no config\.json"):
        bertutil.load("./minilm")


def test_loading_in_threads_leaves_logging_as_it_was(tiny_folder):
    before = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_warning()
    with ThreadPoolExecutor(4) as pool:
        assert {bert.n_layers for bert in pool.map(bertutil.load, [tiny_folder] * 8)} == {3}
    assert transformers_logging.get_verbosity() == transformers_logging.WARNING
    transformers_logging.set_verbosity(before)


# Folders


def test_any_folder_with_a_bert_can_be_loaded(tiny_folder):
    for name in (tiny_folder, str(tiny_folder)):
        bert = bertutil.load(name)
        assert (bert.name, bert.n_layers, bert.hidden_size) == (str(tiny_folder), 3, 32)


def test_a_folder_saved_from_another_bert_class_is_read_and_gets_no_random_pooler(tiny, tmp_path):
    BertForMaskedLM(tiny.model.config).save_pretrained(tmp_path)
    tiny.tokenizer.save_pretrained(tmp_path)
    bert = bertutil.load(tmp_path)
    assert bert.model.pooler is None
    assert bertutil.hidden_states(bert, bertutil.encode(bert, "fine")).isfinite().all()


def test_an_empty_folder_is_no_checkpoint(tmp_path):
    with pytest.raises(ValueError, match=r"there is no config\.json.*save_pretrained"):
        bertutil.load(tmp_path)


def test_a_folder_with_another_kind_of_model_is_refused_by_its_type(tmp_path):
    DistilBertModel(DistilBertConfig(dim=32, n_layers=1, n_heads=2, hidden_dim=32)).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="of type 'distilbert', and bertutil reads 'bert' only"):
        bertutil.load(tmp_path)


def test_a_folder_with_a_broken_config_is_refused(folder):
    for text, message in (("{", "cannot be read as JSON"), ("[]", "holds no settings")):
        (folder / "config.json").write_text(text)
        with pytest.raises(ValueError, match=message):
            bertutil.load(folder)


def test_a_folder_without_weights_is_refused(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(ValueError, match="no weights could be read"):
        bertutil.load(folder)


def test_a_folder_with_weights_cut_short_is_refused(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ValueError, match="no weights could be read"):
        bertutil.load(folder)


def test_a_folder_with_a_broken_pytorch_file_is_refused(folder):
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"no weights at all")
    with pytest.raises(ValueError, match="no weights could be read"):
        bertutil.load(folder)


def test_weights_of_other_shapes_than_the_config_says_are_refused(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"intermediate_size": 48}))
    with pytest.raises(ValueError, match=r"other shapes than its config\.json says.*\[64.*\[48"):
        bertutil.load(folder)


def test_a_folder_with_the_weights_of_something_else_is_refused(folder):
    from safetensors.torch import save_file

    save_file({"other.weight": torch.ones(2)}, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match="are not a BertModel's; missing are"):
        bertutil.load(folder)


def test_a_folder_without_a_tokenizer_is_refused(folder):
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ValueError, match=r"neither tokenizer\.json nor vocab\.txt"):
        bertutil.load(folder)


@pytest.mark.parametrize("text", ["{}", "no JSON"])
def test_a_folder_with_a_broken_tokenizer_is_refused(folder, text):
    (folder / "tokenizer.json").write_text(text)
    with pytest.raises(ValueError, match="no tokenizer could be read"):
        bertutil.load(folder)


def test_a_tokenizer_and_a_model_that_do_not_match_are_refused(folder, bert):
    BertTokenizer(vocab={"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4}).save_pretrained(folder)
    with pytest.raises(ValueError, match=r"the tokenizer knows 5 tokens.* 30,522 vectors"):
        bertutil.load(folder)


@pytest.mark.parametrize("name", ["minlm", "no/such/folder", "./nowhere", "C:\\\\models"])
def test_an_unknown_name_is_refused_with_the_known_ones(name):
    with pytest.raises(ValueError, match=r"unknown checkpoint .*minilm, bert-base-uncased.*folder.*hub id"):
        bertutil.load(name)


# Start-up


def run(code):
    """Run code in a fresh interpreter."""
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_importing_bertutil_loads_neither_torch_nor_transformers():
    code = "import sys, bertutil; print([m for m in ('torch', 'transformers', 'numpy') if m in sys.modules])"
    assert run(code) == "[]\n"


def test_every_public_name_can_be_reached_and_no_other():
    assert {name for name in bertutil.__all__ if not hasattr(bertutil, name)} == set()
    assert set(bertutil.__all__) <= set(dir(bertutil))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = bertutil.nonsense


def test_importing_bertutil_is_quick():
    code = (
        "import time; start = time.process_time(); import bertutil; bertutil.__version__; "
        "print(time.process_time() - start)"
    )
    assert float(run(code)) < 0.3
