"""Break the code on purpose, one small change after the other, and see the tests go red.

python tools/mutate.py [--only PATTERN]    PATTERN: a regular expression, searched in the file's name and the text

Each mutation below is made in a temporary copy of the working tree, and the tests that should notice it are run
there. Exit status 1: a mutation survived and does not say why it may live, its text does not stand exactly once in
its file any more, or its tests fail without it. What survives shows a test that is missing.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
PYTEST = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
SECONDS = 300  # for the tests of one mutation: what hangs is noticed too


class Mutation(NamedTuple):
    """A file, a text that stands in it once, what is put there instead, and the test that must go red.

    `test` is pytest's id of a function. `lives`: why it may survive, if it may.
    """

    file: str
    text: str
    instead: str
    test: str
    lives: str = ""


def changes(file: str, tests: str, *rows: tuple[str, ...]) -> list[Mutation]:
    """The mutations of a file that tests of one module must notice.

    A row: text, what stands there instead, the test function without its "test_" and, if it may live, why.
    """
    return [Mutation(file, old, new, f"{tests}::test_{name}", *why) for old, new, name, *why in rows]


MUTATIONS = [
    *changes(
        "tools/notebook_gate.py",
        "tests/test_notebook_checker.py",
        ("adjusted() - 4", "adjusted() - 3", "falsified_text_fails"),
        ("< fifth_digit or", "<= fifth_digit or", "falsified_text_fails"),
        ("decimals[1] >= 3", "decimals[1] >= 2", "falsified_text_fails"),
        ("decimals[0] == decimals[1] >= 3", "decimals[0] >= 3", "falsified_text_fails"),
        ("scaleb(x.as_tuple().exponent)", "scaleb(x.as_tuple().exponent + 1)", "falsified_text_fails"),
        ('Decimal("1e-6")', 'Decimal("1e-5")', "falsified_text_fails"),
        ("<= 20:", "<= 21:", "twenty_pixels_may_differ_and_no_more"),
        ("else (1, 16)", "else (1, 17)", "colours_may_differ_by_the_level_and_no_more"),
        ("(8, 45)", "(8, 46)", "colours_may_differ_by_the_level_and_no_more"),
        ("else (1, 16)", "else (10, 16)", "a_thin_line_that_comes_or_goes_is_seen_with_the_tested_matplotlib_alone"),
        ("side = 3", "side = 5", "an_edge_may_move_by_one_pixel_and_no_more"),
        (
            "abs(w - w2) > 2 + w // 50",
            "abs(w - w2) > 3 + w // 50",
            "a_picture_may_be_larger_by_two_pixels_and_two_percent",
        ),
        (
            "abs(h - h2) > 2 + h // 50",
            "abs(h - h2) > 2 + h // 5",
            "a_picture_may_be_larger_by_two_pixels_and_two_percent",
        ),
        (
            "if self.count != self.cell_num + 1:",
            "if not self.count:",
            "the_gate_is_red_for_every_bad_cell_and_green_for_the_others",
        ),
        ('if kind in ("stderr", "error"):', 'if kind == "error":', "stderr_and_errors_fail_even_when_committed"),
    ),
    *changes(
        "tools/notebooks.py",
        "tests/test_notebook_checker.py",
        ("MAX_LINES = 20", "MAX_LINES = 21", "every_rule_is_checked"),
        ('"raises-exception", ', "", "every_rule_is_checked"),
        ("if len(parameters) != 1 or", "if not parameters or", "every_rule_is_checked"),
    ),
    *changes(
        "bertutil/course/exercises/__init__.py",
        "tests/test_exercises.py",
        (" and any(answers)", "", "answers_that_are_all_zero_are_no_rounding"),
        (
            "if equal(expected):",
            "if equal(expected) or not any(answers):",
            "answers_that_are_all_zero_are_no_rounding",
        ),
        ("abs_tol=1e-4)", "abs_tol=1e-3)", "more_than_rounding_errors_is_wrong"),
        ("rel_tol=1e-6", "rel_tol=1e-5", "more_than_rounding_errors_is_wrong"),
        ("atol=1e-4):", "atol=1e-3):", "a_tensor_is_right_or_a_known_slip_within_rounding_errors"),
        ("if abs(value) < 1:", "if False:", "a_share_that_is_given_as_1_or_0_is_no_rounding"),
        ("len(a) == len(b) and all(", "all(", "a_function_that_writes_into_what_it_is_given_is_told_so"),
    ),
    *changes(
        "bertutil/course/workshop.py",
        "tests/test_workshop.py",
        ('" and ".join(', '" or ".join(', "a_cell_stays_shut_while_one_of_the_exercises_that_it_needs_is_not_right"),
        (""" == "Right."' for e""", """ != ""' for e""", "cells_wait_for_each_exercise_that_they_need"),
        (""" == "Right."' for e""", """ == "right"' for e""", "a_cell_opens_when_the_learners_own_is_right"),
        ("for n in used - defined", "for n in ()", "cells_wait_for_each_exercise_that_they_need"),
        (
            "waiting |= dict.fromkeys(defined, needed)",
            "waiting |= dict.fromkeys(defined, needed) if needed else {}",
            "cells_wait_for_each_exercise_that_they_need",
        ),
        (" or own[1] != solved[1]", "", "a_solution_that_is_checked_as_another_exercise_is_refused"),
        ("{'#' * bool(anchor)}{anchor}", "", "links_are_mended_for_a_folder_of_its_own"),
        (
            "options.out.exists() and not options.force",
            "False",
            "a_folder_that_is_not_empty_is_left_alone_unless_forced",
        ),
    ),
    *changes(
        "bertutil/course/doctor.py",
        "tests/test_doctor.py",
        ("> 1e-3 for", "> 1e-2 for", "cosines_may_differ_by_a_thousandth"),
        ("min(known)", "max(known)", "too_little_memory_and_disk_are_problems"),
        ("NEEDED_GB = 1.0", "NEEDED_GB = 0.1", "too_little_memory_and_disk_are_problems"),
        (", prereleases=True", ", prereleases=False", "a_nightly_build_that_is_newer_than_needed_is_no_problem"),
        ("!= digest:", "!= digest and False:", "a_byte_of_the_checkpoint_that_changed_is_found"),
    ),
    *changes(
        "bertutil/course/ledger/rules.py",
        "tests/test_claims.py",
        ("not all([", "not any([", "all_that_is_needed_must_be_met_and_one_limit_is_enough"),
        ("LIMIT if any([", "LIMIT if all([", "all_that_is_needed_must_be_met_and_one_limit_is_enough"),
        ("if any(measured", "if all(measured", "all_that_is_needed_must_be_met_and_one_limit_is_enough"),
        ("math.isnan(value)", "False", "nan_gives_no_verdict"),
        ("round(value, 3) + 0.0", "round(value, 3)", "quantities_as_text"),
    ),
    *changes(
        "bertutil/engines.py",
        "tests/test_engines.py",
        ("if self._bert is None:", "if True:", "the_checkpoint_is_loaded_once_and_as_asked"),
        ('"dtype": dtype}', '"dtype": torch.float32}', "the_checkpoint_is_loaded_once_and_as_asked"),
        (' | {"_bert": None}', "", "pickling_leaves_the_model_behind"),
    ),
    *changes(
        "bertutil/course/datasets/__init__.py",
        "tests/test_datasets_stories_entities.py",
        (
            "range(1, 6)",
            "range(1, 5)",
            "every_story_has_five_sentences_that_begin_with_a_capital_and_end_with_a_stop",
        ),
        ('if part not in ("train", "test"):', "if not part:", "any_other_part_is_refused"),
    ),
]


def missing(mutation: Mutation, root: Path = ROOT) -> str:
    """Why the mutation cannot be made, or nothing."""
    path = root / mutation.file
    count = path.read_text(encoding="utf-8").count(mutation.text) if path.is_file() else 0
    return "" if count == 1 else f"its text stands {count} times in the file"


def copy(root: Path, folder: Path) -> None:
    """Copy what git knows of a working tree, and what it does not ignore, to a folder."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (root / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, folder / name)


def noticed(folder: Path, tests: Iterable[str], seconds: float | None = SECONDS) -> str | None:
    """What pytest says of the first test that fails in a folder; None where all pass."""
    # the copy's modules, also in child processes; no byte code, which can be older than a change within a second
    environment = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("PYTEST_ADDOPTS", "PYTEST_CURRENT", "PYTEST_XDIST", "COV_"))
    }
    environment |= {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [*PYTEST, *tests]
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return f"not done after {seconds} seconds"
    if done.returncode not in (0, 1, 2):  # 2: a module cannot be imported; above, pytest itself could not work
        raise RuntimeError(f"{' '.join(command)}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    if done.returncode == 0:
        return None
    found = re.findall(r"^(?:FAILED|ERROR) .*", done.stdout, re.MULTILINE)
    return found[0] if found else done.stdout[-500:]


def try_all(mutations: Sequence[Mutation], root: Path = ROOT) -> list[str]:
    """Try mutations one at a time, print the outcome of each, and return what is wrong."""
    wrong = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        copy(root, folder)
        if failure := noticed(folder, dict.fromkeys(mutation.test for mutation in mutations), seconds=None):
            return [f"the tests fail without any mutation: {failure}"]
        for mutation in mutations:
            change = f"{mutation.file}: {mutation.text!r} -> {mutation.instead!r}"
            if reason := missing(mutation, folder):
                wrong.append(f"{change}: {reason}")
                continue
            path, start = folder / mutation.file, time.monotonic()
            source = path.read_text(encoding="utf-8")
            path.write_text(source.replace(mutation.text, mutation.instead), encoding="utf-8", newline="")
            survived = noticed(folder, [mutation.test]) is None
            path.write_text(source, encoding="utf-8", newline="")
            outcome = "killed" if not survived else "lives" if mutation.lives else "SURVIVED"
            print(f"{outcome:8} {time.monotonic() - start:5.1f} s  {change}", flush=True)
            if survived and not mutation.lives:
                wrong.append(f"{change}: survived {mutation.test}")
    return wrong


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="PATTERN", default="", help="those whose file or text match")
    options = parser.parse_args(arguments)
    chosen = [m for m in MUTATIONS if re.search(options.only, f"{m.file} {m.text}")]
    wrong = try_all(chosen)
    print(
        *(f"\n{len(wrong)} of {len(chosen)} are wrong:" if wrong else f"\nAll {len(chosen)} are noticed.", *wrong),
        sep="\n",
    )
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
