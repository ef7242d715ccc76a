"""Chapter 13: embed() for engines that hand over batches of a table, such as Ray Data and Hugging Face datasets."""

import os
import warnings
from collections.abc import Sequence
from typing import Any

import torch

from bertutil.checkpoints import Bert, load
from bertutil.packed import embed_checked, make_recipe
from bertutil.pieces import check_text


class Embedder:
    """A callable that adds a column of vectors to a batch; it loads its checkpoint where and when it is first called.

    For Ray Data: `ds.map_batches(Embedder, fn_constructor_kwargs={"unit": "word"}, concurrency=2)`, one model in
    each of two workers. Give Ray more cores than there are workers: a repartition() that finds them all taken waits
    for ever. For Hugging Face datasets: `ds.map(Embedder(unit="word"), batched=True)`, or with `with_indices=True`,
    for messages that name the data set's rows and not the batch's; with `num_proc`, its forked processes compute
    with one thread each, whatever ran before. The vectors are embed()'s; a row without a token gets NaN, as with
    embed_corpus(), or for words and tokens no vector, and a warning counts them.
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

    def __call__(self, batch: Any, indices: Sequence[int] | None = None) -> dict[str, Any]:
        """Return the batch with the column `output`: [rows, features], or a list of arrays for words and tokens.

        `batch`: a mapping of columns, a pandas DataFrame, or a pyarrow Table or RecordBatch. `indices`: where its
        rows stand in the data set. Raises ValueError where there is no column of texts, and as embed() does, with
        the index of the row.
        """
        names = getattr(batch, "column_names", None) or list(batch)  # those of pyarrow, whose tables give columns
        if self.column not in names:
            raise ValueError(f"the batch has no column {self.column!r}; give column=, one of {', '.join(names)}")
        columns = {
            name: batch[name].to_pylist() if hasattr(batch[name], "to_pylist") else batch[name] for name in names
        }
        if self._bert is None:
            self._bert = load(**self._arguments)
        options = {"unit": "sentence", "strategy": None, "how": None, "specials": None} | self.options
        normalize, progress = options.pop("normalize", False), options.pop("progress", False)
        recipe = make_recipe(self._bert, **options)
        texts = list(columns[self.column])
        rows, whole = (range(len(texts)), "batch") if indices is None else (indices, "data set")
        checked = [check_text(text, f"row {i} of the {whole}") for i, text in zip(rows, texts, strict=True)]
        vectors, empty = embed_checked(recipe, checked, normalize, progress, allow_gaps=True)
        if empty:
            what = "have a row of NaN" if recipe.unit == "sentence" else "have no vector"
            where = f"the first is row {rows[empty[0]]} of the {whole}"
            warnings.warn(f"{len(empty):,} rows without a token {what}; {where}", stacklevel=2)
        return {**columns, self.output: vectors}

    def __getstate__(self) -> dict[str, Any]:
        """Leave the loaded checkpoint behind: pickling sends the recipe, and equal recipes have equal bytes."""
        return self.__dict__ | {"_bert": None}
