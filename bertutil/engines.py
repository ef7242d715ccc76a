"""Chapter 13: embed() for engines that hand over batches of a table, such as Ray Data and Hugging Face datasets."""

import os
from collections.abc import Mapping
from typing import Any

import torch

from bertutil.checkpoints import Bert, load
from bertutil.packed import embed


class Embedder:
    """A callable that adds a column of vectors to a batch; it loads its checkpoint where and when it is first called.

    For Ray Data: `ds.map_batches(Embedder, fn_constructor_kwargs={"unit": "word"}, concurrency=2)`, one model in
    each of two workers. Give Ray more cores than there are workers: a repartition() that finds them all taken waits
    for ever. For Hugging Face datasets: `ds.map(Embedder(unit="word"), batched=True)`. The vectors are embed()'s.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        *,
        column: str = "text",
        output: str = "vector",
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
        **options: Any,
    ) -> None:
        """Take load()'s arguments, the columns' names, and as `options` unit, strategy, how, specials of embed().

        Nothing is loaded yet, so that the object can be sent to other processes.
        """
        self.column, self.output, self.options = column, output, options
        self._arguments: dict[str, Any] = {"name": model, "device": device, "dtype": dtype}
        self._bert: Bert | None = None

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Return the batch with the column `output`: [rows, features], or a list of arrays for words and tokens.

        Raises ValueError where there is no column of texts, and as embed() does.
        """
        if self.column not in batch:
            raise ValueError(f"the batch has no column {self.column!r}; give column=, one of {', '.join(batch)}")
        if self._bert is None:
            self._bert = load(**self._arguments)
        return {**batch, self.output: embed(self._bert, list(batch[self.column]), **self.options)}

    def __getstate__(self) -> dict[str, Any]:
        """Leave the loaded checkpoint behind: pickling sends the recipe, and equal recipes have equal bytes."""
        return self.__dict__ | {"_bert": None}
