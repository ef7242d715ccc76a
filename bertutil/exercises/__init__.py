"""The exercises: each is checked on fresh inputs, answers with a reason, and gives hints in steps.

A chapter's exercises stand in a module of its number, for instance `from bertutil.exercises import ch03`.
"""

from collections.abc import Callable, Sequence
from typing import Any


class NotTried(Exception):
    """The answer is still the stub."""


class Wrong(Exception):
    """The answer is not right; the message says why, in words for the learner."""


class Exercise:
    """An exercise of a chapter: check(answer), hint() and hint(2), hint(3), ...

    `judge` takes the learner's value or function and returns where it is right; it raises Wrong with the likely
    reason, or NotTried. `hints` go from a nudge to nearly the answer.
    """

    def __init__(self, judge: Callable[[Any], None], hints: Sequence[str]) -> None:
        """See the class."""
        self._judge = judge
        self._hints = hints

    def verdict(self, answer: Any) -> str:
        """Return "Not tried yet.", "Right." or "Not right yet: ..." with the likely reason. Never raises."""
        try:
            if answer is None or answer is ...:
                raise NotTried
            self._judge(answer)
        except NotTried:
            return "Not tried yet."
        except Wrong as reason:
            return f"Not right yet: {reason}"
        except Exception as error:
            return f"Not right yet: checking it stopped with {type(error).__name__}: {error}"
        return "Right."

    def check(self, answer: Any = None) -> None:
        """Print the verdict on an answer."""
        print(self.verdict(answer))

    def hint(self, step: int = 1) -> None:
        """Print one hint; a higher step says more."""
        step = min(max(step, 1), len(self._hints))
        more = f" (hint({step + 1}) says more)" if step < len(self._hints) else ""
        print(f"Hint {step} of {len(self._hints)}: {self._hints[step - 1]}{more}")


def call(function: Any, *arguments: Any) -> Any:
    """Call the learner's function.

    Raises NotTried where it is the untouched stub (returns None or ..., or raises NotImplementedError) and Wrong
    where it is no function or raises another error.
    """
    if not callable(function):
        raise Wrong(f"hand in the function itself, without calling it; this is a {type(function).__name__}")
    try:
        result = function(*arguments)
    except NotImplementedError:
        raise NotTried from None
    except Exception as error:
        raise Wrong(f"your function raised {type(error).__name__}: {error}") from error
    if result is None or result is ...:
        raise NotTried
    return result
