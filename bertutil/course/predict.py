"""Predict, then see: in a learner's copy each "before you run it" gets a place for a guess, and the guess is kept.

Whether it was right the learner says: what comes out is often a table or a picture. Nothing is stored or sent.
"""

import re
from typing import Any

Cell = dict[str, Any]
Notebook = dict[str, Any]
PROMPT = re.compile(r"\b[Bb]efore you run\b")
BEGIN = """\
from bertutil.course.predict import Intuition

# "Before you run it": write what you expect in the place of the dots, such
# as "nine", and afterwards True or False. Or leave the dots as they are.
intuition = Intuition()"""


class Intuition:
    """The guesses of one chapter, by their numbers, and whether they were right. A cell can be run again."""

    def __init__(self) -> None:
        """Begin without a guess."""
        self._guesses: dict[int, object] = {}
        self._right: dict[int, bool] = {}

    def guess(self, number: int, expected: object = ...) -> None:
        """Keep a guess until `seen` shows it again; `...` is none."""
        self._right.pop(number, None)
        self._guesses.pop(number, None)
        if expected is not ...:
            self._guesses[number] = expected
            print(f"Guess {number}: {expected}")

    def seen(self, number: int, right: object = ...) -> None:
        """Print a guess, below what came out, and note whether it was right; nothing where there is no guess."""
        if number not in self._guesses:
            return
        self._right.pop(number, None)
        if isinstance(right, bool):
            self._right[number] = right
            answer = "Right." if right else "Not what came out."
        else:
            answer = "Was that right? Write True or False here, and run this cell again."
        print(f"You expected: {self._guesses[number]}. {answer}")

    def score(self) -> None:
        """Print how often the guesses were right; nothing where there is none."""
        if self._right:
            print(f"Guesses that were right: {sum(self._right.values())} of {len(self._right)}.")
        if unmarked := [str(number) for number in self._guesses if number not in self._right]:
            print(f"Not marked yet: {', '.join(unmarked)}.")


def with_guesses(notebook: Notebook) -> Notebook:
    """Return a notebook with a cell for a guess in front of each result that it asks for, and one for its mark below.

    What asks is a markdown cell with the words "before you run", directly above code. Not one of an exercise, whose
    code may still have to wait. Below the last mark a cell says how often the guesses were right.
    """
    old, added = notebook["cells"], {}
    asking = [i for i, cell in enumerate(old[:-1]) if _asks(cell) and old[i + 1]["cell_type"] == "code"]
    for number, i in enumerate(asking, 1):
        name, end = old[i]["id"], i + 1
        while end < len(old) and old[end]["cell_type"] == "code":
            end += 1
        added[i + 1] = [_cell(f"{name}-guess", f"intuition.guess({number}, ...)")]
        added[end] = [_cell(f"{name}-seen", f"intuition.seen({number}, ...)")]
    if asking:
        added[asking[0] + 1].insert(0, _cell("intuition", BEGIN))
        added[end].append(_cell("intuition-score", "intuition.score()"))
    cells = [cell for i in range(len(old) + 1) for cell in [*added.get(i, []), *old[i : i + 1]]]
    return notebook | {"cells": cells}


def _asks(cell: Cell) -> bool:
    is_prompt = cell["cell_type"] == "markdown" and PROMPT.search(cell["source"])
    return bool(is_prompt) and not cell["id"].startswith("exercise-")


def _cell(id: str, source: str) -> Cell:
    return {
        "id": id,
        "cell_type": "code",
        "metadata": {},
        "outputs": [],
        "execution_count": None,
        "source": source,
    }
