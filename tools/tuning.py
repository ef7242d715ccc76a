"""Tune vectors on the help centre in several ways and with several seeds, for chapter 12: `python tools/tuning.py`.

It writes tuning_NAME.json into bertutil/course/datasets, for the default checkpoint or another one (`--model NAME`),
after each run; runs that the file has for this very checkpoint already are kept, so it can go on after a stop.
`--again` begins anew. The default checkpoint takes some twenty minutes of one processor core.
"""

import argparse
import datetime
import json
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import bertutil
from bertutil.corpus import checkpoint_digest
from bertutil.course import datasets, tuning
from bertutil.course.labels import label

FOLDER = Path(datasets.__file__).parent
LEARNING_RATE = 3e-5


class Variant(NamedTuple):
    """A way of tuning: how often (the seeds 0 to n - 1), the pairs for a checkpoint and a seed, and settings."""

    seeds: int
    pairs: Callable[[bertutil.Bert, int], tuning.Pairs]
    settings: Mapping[str, Any] = MappingProxyType({})


def few(n: int) -> Variant:
    """Only `n` of the queries' pairs, and other ones for each seed."""
    return Variant(2, lambda bert, seed: tuning.drawn(tuning.query_pairs(), n, seed), {"epochs": 8})


VARIANTS = {
    "titles": Variant(3, lambda bert, seed: tuning.title_pairs()),
    "queries": Variant(3, lambda bert, seed: tuning.query_pairs(), {"epochs": 8}),
    "titles, other half": Variant(2, lambda bert, seed: tuning.title_pairs("report")),
    "queries, other half": Variant(2, lambda bert, seed: tuning.query_pairs("report"), {"epochs": 8}),
    "titles, shuffled": Variant(2, lambda bert, seed: tuning.shuffled(tuning.title_pairs(), seed)),
    "queries, shuffled": Variant(2, lambda bert, seed: tuning.shuffled(tuning.query_pairs(), seed), {"epochs": 8}),
    "hard negatives": Variant(
        2, lambda bert, seed: tuning.with_hard_negatives(bert, tuning.query_pairs()), {"epochs": 8}
    ),
    "10 queries": few(10),
    "20 queries": few(20),
    "40 queries": few(40),
    "all titles": Variant(1, lambda bert, seed: tuning.title_pairs("all")),
    "titles, ten times the rate": Variant(
        1, lambda bert, seed: tuning.title_pairs(), {"learning_rate": 10 * LEARNING_RATE}
    ),
}


def run(bert: bertutil.Bert, variant: Variant, seed: int, layers: int | None = None) -> dict[str, Any]:
    """Tune with one seed, and measure."""
    settings = {"learning_rate": LEARNING_RATE, **variant.settings}
    tuned = bertutil.train_vectors(bert, variant.pairs(bert, seed), seed=seed, layers=layers, **settings)
    return in_figures(tuning.measure(tuned))


def in_figures(measured: tuning.Measured) -> dict[str, Any]:
    """Four digits are enough, and keep the file small."""
    return {
        "help": [round(float(value), 4) for value in measured.help],
        "questions": [round(float(value), 4) for value in measured.questions],
        "pairs": round(measured.pairs, 4),
        "senses": round(measured.senses, 4),
    }


def main(arguments: list[str] | None = None) -> int:
    """Write the file, run by run: first seed 0 of all variants, then seed 1, and so on."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="name of a checkpoint; default: the bundled one")
    parser.add_argument("--into", type=Path, default=FOLDER, help="the folder to write to")
    parser.add_argument("--again", action="store_true", help="forget the runs that are stored")
    options = parser.parse_args(arguments)
    bert = bertutil.load(options.model)
    file, digest = options.into / f"tuning_{label(bert)}.json", checkpoint_digest(bert)
    known = json.loads(file.read_text(encoding="utf-8")) if file.exists() and not options.again else {}
    runs = known["runs"] if known.get("digest") == digest else {}
    layers = None if bert.n_layers <= 6 else bert.n_layers // 4  # as in chapter 11
    for seed in range(max(variant.seeds for variant in VARIANTS.values())):
        for name, variant in VARIANTS.items():
            if seed >= variant.seeds or len(runs.setdefault(name, [])) > seed:
                continue
            runs[name].append(run(bert, variant, seed, layers))
            record = {
                "checkpoint": label(bert),
                "digest": digest,
                "versions": {package: version(package) for package in ("torch", "transformers")},
                "date": datetime.date.today().isoformat(),
                "runs": runs,
            }
            file.write_text(
                json.dumps(record, separators=(",", ":")).replace("]},", "]},\n") + "\n", encoding="utf-8"
            )
            print(f"{name}, seed {seed}", flush=True)
    print(file)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
