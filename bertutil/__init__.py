"""BERT embeddings, hands on: the helpers behind the notebooks.

Data flows one way: text -> encode -> hidden_states -> combine_layers -> pool_words or pool_sentences
-> cosine_similarity or search. Importing bertutil is instant: torch and transformers are loaded with the
first name that needs them.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bertutil.checkpoints import CATALOGUE, Bert, Checkpoint, SentenceRecipe, load, save
    from bertutil.corpus import Corpus, embed_corpus, open_corpus
    from bertutil.encoding import Encoding, Word, encode
    from bertutil.engines import Embedder
    from bertutil.fine_tuning import Classifier, load_classifier, train_cls, train_vectors
    from bertutil.layers import attentions, hidden_states
    from bertutil.packed import embed
    from bertutil.pieces import split_words
    from bertutil.pooling import STRATEGIES, combine_layers, pool_sentences, pool_words
    from bertutil.similarity import cosine_similarity, random_pair_baseline, remove_mean, search, self_similarity

__version__ = version("bertutil")
__all__ = [
    "CATALOGUE",
    "STRATEGIES",
    "Bert",
    "Checkpoint",
    "Classifier",
    "Corpus",
    "Embedder",
    "Encoding",
    "SentenceRecipe",
    "Word",
    "attentions",
    "combine_layers",
    "cosine_similarity",
    "embed",
    "embed_corpus",
    "encode",
    "hidden_states",
    "load",
    "load_classifier",
    "open_corpus",
    "pool_sentences",
    "pool_words",
    "random_pair_baseline",
    "remove_mean",
    "save",
    "search",
    "self_similarity",
    "split_words",
    "train_cls",
    "train_vectors",
]

_HOME = {
    "checkpoints": ["CATALOGUE", "Bert", "Checkpoint", "SentenceRecipe", "load", "save"],
    "corpus": ["Corpus", "embed_corpus", "open_corpus"],
    "encoding": ["Encoding", "Word", "encode"],
    "engines": ["Embedder"],
    "fine_tuning": ["Classifier", "load_classifier", "train_cls", "train_vectors"],
    "layers": ["attentions", "hidden_states"],
    "packed": ["embed"],
    "pieces": ["split_words"],
    "pooling": ["STRATEGIES", "combine_layers", "pool_sentences", "pool_words"],
    "similarity": ["cosine_similarity", "random_pair_baseline", "remove_mean", "search", "self_similarity"],
}


def __getattr__(name: str) -> Any:
    for module, names in _HOME.items():
        if name in names:
            return getattr(import_module(f"bertutil.{module}"), name)
    raise AttributeError(f"module 'bertutil' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
