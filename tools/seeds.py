"""Measure for the ledger what takes too long for its chapter: five seeds of what is trained, and random weights.

`python tools/seeds.py` writes seeds_minilm.json in bertutil/course/ledger; `--model NAME` takes another checkpoint.
`--check` measures again and says which verdicts differ from the file's (the weekly check does that).
"""

import argparse
import datetime
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import bertutil
from bertutil.corpus import checkpoint_digest
from bertutil.course.labels import label
from bertutil.course.ledger import stored
from bertutil.course.ledger.claims import CLAIMS
from bertutil.course.ledger.evidence import Evidence
from bertutil.course.ledger.rules import Claim, Measured
from bertutil.course.rivals import random_copy

SEEDS = range(5)


def measure(bert: bertutil.Bert, claims: dict[str, Claim]) -> dict[str, Any]:
    """Measure the claims: what is trained for each seed and for all together, and all of them with random weights."""
    trained = {id: claim for id, claim in claims.items() if claim.trained}
    together, untaught = Evidence(bert, seeds=SEEDS), Evidence(random_copy(bert))
    joint = {id: claim.examine(together).measured for id, claim in trained.items()}  # first: the seeds share it
    return {
        "seeds": {
            id: [claim.examine(together.of_seed(seed)).measured for seed in SEEDS] for id, claim in trained.items()
        },
        "together": joint,
        "random": {id: claim.examine(untaught).measured for id, claim in claims.items()},
    }


def differences(old: stored.Stored, new: dict[str, Any]) -> list[str]:
    """The verdicts that come out otherwise than those of the file."""
    found = []
    for id, claim in CLAIMS.items():
        runs: dict[str, tuple[list[Measured], list[Measured]]] = {
            "random weights": ([old.random[id]], [new["random"][id]])
        }
        if claim.trained:
            runs["seeds"] = old.seeds[id], new["seeds"][id]
        for name, (before, now) in runs.items():
            if claim.verdict(*before) != claim.verdict(*now):
                found.append(f"{id}, {name}: stored {claim.verdict(*before)!r}, now {claim.verdict(*now)!r}")
    return found


def main() -> None:
    """Write the file, or compare with it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="name of a checkpoint; default: the bundled one")
    parser.add_argument("--check", action="store_true", help="compare with the file, and write nothing")
    options = parser.parse_args()
    bert = bertutil.load(options.model)
    found = measure(bert, dict(CLAIMS))
    if options.check:
        wrong = differences(stored.read(bert), found)
        raise SystemExit("\n".join(wrong) if wrong else 0)
    record = {
        "checkpoint": label(bert),
        "digest": checkpoint_digest(bert),
        "versions": {name: version(name) for name in ("torch", "transformers", "scikit-learn")},
        "date": datetime.date.today().isoformat(),
        **found,
    }
    file = Path(stored.__file__).with_name(f"seeds_{label(bert)}.json")
    file.write_text(json.dumps(_rounded(record), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(file)


def _rounded(value: Any) -> Any:
    """Six digits are enough, and keep the file small."""
    if isinstance(value, dict):
        return {key: _rounded(own) for key, own in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(own) for own in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


if __name__ == "__main__":
    main()
