"""What a user's type checker says: results are what they are, and a misspelt option is an error before it runs."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
CODE = """
from pathlib import Path
import numpy as np
from numpy.typing import NDArray
import bertutil

bert = bertutil.load("minilm", attention="eager")
encoding = bertutil.encode(bert, ["a text"], too_long="window", typed_specials="parse")
states = bertutil.hidden_states(bert, encoding, [0, -1])
vectors = bertutil.combine_layers(states, "last")
words = bertutil.pool_words(vectors, encoding, "sum")
sentences = bertutil.pool_sentences(vectors, encoding.content_mask, "mean_max")

array: NDArray[np.float32] = bertutil.embed(bert, ["a"])
each: NDArray[np.float32] = bertutil.embed(bert, ["a"], strategy="each", normalize=True)
lists: list[NDArray[np.float32]] = bertutil.embed(bert, ["a"], unit="word", how="first", specials=None)
tokens: list[NDArray[np.float32]] = bertutil.embed(bert, [["a", "b"]], unit="token", strategy="each")
stored = bertutil.embed_corpus(bert, ["a"], Path("out"), strategy="sum_last_4", unit="token", errors="replace")
scores, found = bertutil.search(array, stored, k=1)
recipe: bertutil.SentenceRecipe = bert.sentence

bertutil.encode(bert, "a", too_long="windows")  # wrong
bertutil.encode(bert, "a", specials="parse")  # wrong
bertutil.encode(bert, 3)  # wrong
bertutil.combine_layers(states, "sum_last4")  # wrong
bertutil.pool_words(vectors, encoding, "cls")  # wrong
bertutil.pool_sentences(vectors, encoding.content_mask, "sum")  # wrong
bertutil.embed(bert, ["a"], unit="sentences")  # wrong
bertutil.embed(bert, ["a"], strategy="weighted")  # wrong
bertutil.embed(bert, ["a"], unit="word", how="cls")  # wrong
bertutil.embed(bert, ["a"], how="sum")  # wrong
bertutil.embed_corpus(bert, ["a"], "out", strategy="each")  # wrong
bertutil.embed_corpus(bert, ["a"], "out", errors="ignore")  # wrong
first: list[NDArray[np.float32]] = bertutil.embed(bert, ["a"])  # wrong
second: NDArray[np.float32] = bertutil.embed(bert, ["a"], unit="word")  # wrong
"""


def test_mypy_accepts_right_code_and_names_every_wrong_line(tmp_path):
    file = tmp_path / "user.py"
    file.write_text(CODE)
    command = [sys.executable, "-m", "mypy", "--config-file", "pyproject.toml", "--no-error-summary", str(file)]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout
    named = [int(number) for number in re.findall(r"user\.py:(\d+): error:", said)]
    wrong = [number for number, line in enumerate(CODE.splitlines(), 1) if line.endswith("# wrong")]
    assert sorted(set(named)) == wrong, said
