"""The exercises: each is checked on fresh inputs, answers with a reason, and gives hints in steps.

A chapter's exercises stand in a module of its number, for instance `from bertutil.course.exercises import ch03`.
"""

import copy
import dis
import html
import math
import operator
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any

from bertutil.course import progress

EMPTY_BODY = 3  # instructions: begin, load None, return it; how many of them there are depends on Python
REMEDIES = {  # what Python says, and what to do about it
    "Boolean value of Tensor": "between tensors write & and |, with brackets, and not `and`, `or`, `not`",
    "must match the size": "axes are lined up from the last one; keepdim=True or [:, None] gives an axis of length 1",
    "is not defined": "is it spelt right, and has the cell been run that defines it? In a learner's copy a cell can "
    "wait for an earlier exercise",
    "could not infer output dtype": "a mean needs numbers with a decimal point: write .float() first",
}
DATA: Mapping[type, str] = {  # what a function can write into, beside a tensor, and what to do instead
    list: "list that it is given; make a new one, such as [*old, new]",
    dict: "dictionary that it is given; make a new one: old | {key: value}",
    tuple: "tensors that it is given; work on copies: x.clone()",
}
TENSOR = "tensor that it is given; work on a copy: x.clone()"
SECONDS = 10.0  # for a check; that of the slowest right answer takes less than one
MOST = 1_000_000  # numbers, characters or items in an answer; no right one has a tenth of them
LONGEST = 1_500  # characters of a verdict
LOOKS = {  # how a verdict begins -> its sign and colour; Okabe and Ito's, seen on light and on dark pages
    "Right.": ("✓", "#009E73"),
    "Not right yet": ("✗", "#D55E00"),
    "Not tried yet.": ("…", "#7A7A7A"),
}


class NotTried(Exception):
    """The answer is still the stub."""


class Wrong(Exception):
    """The answer is not right; the message says why, in words for the learner."""


class _Late(BaseException):
    """The time for a check is up. No Exception, which an answer might catch."""


class Exercise:
    """An exercise of a chapter: check(answer), hint() and hint(2), hint(3), ...

    `id`: words joined by hyphens. It is what is remembered of an exercise, and so it stays the same when chapters or
    exercises are renumbered, and no other exercise has it. `judge` takes the learner's value or function and returns
    where it is right; it raises Wrong with the likely reason, or NotTried. `hints` go from a nudge to nearly the
    answer.
    """

    def __init__(self, id: str, judge: Callable[[Any], None], hints: Sequence[str]) -> None:
        """See the class."""
        self.id = id
        self._judge = judge
        self._hints = hints

    def verdict(self, answer: Any) -> str:
        """Return "Not tried yet.", "Right." or "Not right yet: ..." with the likely reason.

        Whatever the answer does: raises nothing but the KeyboardInterrupt of a Ctrl-C that the learner presses, and
        takes no longer than SECONDS where the system has an alarm and this is the main thread. Random numbers that
        are drawn on the way are drawn again afterwards: a check changes nothing in a notebook.
        """
        from torch.random import fork_rng

        def work() -> str:
            try:
                if answer is None or answer is ...:
                    raise NotTried
                self._judge(answer if callable(answer) else _finite(answer, [MOST]))
            except NotTried:
                return "Not tried yet."
            except Wrong as reason:
                return f"Not right yet: {_said(reason)}"
            except _Late:
                raise
            except BaseException as error:
                return f"Not right yet: checking it stopped with {type(error).__name__}: {_said(error)}"
            return "Right."

        try:
            with fork_rng(devices=[]):
                return _within_limits(work)
        except _Late:
            return f"Not right yet: it was stopped after {SECONDS:.0f} seconds; is there a loop that never ends?"

    def check(self, answer: Any = None) -> None:
        """Show the verdict on an answer. In a folder that `bertutil learn` has made, a right one is remembered."""
        verdict = self.verdict(answer)
        _show(verdict)
        if verdict == "Right." and (trouble := progress.remember(self.id)):
            print(f"(It could not be noted as right: {trouble})")

    def hint(self, step: int = 1) -> None:
        """Print one hint; a higher step says more."""
        step = min(max(step, 1), len(self._hints))
        more = f" (hint({step + 1}) says more)" if step < len(self._hints) else ""
        print(f"Hint {step} of {len(self._hints)}: {self._hints[step - 1]}{more}")


def shown(verdict: str) -> dict[str, str]:
    """Return a verdict as a notebook shows it: its words alone as text/plain, with a sign and a colour as HTML."""
    sign, colour = next(look for begin, look in LOOKS.items() if verdict.startswith(begin))
    box = f"border-left: 4px solid {colour}; padding: 0.2em 0.8em; white-space: pre-wrap; overflow-wrap: anywhere"
    mark = f'<span style="color: {colour}; font-size: 1.2em; font-weight: bold">{sign}</span>'
    words = f'<div class="verdict" style="{box}">{mark} {html.escape(verdict)}</div>'
    return {"text/html": words, "text/plain": verdict}


def _show(verdict: str) -> None:
    shell = None
    with suppress(ImportError):
        from IPython import get_ipython

        shell = get_ipython()
    if shell is None:
        print(verdict)
    else:
        from IPython.display import display

        display(shown(verdict), raw=True)  # type: ignore[no-untyped-call]


def call(function: Any, *arguments: Any) -> Any:
    """Call the learner's function.

    Raises NotTried where it is the untouched stub (its body is empty, it returns ..., or it raises
    NotImplementedError) and Wrong where it is no function, returns None after some work, raises another error, or
    writes into a tensor, a list or a dictionary that it is given.
    """
    if not callable(function):
        raise Wrong(f"hand in the function itself, by its name alone; this is of the type {type(function).__name__}")
    before = [copy.deepcopy(a) if type(a) in DATA or hasattr(a, "clone") else a for a in arguments]
    try:
        result = function(*arguments)
    except NotImplementedError:
        raise NotTried from None
    except _Late:
        raise
    except BaseException as error:  # exit() too
        said = _said(error)
        remedy = next((f" ({text})" for part, text in REMEDIES.items() if part in said), "")
        raise Wrong(
            f"called with ({_shown(before)}), your function raised {type(error).__name__}: {said}{remedy}"
        ) from error
    if result is ... or (result is None and _is_empty(function)):
        raise NotTried
    if result is None:
        raise Wrong(
            f"called with ({_shown(before)}), your function returned None: is a return missing? (print shows a "
            "value, and does not return it)"
        )
    for argument, kept in zip(arguments, before, strict=True):
        if argument is not kept and not _same(argument, kept):
            raise Wrong(f"your function changes the {DATA.get(type(argument), TENSOR)}")
    return _finite(result, [MOST])


def _finite(value: Any, left: list[int]) -> Any:
    """Return an answer; raises Wrong where it is endless or enormous.

    An iterator (map, zip, a generator) is gone through, and another one over its items takes its place. `left`: how
    many items there may be yet; it is counted down.
    """
    import numpy as np
    from torch import Tensor

    def count(n: int) -> None:
        left[0] -= n
        if left[0] < 0:
            raise Wrong(f"the answer is endless or enormous: it has more than {MOST:,} items, numbers or characters")

    if isinstance(value, Tensor | np.ndarray):
        count(math.prod(value.shape))
    elif isinstance(value, int):
        count(value.bit_length() // 8)
    elif type(value) in (str, bytes, range):
        count(len(value))
    elif type(value) in (list, tuple):
        count(len(value))
        items = [_finite(item, left) for item in value]
        return value if all(map(operator.is_, items, value)) else type(value)(items)
    elif type(value) is dict:
        count(len(value))
        items = [_finite(item, left) for item in value.values()]
        return value if all(map(operator.is_, items, value.values())) else dict(zip(value, items, strict=True))
    elif isinstance(value, Iterable):
        items = list(islice(value, left[0] + 1))
        count(len(items))
        items = [_finite(item, left) for item in items]
        return (item for item in items) if isinstance(value, Iterator) else value
    return value


def _said(error: BaseException) -> str:
    """What an exception says, as far as it can be shown."""
    try:
        text = str(error)
    except Exception:
        return "a message that cannot be shown"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."


def _within_limits(work: Callable[[], str]) -> str:
    """Return what `work` returns; raises _Late after SECONDS, and what a Ctrl-C raises, though `work` caught it.

    Python gives signals to the main thread, and Windows has no alarm: elsewhere `work` has no limits. The alarm comes
    again and again, for what catches everything, and strikes only in what `work` calls, never in `work` itself.
    """
    names = ("SIGALRM", "SIGINT")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name) and hasattr(signal, "setitimer")]
    before = {number: signal.getsignal(number) for number in numbers}
    if threading.current_thread() is not threading.main_thread() or not numbers or None in before.values():
        return work()
    interrupt: Any = before[signal.SIGINT]
    pressed: list[BaseException] = []

    def ring(_: int, frame: Any) -> None:
        while frame := frame and frame.f_back:
            if frame.f_code is work.__code__:
                raise _Late

    def press(number: int, frame: Any) -> None:
        try:
            interrupt(number, frame)
        except BaseException as error:
            pressed.append(error)
            raise

    start = time.monotonic()
    signal.signal(signal.SIGALRM, ring)
    if callable(interrupt):
        signal.signal(signal.SIGINT, press)
    timer = signal.setitimer(signal.ITIMER_REAL, SECONDS, 0.005)
    try:
        return work()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
        if timer[0]:  # somebody else's, which is late where it would have rung meanwhile
            signal.setitimer(signal.ITIMER_REAL, max(1e-3, timer[0] - (time.monotonic() - start)), timer[1])
        if pressed:
            raise pressed[-1]


def _shown(arguments: Sequence[Any]) -> str:
    """What a function was given: what is short as it is, of a tensor its shape, of the rest the type and length."""

    def size(argument: Any) -> str:
        if hasattr(argument, "shape"):
            return f" {list(argument.shape)}"
        return f" of length {len(argument)}" if isinstance(argument, list | tuple | dict) else ""

    return ", ".join(text if len(text := repr(a)) < 30 else type(a).__name__.strip("_") + size(a) for a in arguments)


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    return a is b or bool(a.equal(b) if hasattr(a, "equal") else a == b)


def _is_empty(function: Any) -> bool:
    """Whether a function does nothing: its body is `...`, `pass`, a docstring or `return None`."""
    code = getattr(function, "__code__", None)
    return code is not None and len(list(dis.get_instructions(code))) <= EMPTY_BODY


def number(answer: Any) -> float:
    """Return the learner's answer as a float; raises Wrong where it is not one number."""
    try:
        if isinstance(answer, str | bytes):
            raise TypeError
        return float(answer.detach() if hasattr(answer, "detach") else answer)
    except (TypeError, ValueError, RuntimeError):
        shape = f" of the shape {list(answer.shape)}" if hasattr(answer, "shape") else ""
        raise Wrong(f"return one number; your function returns a {type(answer).__name__}{shape}") from None


def compare(
    answers: Sequence[float], expected: Sequence[float], slips: Mapping[str, Sequence[float]], cases: Sequence[str]
) -> None:
    """Accept answers that are the expected numbers, one for each case; else raise Wrong with the likely reason.

    A slip (reason: its numbers) is named only where it explains the answers of all cases: in a single case a wrong
    number can be that of another mistake by chance. Otherwise the first case that is not right is shown.
    """

    def equal(values: Sequence[float]) -> bool:
        return all(map(_near, answers, values))

    if equal(expected):
        return
    common = {
        "this is in percent; return it as a share, from 0 to 1": [100 * value for value in expected],
        "this is rounded; return the number as it is": [
            next((r for r in _rounded(value) if r == answer and any(answers)), math.nan)
            for answer, value in zip(answers, expected, strict=True)
        ],
    }
    for reason, values in {**slips, **common}.items():
        if equal(values):
            raise Wrong(reason)
    if len(set(answers)) == 1 < len(set(expected)):
        raise Wrong(
            f"your function gives {answers[0]:,.6g} in every case; does it use what it is given, and only that?"
        )
    answer, right, case = next(row for row in zip(answers, expected, cases, strict=True) if not _near(row[0], row[1]))
    shown = f"for {case} your function gives {answer:,.6g}, and {right:,.6g} is right"
    if math.isnan(answer):
        shown += ". NaN comes from a mean over nothing, or from 0 divided by 0"
    raise Wrong(shown)


def is_right(values: Any, candidates: Sequence[tuple[Any, str | None]]) -> bool:
    """Whether a tensor is the candidate without a reason; raises Wrong, with its reason, where it is another one."""
    for candidate, reason in candidates:
        if values.allclose(candidate, atol=1e-4):
            if reason:
                raise Wrong(reason)
            return True
    return False


def _rounded(value: float) -> list[float]:
    if abs(value) < 1:  # a share of 1 or 0 has other reasons than rounding
        return [round(value, 2), round(value, 3)]
    return [math.floor(value), *(round(value, digits) for digits in range(4))]


def _near(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-4)
