"""Predict, then see: learners' copies have a place for each guess, which nobody has to use."""

import json
from pathlib import Path

import pytest

from bertutil.course import workshop
from bertutil.course.predict import PROMPT, Intuition, with_guesses
from tools.notebooks import NOTEBOOKS

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)


def markdown(id, source):
    return {"id": id, "cell_type": "markdown", "metadata": {}, "source": source}


def code(id, source="1"):
    return {"id": id, "cell_type": "code", "metadata": {}, "source": source, "outputs": [], "execution_count": None}


def ids(*cells):
    return [cell["id"] for cell in with_guesses({"cells": list(cells)})["cells"]]


# --- The cells ---


def test_a_guess_stands_before_the_result_and_its_mark_below_all_of_it():
    found = ids(markdown("how-many", "Before you run it: how many?"), code("a"), code("b"), markdown("after", "Six."))
    assert found == ["how-many", "intuition", "how-many-guess", "a", "b", "how-many-seen", "intuition-score", "after"]


def test_the_guesses_are_numbered_and_the_score_stands_below_the_last_mark():
    asked = [markdown("one", "Words. Before you run the cell: 1?"), code("a"), markdown("two", "*before you run it*")]
    notebook = with_guesses({"cells": [*asked, code("b")], "metadata": {}})
    assert [cell["id"] for cell in notebook["cells"]] == [
        *("one", "intuition", "one-guess", "a", "one-seen"),
        *("two", "two-guess", "b", "two-seen", "intuition-score"),
    ]
    sources = {cell["id"]: cell["source"] for cell in notebook["cells"]}
    assert sources["one-guess"] == "intuition.guess(1, ...)"
    assert sources["two-seen"] == "intuition.seen(2, ...)"


def test_what_asks_nothing_stays_as_it_is():
    cells = [markdown("title", "# A chapter"), code("a"), markdown("end", "Before you run away")]
    assert with_guesses({"cells": cells}) == {"cells": cells}


@pytest.mark.parametrize("id", ["exercise-4", "exercise-luck-use"])
def test_an_exercise_asks_for_no_guess(id):
    assert ids(markdown(id, "Before you run the cell below the solution: which?"), code("a")) == [id, "a"]


def test_a_question_without_code_directly_below_asks_for_no_guess():
    assert ids(markdown("q", "Before you run it: why?"), markdown("more", "More."), code("a")) == ["q", "more", "a"]


def test_the_notebook_that_is_given_stays_as_it_is():
    cells = [markdown("one", "Before you run it: 1?"), code("a")]
    before = json.dumps(cells)
    with_guesses({"cells": cells})
    assert json.dumps(cells) == before


@every_notebook
def test_every_question_of_a_chapter_but_those_of_exercises_has_its_place_in_the_learners_copy(path):
    notebook = workshop.read(path)
    asking = [
        cell["id"]
        for cell in notebook["cells"]
        if cell["cell_type"] == "markdown" and PROMPT.search(cell["source"]) and "exercise-" not in cell["id"]
    ]
    copy = [cell["id"] for cell in workshop.learner(notebook)["cells"]]
    assert [id.removesuffix("-guess") for id in copy if id.endswith("-guess")] == asking
    assert [id.removesuffix("-seen") for id in copy if id.endswith("-seen")] == asking
    assert copy.count("intuition") == copy.count("intuition-score") == bool(asking)


@every_notebook
def test_neither_the_chapters_nor_the_solved_copies_have_any_of_it(path):
    assert "intuition" not in Path(path).read_text(encoding="utf-8")
    assert "intuition" not in json.dumps(workshop.solved(workshop.read(path)))


# --- The guesses ---


@pytest.fixture
def said(capsys):
    """What has been printed since the last call."""
    return lambda: capsys.readouterr().out.strip()


def test_without_a_guess_nothing_is_said(said):
    intuition = Intuition()
    intuition.guess(1, ...)
    intuition.seen(1, ...)
    intuition.seen(2, True)
    intuition.score()
    assert said() == ""


def test_a_guess_is_shown_again_below_the_result_with_the_question_whether_it_was_right(said):
    intuition = Intuition()
    intuition.guess(1, "nine ids")
    assert said() == "Guess 1: nine ids"
    intuition.seen(1, ...)
    assert said().startswith("You expected: nine ids. Was that right? Write True or False here")


@pytest.mark.parametrize(("right", "answer"), [(True, "Right."), (False, "Not what came out.")])
def test_a_mark_is_confirmed(right, answer, said):
    intuition = Intuition()
    intuition.guess(1, 9)
    said()
    intuition.seen(1, right)
    assert said() == f"You expected: 9. {answer}"


@pytest.mark.parametrize("mark", ["yes", "True", 1, None])
def test_what_is_neither_true_nor_false_does_not_count(mark, said):
    intuition = Intuition()
    intuition.guess(1, 9)
    intuition.seen(1, mark)
    assert "Write True or False" in said()
    intuition.score()
    assert said() == "Not marked yet: 1."


def test_the_score_counts_what_is_marked_and_names_the_others(said):
    intuition = Intuition()
    for number, right in enumerate((True, False, True, ...), 1):
        intuition.guess(number, "this")
        intuition.seen(number, right)
    intuition.guess(5, ...)
    said()
    intuition.score()
    assert said() == "Guesses that were right: 2 of 3.\nNot marked yet: 4."


def test_a_cell_that_is_run_again_counts_once_and_a_new_guess_has_no_mark(said):
    intuition = Intuition()
    for right in (True, False):
        intuition.guess(1, 9)
        intuition.seen(1, right)
        intuition.seen(1, right)
    said()
    intuition.score()
    assert said() == "Guesses that were right: 0 of 1."
    intuition.guess(1, 8)
    intuition.score()
    assert said().endswith("Not marked yet: 1.")
    intuition.guess(1, ...)
    said()
    intuition.score()
    assert said() == ""
