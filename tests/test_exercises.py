"""What holds for every exercise of every chapter: the checks, their tests, and how the notebooks present them."""

import asyncio
import contextlib
import itertools
import math
import random
import re
import signal
import sys
import threading
import time
from collections import Counter
from importlib import import_module
from pathlib import Path
from unittest import mock
from xml.etree import ElementTree

import IPython
import nbformat
import numpy as np
import pytest
import torch

import bertutil.course.exercises
from bertutil import encode
from bertutil.course import learn, workshop
from bertutil.course.exercises import LOOKS, Exercise, Wrong, call, ch01, ch03, ch15, compare, is_right, number, shown
from bertutil.course.inputs import RARE, tiny_model
from tests.answers import ch10 as answers10
from tests.answers import ch15 as answers15

CHAPTERS = sorted(path.stem for path in Path(bertutil.course.exercises.__file__).parent.glob("ch*.py"))
EXERCISES = [
    pytest.param(value, id=f"{chapter}.{name}")
    for chapter in CHAPTERS
    for name, value in vars(import_module(f"bertutil.course.exercises.{chapter}")).items()
    if isinstance(value, Exercise)
]
ANSWERS = {chapter: import_module(f"tests.answers.{chapter}") for chapter in CHAPTERS}
NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("[0-9]*.ipynb"))
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)


def test_the_ids_of_exercises_are_unique_over_all_chapters():
    ids = [exercise.values[0].id for exercise in EXERCISES]
    assert [id for id, count in Counter(ids).items() if count > 1] == []


@every_notebook
def test_the_ids_of_a_chapter_s_exercises_are_found_without_importing_them(path):
    numbers = {each.number: each.check.split(".") for each in workshop.exercises(workshop.read(path))}
    ids = {
        number: getattr(import_module(f"bertutil.course.exercises.{module}"), name).id
        for number, (module, name) in numbers.items()
    }
    assert learn.exercise_ids(path) == ids


@pytest.mark.parametrize("exercise", EXERCISES)
def test_the_id_of_an_exercise_is_words_with_hyphens_and_holds_no_number(exercise):
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", exercise.id)


def unwritten(*_):
    raise NotImplementedError


def only_a_docstring(*_):
    """Return something."""


@pytest.mark.parametrize("exercise", EXERCISES)
@pytest.mark.parametrize("stub", [None, ..., lambda *_: None, lambda *_: ..., unwritten, only_a_docstring])
def test_the_stub_is_not_tried_yet(exercise, stub):
    assert exercise.verdict(stub) == "Not tried yet."


@pytest.mark.parametrize("exercise", EXERCISES)
def test_a_forgotten_return_is_named(exercise, capsys):
    assert "is a return missing?" in exercise.verdict(lambda *_: print("the answer"))


@pytest.mark.parametrize("exercise", EXERCISES)
@pytest.mark.parametrize("answer", [0, 1.0, "text", [], lambda *_: 0, lambda *given: given[0] if given else 0])
def test_a_constant_or_the_input_handed_back_is_not_right(exercise, answer):
    assert exercise.verdict(answer).startswith("Not right yet: ")


ODD = [True, -1, 0.5, math.nan, math.inf, 1j, "", "x", b"x", [], [1], [[1, 2], [3]], (1, 2), ("a", "b"), {}, {1}, len]
ODD += [[None], [torch.zeros(2)], (torch.zeros(2), torch.zeros(3)), [("a", ["b"])], np.zeros(3), np.float64(0.5)]
ODD += [torch.tensor(3.0), torch.tensor(True), torch.zeros(0), torch.zeros(3), torch.full((2, 3), math.nan), object()]


@pytest.mark.no_cover
@pytest.mark.parametrize("exercise", EXERCISES)
def test_whatever_comes_back_the_check_itself_does_not_stumble(exercise):
    for odd in ODD:
        assert "checking it stopped" not in exercise.verdict(lambda *_, odd=odd: odd), odd


def endless(*_):
    while True:
        pass


def stubborn(*_):
    while True:
        with contextlib.suppress(BaseException):
            time.sleep(0.001)


def leaves(error):
    def answer(*_):
        raise error

    return answer


class Endless:
    def __iter__(self):
        return itertools.count()


class Hostile:
    def _no(self, *_):
        raise SystemExit("no")

    __eq__ = __len__ = __iter__ = __getattr__ = __float__ = __bool__ = __repr__ = _no
    __hash__ = None


class Unsaid(Exception):
    def __str__(self):
        raise RuntimeError


def deep(*_):
    return deep(*_)


LEAVING = [
    SystemExit(3),
    KeyboardInterrupt(),
    GeneratorExit(),
    asyncio.CancelledError(),
    Unsaid(),
    ValueError("x" * 10**7),
]
HUGE = [range(10**12), 10 ** (10**7), "x" * 10**7, torch.zeros(1).expand(10**10), np.broadcast_to(0.0, 10**10)]
HUGE += [[range(10**7)] * 10**7, {"a": [0] * 10**7}, (torch.zeros(1).expand(10**10),)]
ENDLESS = [
    itertools.count,
    lambda: [itertools.repeat("a")],
    Endless,
    lambda: (itertools.cycle("ab"), 1),
    lambda: {"a": itertools.count()},
]


@pytest.fixture
def quick(monkeypatch):
    """A check is stopped after 0.3 seconds."""
    monkeypatch.setattr(bertutil.course.exercises, "SECONDS", 0.3)


def given_and_returned(values):
    return [*values, *(lambda *_, value=value: value for value in values)]


def all_end_with_a_short_message(exercise, answers):
    for answer in answers:
        verdict = exercise.verdict(answer)
        assert verdict.startswith("Not right yet: "), answer
        assert len(verdict) < 2_000


@pytest.mark.parametrize("exercise", EXERCISES)
def test_an_answer_that_leaves_or_is_endless_or_enormous_ends_with_a_message(exercise):
    values = [itertools.count(), Hostile(), torch.zeros(1).expand(10**10)]
    all_end_with_a_short_message(exercise, [leaves(SystemExit(3)), *given_and_returned(values)])


@pytest.mark.parametrize("exercise", [ch01.count_parameters, ch03.lost_ids])
def test_whatever_an_answer_does_ends_with_a_short_message(exercise):
    answers = [leaves(error) for error in LEAVING] + [deep, sys.exit]
    answers += [lambda *_, make=make: make() for make in ENDLESS] + given_and_returned(HUGE)
    all_end_with_a_short_message(exercise, answers + [make() for make in ENDLESS])


def test_what_makes_an_answer_leave_is_named():
    assert "your function raised SystemExit: 3" in ch01.count_parameters.verdict(leaves(SystemExit(3)))
    assert "your function raised KeyboardInterrupt" in ch01.count_parameters.verdict(leaves(KeyboardInterrupt()))
    assert "raised Unsaid: a message that cannot be shown" in ch01.count_parameters.verdict(leaves(Unsaid()))
    assert "the answer is endless or enormous" in ch01.count_parameters.verdict(lambda _: itertools.count())


def test_an_iterator_is_as_good_as_a_list():
    assert list(call(lambda x: map(str, x), [1, 2])) == ["1", "2"]
    (pair,) = call(lambda x: [("a", map(str, x))], [1, 2])
    assert list(pair[1]) == ["1", "2"]
    assert list(call(lambda x: {"a": iter(x)}, [1])["a"]) == [1]
    given = [[1], (2, "a")]
    assert call(lambda _: given, 0) is given


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no alarm")
@pytest.mark.parametrize(
    "answer", [endless, stubborn, lambda *_: time.sleep(60), lambda *_: sum(x for x in iter(int, 1))]
)
def test_an_endless_loop_is_stopped_and_the_alarm_is_put_back(answer, quick):
    rings = []
    handler = signal.signal(signal.SIGALRM, lambda *_: rings.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 100, 7)
        mine = signal.getsignal(signal.SIGALRM)
        assert "is there a loop that never ends?" in ch01.count_parameters.verdict(answer)
        assert signal.getsignal(signal.SIGALRM) is mine
        left, interval = signal.setitimer(signal.ITIMER_REAL, 0)
        assert 0 < left < 100
        assert interval == 7
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
    assert rings == []


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no alarm")
@pytest.mark.parametrize("answer", [lambda *_: time.sleep(60), stubborn])
def test_a_ctrl_c_stops_the_check(answer, quick):
    def press(*_):
        signal.raise_signal(signal.SIGINT)
        return answer()

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        ch01.count_parameters.verdict(press)
    assert signal.getsignal(signal.SIGINT) is handler


def test_in_another_thread_a_check_works_without_an_alarm():
    handler = signal.getsignal(signal.SIGALRM) if hasattr(signal, "SIGALRM") else None
    verdicts = []
    thread = threading.Thread(target=lambda: verdicts.append(ch01.count_parameters.verdict(leaves(SystemExit()))))
    thread.start()
    thread.join()
    assert "your function raised SystemExit" in verdicts[0]
    assert handler is (signal.getsignal(signal.SIGALRM) if hasattr(signal, "SIGALRM") else None)


def test_what_an_answer_prints_is_shown_before_the_verdict(capsys):
    ch01.count_parameters.check(lambda _: print("mine"))
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first == "mine"
    assert last.startswith("Not right yet: ")


@pytest.mark.parametrize("exercise", EXERCISES)
def test_hints_come_in_steps(exercise, capsys):
    for step in (1, 2, 99):
        exercise.hint(step)
    first, second, last = capsys.readouterr().out.splitlines()
    assert first.startswith("Hint 1 of ")
    assert first.endswith("(hint(2) says more)")
    assert second != first
    assert re.match(r"Hint (\d) of \1: ", last)


def answers(kind):
    """All rows of the lists RIGHT or WRONG, each named by its chapter and its number there."""
    return [
        pytest.param(*row, id=f"{chapter}-{i}")
        for chapter, module in ANSWERS.items()
        for i, row in enumerate(getattr(module, kind))
    ]


@pytest.mark.parametrize(("exercise", "answer"), answers("RIGHT"))
def test_a_right_answer_passes_however_it_is_written(exercise, answer):
    assert exercise.verdict(answer) == "Right."


@pytest.mark.parametrize(("exercise", "answer"), [row for row in answers("RIGHT") if callable(row.values[1])])
def test_a_right_answer_passes_in_double_precision(exercise, answer):
    def in_double(*given):
        result = answer(*given)
        return result.double() if isinstance(result, torch.Tensor) and result.is_floating_point() else result

    assert exercise.verdict(in_double) == "Right."


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ((torch.zeros(4, 7, 6), 3), "(Tensor [4, 7, 6], 3)"),
        ((torch.tensor([1, 2]), "mean"), "(tensor([1, 2]), 'mean')"),
        (([torch.zeros(5)] * 12, {i: "abc" for i in range(9)}), "(list of length 12, dict of length 9)"),
    ],
)
@pytest.mark.parametrize("answer", [lambda *_: 1 / 0, lambda *_: print()])
def test_what_the_function_was_given_is_shown_and_of_a_tensor_its_shape(given, shown, answer):
    with pytest.raises(Wrong, match=re.escape(f"called with {shown}, your function")):
        call(answer, *given)


@pytest.mark.parametrize(
    ("given", "write"),
    [
        (torch.zeros(2), lambda x: x.add_(1)),
        ([1, 2], lambda x: x.pop()),
        ([[1], [2]], lambda x: x[0].pop()),
        ((torch.zeros(2), torch.ones(2)), lambda x: x[1].add_(1)),
        ({"a": 1}, lambda x: x.pop("a")),
    ],
)
def test_a_function_that_writes_into_what_it_is_given_is_told_so(given, write):
    assert call(len, given)
    with pytest.raises(Wrong, match=r"your function changes the (tensor|list|dictionary)"):
        call(write, given)


@pytest.mark.parametrize(("exercise", "answer", "reason"), answers("WRONG"))
def test_a_wrong_answer_is_told_its_likely_reason(exercise, answer, reason):
    verdict = exercise.verdict(answer)
    assert verdict.startswith("Not right yet: ")
    assert "checking it stopped" not in verdict
    assert reason in verdict


@pytest.mark.parametrize("exercise", EXERCISES)
def test_two_right_and_three_wrong_answers_of_each_exercise_are_tried(exercise, request):
    given = ANSWERS[request.node.callspec.id.partition(".")[0]]
    assert sum(row[0] is exercise for row in given.RIGHT) >= 2
    assert sum(row[0] is exercise for row in given.WRONG) >= 3


@pytest.mark.parametrize(("exercise", "answer"), answers("RIGHT"))
def test_checking_leaves_the_random_numbers_of_the_notebook_alone(exercise, answer):
    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002
    exercise.verdict(answer)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1].tolist(), random.getstate()) == before[1:]  # noqa: NPY002


def test_outside_a_notebook_check_prints_the_verdict(capsys):
    ch01.count_parameters.check(None)
    assert capsys.readouterr().out == "Not tried yet.\n"


def test_where_there_is_no_ipython_check_prints_the_verdict(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", None)
    ch01.count_parameters.check(None)
    assert capsys.readouterr().out == "Not tried yet.\n"


def test_in_a_notebook_check_displays_the_verdict(capsys, monkeypatch):
    monkeypatch.setattr(IPython, "get_ipython", object)
    monkeypatch.setattr(IPython.display, "display", displayed := mock.Mock())
    ch01.count_parameters.check(None)
    assert displayed.mock_calls == [mock.call(shown("Not tried yet."), raw=True)]
    assert capsys.readouterr().out == ""


VERDICTS = {"Right.": "✓", "Not tried yet.": "…", "Not right yet: it has 3 > 2 & 'more'": "✗"}


@pytest.mark.parametrize(("verdict", "sign"), VERDICTS.items())
def test_a_verdict_is_shown_in_its_own_words_with_a_sign_before_them(verdict, sign):
    assert shown(verdict)["text/plain"] == verdict
    box = ElementTree.fromstring(shown(verdict)["text/html"])
    assert "".join(box.itertext()) == f"{sign} {verdict}"


def test_no_two_verdicts_have_a_colour_or_a_sign_in_common():
    signs, colours = zip(*LOOKS.values(), strict=True)
    assert len(set(signs)) == len(set(colours)) == len(LOOKS) == 3


def luminance(colour):
    values = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    parts = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
    return sum(w * part for w, part in zip((0.2126, 0.7152, 0.0722), parts, strict=True))


@pytest.mark.parametrize("page", ["#ffffff", "#111111", "#121212"])  # light; JupyterLab's and the book's dark
@pytest.mark.parametrize("colour", [colour for _, colour in LOOKS.values()])
def test_the_sign_of_a_verdict_can_be_seen_on_light_and_dark_pages(colour, page):
    dark, light = sorted(map(luminance, (colour, page)))
    assert (light + 0.05) / (dark + 0.05) >= 3


def test_the_reference_of_chapter_3_takes_the_longest_front():
    vocab = ch03._vocabulary()
    assert ch03._reference("seashell", vocab) == ["seas", "##hell"]
    assert ch03._reference("bedrooms", vocab) == ["bedroom", "##s"]
    assert ch03._reference("done✓", vocab) == ch03._reference("x" * 101, vocab) == ["[UNK]"]
    assert ch03._reference("x" * 100, vocab) == ["xx", *["##xx"] * 49]


def test_the_rare_words_of_chapter_7_split_and_stand_once_in_both_of_their_sentences(bert):
    for column in (0, 1):
        encoding = encode(bert, [pair[column] for pair in RARE.values()])
        for word, found in zip(RARE, encoding.words, strict=True):
            own = [each for each in found if each.text == word]
            assert len(own) == 1
            assert own[0].n_pieces > 1
            assert not {each.text for each in found} & (set(RARE) - {word})


@pytest.mark.parametrize("answer", [answers10.cut_off, answers10.cut_off_otherwise])
def test_a_right_mask_of_chapter_10_does_cut_a_token_off(answer):
    model, ids = tiny_model(0), torch.arange(2000, 2006)[None]
    other = ids.clone()
    other[0, 2:4] += 500
    with torch.no_grad():
        one, two = (
            model(input_ids=row, attention_mask=answer(6, [2, 3])).last_hidden_state[0] for row in (ids, other)
        )
    assert [torch.equal(a, b) for a, b in zip(one, two, strict=True)] == [True, True, False, False, True, True]


def test_the_stub_of_chapter_15s_own_claim_is_not_tried_yet():
    assert ch15.own_claim.verdict(answers15.made(lambda evidence: ..., ("r", "<", 0))) == "Not tried yet."


@pytest.mark.parametrize("answer", [2, 2.0, np.float64(2), torch.tensor(2), torch.tensor([2.0])])
def test_one_number_in_any_form_is_a_number(answer):
    assert number(answer) == 2


@pytest.mark.parametrize("answer", ["2", b"2", [2], torch.zeros(2), None, 1j])
def test_what_is_not_one_number_is_refused(answer):
    with pytest.raises(Wrong, match="return one number"):
        number(answer)


def test_a_slip_is_named_only_where_it_explains_the_answers_of_all_cases():
    slips = {"the sum": [3, 7], "the product": [2, 12]}
    cases = ["1 and 2", "3 and 4"]
    with pytest.raises(Wrong, match="the product"):
        compare([2, 12], [1.5, 3.5], slips, cases)
    with pytest.raises(Wrong, match=r"for 1 and 2 your function gives 2, and 1\.5 is right"):
        compare([2, 8], [1.5, 3.5], slips, cases)
    with pytest.raises(Wrong, match="in percent"):
        compare([150, 350], [1.5, 3.5], slips, cases)
    with pytest.raises(Wrong, match="rounded"):
        compare([1, 3.5], [1.5, 3.5], slips, cases)
    with pytest.raises(Wrong, match="NaN comes from"):
        compare([math.nan, 3.5], [1.5, 3.5], slips, cases)
    compare([1.5, 3.5], [1.5, 3.5], slips, cases)


def test_answers_that_are_all_zero_are_no_rounding():
    with pytest.raises(Wrong, match="gives 0 in every case; does it use what it is given"):
        compare([0, 0], [0.4, 0.3], {}, ["one", "two"])
    with pytest.raises(Wrong, match="gives 0 in every case"):  # though both are 0 when rounded
        compare([0, 0], [0.004, 0.003], {}, ["one", "two"])
    with pytest.raises(Wrong, match=r"for one your function gives 0, and 0\.4 is right"):
        compare([0, 0], [0.4, 0.4], {}, ["one", "two"])


def test_a_share_that_is_given_as_1_or_0_is_no_rounding():
    with pytest.raises(Wrong, match="gives 1 in every case"):
        compare([1, 1], [0.9, 0.7], {}, ["one", "two"])
    with pytest.raises(Wrong, match="rounded"):
        compare([0.95, 0.73], [0.9512, 0.7321], {}, ["one", "two"])


@pytest.mark.parametrize(
    ("given", "expected"), [(0.0101, 0.01), (0.01, 0.01 + 9e-5), (1000.001, 1000.0), (1e6, 1e6 + 0.9)]
)
def test_rounding_errors_are_right(given, expected):
    compare([given], [expected], {}, ["x"])


@pytest.mark.parametrize(("given", "expected"), [(0.0102, 0.01), (1000.01, 1000.0), (1e6, 1e6 + 1.1)])
def test_more_than_rounding_errors_is_wrong(given, expected):
    with pytest.raises(Wrong, match="for x your function gives"):
        compare([given], [expected], {}, ["x"])


def test_a_tensor_is_right_or_a_known_slip_within_rounding_errors():
    right, slip = torch.zeros(3), torch.ones(3)
    candidates = [(right, None), (slip, "the slip")]
    assert is_right(right + 9e-5, candidates)
    assert not is_right(right + 2e-4, candidates)
    with pytest.raises(Wrong, match="the slip"):
        is_right(slip + 9e-5, candidates)


def cells_of(path):
    return {cell.id: cell for cell in nbformat.read(path, as_version=4).cells}


SERVES = re.compile(
    r"^Serves: objectives? ([\d, and]+)\. About \d+ minutes\. Difficulty: (easy|medium|hard)\.$", re.M
)


@every_notebook
def test_every_exercise_says_what_it_serves_how_long_it_takes_and_how_hard_it_is(path):
    cells = cells_of(path)
    exercises = [cell.source for cell in cells.values() if re.search(r"^## Exercise ", cell.source, re.M)]
    assert [source for source in exercises if not SERVES.search(source)] == []
    assert [source for source in exercises if ".hint()" not in source] == []
    assert len([cell for cell in cells.values() if "@title Solution" in cell.source]) == len(exercises)


@pytest.mark.parametrize(
    "path", [path for path in NOTEBOOKS if path.name != "00_tour.ipynb"], ids=lambda path: path.name
)
def test_every_objective_is_served_by_an_exercise(path):  # the tour has none
    cells = cells_of(path)
    objectives = {int(k) for k in re.findall(r"^(\d)\. ", cells["objectives"].source, re.M)}
    served = [text for cell in cells.values() for text, _ in SERVES.findall(cell.source)]
    questions = re.findall(r"^\*\*\d+\.\*\* \(Objectives? ([\d, and]+)\) ", cells["questions"].source, re.M)
    assert objectives == {int(k) for text in served for k in re.findall(r"\d", text)}
    assert objectives >= {int(k) for text in questions for k in re.findall(r"\d", text)}
    assert len(questions) >= 2
    assert cells["questions"].source.count("<details><summary>Answer</summary>") == len(questions)
