"""What holds for every exercise of every chapter."""

from importlib import import_module
from pathlib import Path

import pytest

import bertutil.exercises
from bertutil.exercises import Exercise

CHAPTERS = sorted(path.stem for path in Path(bertutil.exercises.__file__).parent.glob("ch*.py"))
EXERCISES = [
    pytest.param(value, id=f"{chapter}.{name}")
    for chapter in CHAPTERS
    for name, value in vars(import_module(f"bertutil.exercises.{chapter}")).items()
    if isinstance(value, Exercise)
]


def unwritten(*_):
    raise NotImplementedError


@pytest.mark.parametrize("exercise", EXERCISES)
@pytest.mark.parametrize("stub", [None, ..., lambda *_: None, lambda *_: ..., unwritten])
def test_the_stub_is_not_tried_yet(exercise, stub):
    assert exercise.verdict(stub) == "Not tried yet."


@pytest.mark.parametrize("exercise", EXERCISES)
@pytest.mark.parametrize("answer", [0, 1.0, "text", [], lambda *_: 0, lambda *given: given[0] if given else 0])
def test_a_constant_or_the_input_handed_back_is_not_right(exercise, answer):
    assert exercise.verdict(answer).startswith("Not right yet: ")


@pytest.mark.parametrize("exercise", EXERCISES)
def test_there_are_hints(exercise, capsys):
    exercise.hint()
    assert capsys.readouterr().out.startswith("Hint 1 of ")
