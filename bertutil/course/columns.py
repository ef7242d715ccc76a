"""The key figures of a chapter, beside those that `python tools/columns.py` has stored for other checkpoints."""

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import pandas as pd  # type: ignore[import-untyped]

from bertutil.checkpoints import Bert
from bertutil.course.labels import label


def stored() -> dict[str, dict[str, Any]]:
    """Return what is stored, by the name of the checkpoint: "figures" by chapter, "digest", "versions", "date"."""
    folder = files("bertutil.course.datasets").joinpath("columns")
    found = [file for file in folder.iterdir() if file.name.endswith(".json")] if folder.is_dir() else []
    return {
        file.name.removesuffix(".json"): json.loads(file.read_text(encoding="utf-8"))
        for file in sorted(found, key=str)
    }


def beside(chapter: str, bert: Bert, figures: Mapping[str, float]) -> pd.DataFrame:
    """Return a table of a chapter's key figures: a column for this checkpoint, and one for each stored one.

    `chapter` is its topic, such as "context". A figure that was not stored is NaN. A stored column of this very
    checkpoint is left out: its figures were just computed.
    """
    columns = {label(bert): dict(figures)}
    for name, record in stored().items():
        if name != label(bert) and chapter in record["figures"]:
            column = record["figures"][chapter]
            columns[f"{name}, {record['date']}"] = {key: column.get(key, float("nan")) for key in figures}
    return pd.DataFrame(columns, index=list(figures), dtype=float).round(3)
