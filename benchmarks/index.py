"""What an approximate index finds, takes and saves: 200,000 vectors of real sentences, exact search beside it.

python benchmarks/index.py             measure (a quarter of an hour on one core), then the report
python benchmarks/index.py --report    the report alone: benchmarks/index.md

The texts are sentences of the docstrings of Python's standard library and of the packages of this environment:
different, written by many hands, about one field. They are not shipped, and another environment has others. 20,000 of
them give 200,000 vectors: each is the mean over a run of at least four neighbouring words, as in chapter 14, so that
some ten vectors come from one sentence, which makes neighbourhoods that are tighter than in most collections. Queries
are 300 whole sentences that are not in the index. Random vectors stand beside them, a quarter as many, because an
index is often measured on those: they have no neighbourhoods at all, which no collection of texts resembles. A graph
of float32 is left out: it finds what one of float16 finds, and takes twice the time and the bytes (chapter 14).
"""

import argparse
import ast
import json
import random
import re
import sysconfig
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import usearch
from usearch.index import Index, search

import bertutil
from benchmarks.run import machine

HERE = Path(__file__).parent
RESULTS = HERE / "index.json"
SENTENCES, VECTORS, QUERIES, K, ROUNDS = 20_000, 200_000, 300, 10, 3
BEAMS = (10, 40, 160, 320)
DTYPES = {"f16": "float16", "i8": "int8", "b1": "1 bit"}
SENTENCE_ENDS = re.compile(r"(?<=[.!?:])\s+")


def is_prose(sentence: str) -> bool:
    """Whether it has 4 to 16 words, a letter at its beginning, and hardly anything but letters."""
    letters = sum(c.isalpha() or c.isspace() for c in sentence)
    return 4 <= len(sentence.split()) <= 16 and sentence[0].isalpha() and letters >= 0.9 * len(sentence)


def docstring_sentences(file: Path) -> Iterator[str]:
    """The sentences of a module's docstrings that are prose; none where it cannot be read as Python."""
    try:
        with warnings.catch_warnings():  # what other people's strings escape is not ours to mend
            warnings.simplefilter("ignore")
            tree = ast.parse(file.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError, RecursionError, OSError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            for paragraph in re.split(r"\n\s*\n", ast.get_docstring(node) or ""):
                yield from filter(is_prose, SENTENCE_ENDS.split(" ".join(paragraph.split())))


def collect(files: list[Path], n: int) -> list[str]:
    """`n` different sentences of files taken in a random order; ValueError where all of them have fewer."""
    draw, found = random.Random(0), dict[str, None]()
    for file in draw.sample(files, len(files)):
        found |= dict.fromkeys(docstring_sentences(file))
        if len(found) >= n:
            return draw.sample(list(found), n)
    raise ValueError(f"these {len(files):,} files have {len(found):,} different sentences, fewer than {n:,}")


def parts(words: list[np.ndarray], n: int) -> np.ndarray:
    """`n` means over runs of four neighbouring words or more; `words` has an array of vectors for each text."""
    lengths = [len(rows) for rows in words]
    runs = [(i, a, b) for i, size in enumerate(lengths) for a in range(size) for b in range(a + 4, size + 1)]
    if len(runs) < n:
        raise ValueError(f"{len(words):,} texts have {len(runs):,} runs of four words or more, fewer than {n:,}")
    return np.stack([words[i][a:b].mean(axis=0) for i, a, b in random.Random(0).sample(runs, n)])


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors of length 1, float32."""
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def recall(found: np.ndarray, exact: np.ndarray) -> float:
    """The share of each query's exact neighbours that were found, over all queries."""
    return float(np.mean([np.isin(right, row).mean() for row, right in zip(found, exact, strict=True)]))


def to_bits(vectors: np.ndarray, middle: np.ndarray) -> np.ndarray:
    """One bit a feature: above the collection's mean or not, eight in a byte."""
    return np.packbits(vectors > middle, axis=1)


def build(vectors: np.ndarray, dtype: str) -> Index:
    """A graph over the vectors, built by one thread."""
    bits = dtype == "b1"
    size = vectors.shape[1] * (8 if bits else 1)
    index = Index(ndim=size, metric="hamming" if bits else "ip", dtype=dtype, connectivity=16, expansion_add=64)
    index.add(np.arange(len(vectors)), vectors, threads=1)
    return index


def timed(find: Any, queries: np.ndarray, **options: Any) -> tuple[np.ndarray, float]:
    """The keys that a search finds, and the CPU milliseconds a query: one thread, the median of some rounds."""
    seconds = []
    for _ in range(ROUNDS):
        start = time.process_time()
        keys = find(queries, K, threads=1, **options).keys
        seconds.append(time.process_time() - start)
    return keys, 1000 * float(np.median(seconds)) / len(queries)


def measure(vectors: np.ndarray, queries: np.ndarray, dtypes: list[str]) -> list[dict[str, Any]]:
    """A row for exact search, and one for each precision and beam."""

    def look_at_all(asked: np.ndarray, k: int, **options: Any) -> Any:
        return search(vectors, asked, k, metric="ip", exact=True, **options)

    exact, took = timed(look_at_all, queries)
    rows = [{"way": "exact, float32", "beam": None, "recall": 1.0, "ms": took, "bytes": 4 * vectors.shape[1]}]
    middle = vectors.mean(axis=0)
    for dtype in dtypes:
        held, asked = (to_bits(part, middle) if dtype == "b1" else part for part in (vectors, queries))
        start = time.process_time()
        index = build(held, dtype)
        fixed = {"bytes": index.serialized_length / len(vectors), "build": time.process_time() - start}
        for beam in BEAMS:
            index.expansion_search = beam
            keys, took = timed(index.search, asked)
            row = {"way": f"graph, {DTYPES[dtype]}", "beam": beam, "recall": recall(keys, exact), "ms": took}
            rows.append(row | fixed)
    return rows


def run() -> dict[str, Any]:
    """Collect, embed and measure."""
    paths = sysconfig.get_paths()
    files = [file for name in ("stdlib", "purelib") for file in sorted(Path(paths[name]).rglob("*.py"))]
    texts = collect(files, SENTENCES + QUERIES)
    bert = bertutil.load("minilm")
    words = bertutil.embed(bert, texts[QUERIES:], unit="word", strategy="last")
    vectors = unit(parts(words, VECTORS))
    queries = unit(bertutil.embed(bert, texts[:QUERIES]))
    draw = np.random.default_rng(0)
    noise, noise_asked = (unit(draw.standard_normal(part.shape)) for part in (vectors[: VECTORS // 4], queries))
    return {
        "machine": machine(),
        "usearch": usearch.__version__,
        "collections": {
            f"{VECTORS:,} parts of sentences": measure(vectors, queries, list(DTYPES)),
            f"{VECTORS // 4:,} random vectors": measure(noise, noise_asked, ["f16"]),
        },
    }


def report(results: dict[str, Any]) -> str:
    """The page of the results."""
    lines = [
        "# What does an index find, take and save?",
        "",
        f"Made by `python benchmarks/index.py`. {VECTORS:,} vectors of minilm: means over runs of four words or more "
        f"in {SENTENCES:,} sentences from the docstrings of one Python environment, some ten from each sentence; "
        f"{QUERIES:,} other sentences as queries. So neighbourhoods are tighter than in most collections, and random "
        "vectors have none at all: measure on your own. "
        f"Machine: {results['machine']}; usearch {results['usearch']}; CPU time of one thread.",
        "",
        f"Recall: the share of the {K} nearest vectors, found by exact search in float32, that are found; mean over "
        "the queries. Bytes: those of the file, for each vector, links included.",
    ]
    for name, rows in results["collections"].items():
        lines += ["", f"## {name}", ""]
        lines += [
            "| way | beam | recall | ms a query | bytes a vector | seconds to build |",
            "|---|---|---|---|---|---|",
        ]
        for row in rows:
            built = f"{row['build']:.0f}" if "build" in row else "-"
            cells = [row["way"], row["beam"] or "-", f"{row['recall']:.3f}", f"{row['ms']:.2f}"]
            lines.append("| " + " | ".join(map(str, [*cells, f"{row['bytes']:,.0f}", built])) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--report", action="store_true")
    if not parser.parse_args().report:
        RESULTS.write_text(json.dumps(run(), indent=1) + "\n", encoding="utf-8")
    page = report(json.loads(RESULTS.read_text(encoding="utf-8")))
    (HERE / "index.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
