"""Chapter 1: what the folder of a checkpoint says of itself; it is read so, or refused with the reason."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from transformers import AutoTokenizer, BertConfig, BertModel, BertTokenizer


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

# Poolings as sentence-transformers' settings name them since version 5, in its order; before, each was a yes or no
_POOLING = ["cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"]
_YES_OR_NO = ["cls_token", "max_tokens", "mean_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken"]
_HOW = {("cls",): "cls", ("max",): "max", ("mean",): "mean", ("lasttoken",): "last", ("mean", "max"): "mean_max"}
_SIZES = "vocab_size hidden_size num_hidden_layers num_attention_heads intermediate_size max_position_embeddings"
# What a call returns, how it spares memory, and what load() is told: none of it changes a vector
_IGNORED = "output_attentions output_hidden_states return_dict torchscript dtype torch_dtype chunk_size_feed_forward"
# Parts of the model that stand on top of it, and what old versions of the library saved beside the weights
_HEADS = re.compile(r"(cls|classifier|qa_outputs|lm_head|score|crf)\.|(\w+\.)?embeddings\.(position|token_type)_ids$")
# Classes that cut words into pieces as BERT's does, and those that leave everything to tokenizer.json
_TOKENIZERS = ["BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer", "PreTrainedTokenizer", "TokenizersBackend"]
# Texts on which tokenizers differ: case, accents, scripts, controls. "|" stands between two words that touch.
_PROBES = (
    "The Naïve Café|, THE BANK|. İSTANBUL don't 3,141.59|%",
    "東|京|大|学 は 한국어 Привет Ελλάδα हिन्दी เมือง",
    "ﬁn ½ e\u0301 a\u200bb x\u00adlong Straße ☃ 🙂",
    "w" * 99 + " " + "ab" * 101,
)


def read_json(file: Path, kind: type = dict) -> Any:
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


def sentence_modules(folder: Path) -> list[tuple[str, Path]]:
    """Kind and folder of each module, where sentence-transformers wrote the folder; else an empty list."""
    listed = read_json(folder / "modules.json", list) or []
    try:
        if any(Path(each["path"]).is_absolute() or ".." in Path(each["path"]).parts for each in listed):
            raise TypeError("a path out of the folder")
        return [(re.sub(r"^sentence_transformers\..*\.", "", each["type"]), folder / each["path"]) for each in listed]
    except (KeyError, TypeError) as error:
        raise ValueError(f"{folder / 'modules.json'} describes no modules; download or write it again") from error


def sentence_recipe(name: str, root: Path, modules: list[tuple[str, Path]], config: dict[str, Any]) -> SentenceRecipe:
    """How sentence-transformers makes sentence vectors of this folder; refused where bertutil cannot."""
    kinds, paths = zip(*modules, strict=True)
    known = kinds[:2] == ("Transformer", "Pooling") and kinds[2:] in ((), ("Normalize",))
    settings = read_json(paths[0] / "sentence_bert_config.json") or {}
    pooling = (read_json(paths[1] / "config.json") or {}) if known else {}
    problem = ""
    try:
        old = [new for new, key in zip(_POOLING, _YES_OR_NO, strict=True) if pooling.get(f"pooling_mode_{key}")]
        modes = pooling.get("pooling_mode") or old
        modes = (modes,) if isinstance(modes, str) else tuple(modes or ["mean"])
        how = "mean" if modes == ("mean_sqrt_len_tokens",) and "Normalize" in kinds else _HOW.get(modes)
        prompts = (read_json(root / "config_sentence_transformers.json") or {}).get("prompts") or {}
        prompts = [key for key, prompt in prompts.items() if prompt]
        outputs = settings.get("modality_config") or {"text": {"method_output_name": "last_hidden_state"}}
        if not known:
            known_ones = "bertutil knows Transformer, Pooling and Normalize, in this order"
            problem = f"the modules {', '.join(kinds)} ({known_ones})"
        elif how is None or not pooling:
            problem = f"the pooling {', '.join(modes) if pooling else 'that no config.json describes'}"
        elif prompts:
            problem = f"prompts before the texts ({', '.join(prompts)})"
        elif outputs["text"]["method_output_name"] != "last_hidden_state":
            problem = f"{outputs['text']['method_output_name']}, another output of the model than its last state"
    except (AttributeError, KeyError, TypeError) as error:
        problem = f"settings that cannot be read ({error!r})"
    if problem:
        raise ValueError(
            f"{name}: sentence-transformers makes the vectors of {root} with {problem}, which bertutil cannot; use "
            "that library, or remove modules.json to have the vectors of the BERT in it alone"
        )
    tokenizer = read_json(paths[0] / "tokenizer_config.json") or {}
    lengths = settings.get("max_seq_length"), tokenizer.get("model_max_length"), config.get("max_position_embeddings")
    given = [length for length in lengths if isinstance(length, int)]
    return SentenceRecipe("last", str(how), True, "Normalize" in kinds, min(given, default=None))


def sentence_files(name: str, sentence: SentenceRecipe, features: int) -> dict[str, Any]:
    """What sentence-transformers reads of how sentence vectors are made, by file; none for what suits a plain BERT.

    The settings are written as that library did from its second version on, "mean_max" aside. Refuses what they have
    no words for.
    """
    if sentence == PLAIN:
        return {}
    modes = next((modes for modes, how in _HOW.items() if how == sentence.how), None)
    if sentence.strategy != "last" or not sentence.specials or modes is None:
        raise ValueError(
            f"{name}: its sentence vectors are made with {sentence}, and a folder has no words for that. It can say "
            f"'last' with specials=True, pooled as {', '.join(map(repr, _HOW.values()))}, or nothing, which is a "
            "plain BERT; give it such a recipe: dataclasses.replace(bert, sentence=SentenceRecipe(...))"
        )
    pooling: dict[str, Any] = {"word_embedding_dimension": features}
    if len(modes) == 1:
        pooling |= {f"pooling_mode_{old}": mode in modes for mode, old in zip(_POOLING, _YES_OR_NO, strict=True)}
    else:
        pooling["pooling_mode"] = list(modes)
    modules = {"Transformer": "", "Pooling": "1_Pooling"} | (
        {"Normalize": "2_Normalize"} if sentence.normalize else {}
    )
    listed = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (kind, path) in enumerate(modules.items())
    ]
    length = {"max_seq_length": sentence.length, "do_lower_case": False}  # the tokenizer has its own word on case
    return {"modules.json": listed, "1_Pooling/config.json": pooling, "sentence_bert_config.json": length}


def read_config(name: str, folder: Path) -> dict[str, Any]:
    """The configuration in a folder; refused where it is that of no BERT as bertutil computes it."""
    config: dict[str, Any] | None = read_json(folder / "config.json")
    if config is None:
        raise ValueError(
            f"{name}: the folder {folder} holds no checkpoint: there is no config.json. "
            "Give the folder that model.save_pretrained() and tokenizer.save_pretrained() wrote to."
        )
    if problem := _config_problem(folder, config):
        raise ValueError(f"{name}: the model in {folder} {problem}")
    return config


def _config_problem(folder: Path, config: Mapping[str, Any]) -> str:
    """What the configuration says that is no BERT as bertutil computes it; "" where there is nothing."""
    kind, classes = config.get("model_type", "bert"), config.get("architectures") or ["BertModel"]
    classes = [str(each) for each in (classes if isinstance(classes, list) else [classes])]
    if kind != "bert" or not all(each.startswith("Bert") for each in classes):
        return f"is of type {kind!r}, and bertutil reads 'bert' only (its class: {', '.join(classes)})"
    if "auto_map" in config:
        return "needs code of its own ('auto_map' in its config.json), which bertutil does not run"
    if config.get("quantization_config"):
        return "has quantized weights ('quantization_config' in its config.json); give the folder in full precision"
    positions = config.get("position_embedding_type", "absolute")
    if positions not in (None, "absolute"):
        return f"has positions of the type {positions!r}, and bertutil computes 'absolute' ones only"
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


def read_model(name: str, folder: Path, config: Mapping[str, Any], dtype: torch.dtype, attention: str) -> BertModel:
    """The model that the configuration describes, with the weights in the folder; refused where they do not fit."""
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
    if problem := _weights_problem(report):
        raise ValueError(f"{name}: the weights in {folder} {problem}")
    if report["missing_keys"]:  # a checkpoint saved without a pooler: better none than a random one
        model.pooler = None
    if not all(parameter.isfinite().all() for parameter in model.parameters()):
        raise ValueError(f"{name}: among the weights in {folder} are NaN or infinite ones; download it again")
    return model


def _weights_problem(report: Mapping[str, Any]) -> str:
    """In what the weights are not those that the configuration describes, heads aside; "" where they are."""
    if report["mismatched_keys"]:
        first = min(map(str, report["mismatched_keys"]))
        return f"have other shapes than its config.json says, among them {first}; take both from the same checkpoint"
    missing = sorted(report["missing_keys"])
    if any(not key.startswith("pooler.") for key in missing):
        return f"are not a BertModel's; missing are {missing[:3]} ..."
    extra = sorted(key for key in report["unexpected_keys"] if not _HEADS.match(key))
    if extra or report["error_msgs"]:
        return (
            f"hold {len(extra)} more than the BertModel of its config.json has a place for: "
            f"{', '.join([*extra[:3], *report['error_msgs']])} ...; without them the vectors would be another "
            "model's. Take both from the same checkpoint, of BERT's own architecture."
        )
    return ""


def read_tokenizer(name: str, folder: Path, config: Mapping[str, Any]) -> BertTokenizer:
    """The tokenizer that the folder describes, where encode() can do what it does; refused where it cannot."""
    file = folder / "tokenizer.json"
    if not any(each.exists() for each in (file, folder / "vocab.txt")):
        raise ValueError(
            f"{name}: the folder {folder} holds no tokenizer: there is neither tokenizer.json nor vocab.txt. "
            "Write one with tokenizer.save_pretrained(folder)."
        )
    settings = read_json(folder / "tokenizer_config.json") or {}
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
        known |= listed | (read_json(folder / "added_tokens.json") or {})
    for token in (tokenizer.cls_token, tokenizer.sep_token, tokenizer.pad_token, tokenizer.unk_token):
        if token not in known:
            return f"has no {token or 'token for [CLS], [SEP], [PAD] or [UNK]'} in its vocabulary"
    capital, _ = _capitals(known)
    lowers = backend.normalizer is not None and backend.normalizer.normalize_str("A") == "a"
    if not lowers and (read_json(folder / "sentence_bert_config.json") or {}).get("do_lower_case"):
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
