"""Chapter 15: what was measured beforehand, by `python tools/seeds.py`: other seeds, and random weights."""

import json
from importlib.resources import files
from typing import Any, NamedTuple

from bertutil.checkpoints import Bert
from bertutil.corpus import checkpoint_digest
from bertutil.course.ledger.rules import AHEAD, Claim, Measured, shown


class Stored(NamedTuple):
    """What a file of this folder holds for a checkpoint, by the id of the claim.

    `seeds`: for what is trained, one run for each of the seeds 0 to 4; `together`: all seeds in one interval, for
    which seeds and items were drawn; `random`: one run with random weights, all claims. `date`: when.
    """

    date: str
    seeds: dict[str, list[Measured]]
    together: dict[str, Measured]
    random: dict[str, Measured]

    def others(self, claim: Claim) -> list[Measured]:
        """The runs of the seeds from 1 on."""
        return self.seeds.get(claim.id, [])[1:]

    def told(self, claim: Claim) -> str:
        """The leads of the claim with all seeds in one interval, one line each; nothing for what is not trained."""
        run = self.together.get(claim.id, {})
        leads = [need for need in claim.needs if need.relation == AHEAD and need.quantities[0] in run]
        lines = [
            f"\nfive seeds and items drawn: {need.quantity} {shown(run[need.quantity])}, "
            f"{' to '.join(shown(run[name]) for name in need.quantities)}"
            for need in leads
        ]
        return "".join(lines)


NOTHING = Stored("", {}, {}, {})


def read(bert: Bert) -> Stored:
    """Return what is stored for this checkpoint: the file whose digest is that of its weights; NOTHING if none is."""
    digest = checkpoint_digest(bert)
    for file in files(__package__).iterdir():
        if file.name.startswith("seeds_") and file.name.endswith(".json"):
            record = json.loads(file.read_text(encoding="utf-8"))
            if record["digest"] == digest:
                return Stored(
                    record["date"],
                    {id: [_plain(run) for run in runs] for id, runs in record["seeds"].items()},
                    {id: _plain(run) for id, run in record["together"].items()},
                    {id: _plain(run) for id, run in record["random"].items()},
                )
    return NOTHING


def _plain(run: dict[str, Any]) -> Measured:
    """JSON has lists where a measurement has tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in run.items()}
