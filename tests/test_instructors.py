"""What the instructors' pages say about the chapters is true: names, minutes, links."""

import re
from pathlib import Path

import nbformat
import pytest

from tools.notebooks import NOTEBOOKS

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "instructors"
SCHEDULES = sorted(FOLDER.glob("schedule-*.md"))
PAGES = [*sorted(FOLDER.glob("*.md")), ROOT / "CONTRIBUTING.md"]
ROW = re.compile(r"^\| (\d+):(\d\d) \| (\d+) \| ([^|]*) \|(?: ([^|]*))? \|$", re.MULTILINE)
SECTION = re.compile(r'chapter (\d+), "((?:[^"\\]|\\.)*)"')
every_schedule = pytest.mark.parametrize("path", SCHEDULES, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def headings():
    """Chapter -> its second-level headings."""
    result = {}
    for path in NOTEBOOKS:
        cells = nbformat.read(path, as_version=4).cells
        lines = [line for cell in cells if cell.cell_type == "markdown" for line in cell.source.splitlines()]
        result[int(path.name[:2])] = [line.removeprefix("## ") for line in lines if line.startswith("## ")]
    return result


@pytest.fixture(scope="module")
def exercise_minutes():
    """Exercise, such as "3.1" -> the minutes that the chapter states."""
    result = {}
    for path in NOTEBOOKS:
        for cell in nbformat.read(path, as_version=4).cells:
            if heading := re.match(r"## Exercise (\d+\.\d+):", cell.source):
                result[heading[1]] = int(re.search(r"(\d+) minutes", cell.source)[1])
    return result


def tables(path):
    """The tables of a schedule, each with the total that stands below it."""
    parts = re.split(r"^Total: (\d+) minutes\.$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [(ROW.findall(text), int(total)) for text, total in zip(parts[::2], parts[1::2], strict=False)]


def test_there_are_schedules_for_90_minutes_half_a_day_two_half_days_a_third_one_search_and_tuning():
    found = {path.stem.removeprefix("schedule-"): [total for _, total in tables(path)] for path in SCHEDULES}
    others = ("half-day", "half-day-search", "half-day-tuning", "third-half-day")
    assert found == {"90-minutes": [90], "two-half-days": [240, 240], **{name: [240] for name in others}}


@pytest.mark.skipif(not any(ROOT.glob("notebooks/14_*.ipynb")), reason="chapter 14 is in the making")
def test_the_half_day_on_search_has_chapter_14_once_it_is_there():
    text = (FOLDER / "schedule-half-day-search.md").read_text(encoding="utf-8")
    assert "14" in {number for number, _ in SECTION.findall(text)}


def test_both_ways_of_another_room_are_told_in_five_lines_each():
    parts = re.split(r"^### ", (FOLDER / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    steps = {part.partition("\n")[0]: re.findall(r"^\d\. ", part, re.MULTILINE) for part in parts}
    assert [*steps] == ["A room on Colab or Binder", "A room without a network"]
    assert [len(found) for found in steps.values()] == [5, 5]
    for option in ("--address", "--ref", "--offline"):
        assert option in "".join(parts)


@every_schedule
def test_the_minutes_add_up(path):
    for rows, total in tables(path):
        clock = 0
        for hours, minutes, length, *_ in rows:
            assert int(hours) * 60 + int(minutes) == clock
            clock += int(length)
        assert clock == total


@every_schedule
def test_every_row_of_a_table_was_read(path):
    text = path.read_text(encoding="utf-8")
    assert sum(len(rows) for rows, _ in tables(path)) == len(re.findall(r"^\| \d", text, re.MULTILINE))


@every_schedule
def test_every_section_exists(path, headings):
    named = SECTION.findall(path.read_text(encoding="utf-8"))
    assert len(named) >= 7
    unknown = [(n, name) for n, name in named if name.replace('\\"', '"') not in headings.get(int(n), [])]
    assert unknown == []


@every_schedule
def test_every_exercise_exists_and_has_its_minutes(path, exercise_minutes):
    for rows, _ in tables(path):
        for _, _, length, _, contents in rows:
            exercises = re.findall(r"exercise (\d+\.\d+)", contents)
            assert sum(exercise_minutes[number] for number in exercises) < int(length)


@every_schedule
def test_breaks_come_before_anyone_has_sat_for_90_minutes(path):
    for rows, _ in tables(path):
        sat = 0
        for *_, length, what, _ in rows:
            sat = 0 if what.strip() == "Break" else sat + int(length)
            assert sat <= 90


@every_schedule
def test_the_copies_it_asks_for_are_those_of_its_chapters(path):
    text = path.read_text(encoding="utf-8")
    command = re.search(r"`python -m bertutil workshop OUT --chapters ([\d ]+) --slides`", text)[1]
    assert set(command.split()) == {number for number, _ in SECTION.findall(text)}


def test_what_goes_wrong_has_a_section_for_each_chapter():
    text = (FOLDER / "going-wrong.md").read_text(encoding="utf-8")
    chapters = re.findall(r"^## Chapter (\d+: .*)", text, re.MULTILINE)
    titles = [nbformat.read(path, as_version=4).cells[0].source.splitlines()[0] for path in NOTEBOOKS]
    assert [f"# {chapter.replace(': ', '. ', 1)}" for chapter in chapters] == titles


def test_what_goes_wrong_names_exercises_and_sections_that_exist(exercise_minutes, headings):
    text = (FOLDER / "going-wrong.md").read_text(encoding="utf-8")
    written = {str(int(path.name[:2])) for path in NOTEBOOKS}
    numbers = {n for n in re.findall(r"exercise (\d+\.\d+)", text, re.IGNORECASE) if n.split(".")[0] in written}
    assert numbers <= exercise_minutes.keys()
    every_heading = {heading for names in headings.values() for heading in names}
    quoted = re.findall(r'(?:section|See|see|run) "([^"]+)"', text)
    assert quoted
    assert [name for name in quoted if name not in every_heading] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_link_leads_to_a_file(page):
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))]
    assert [link for link in links if link and "://" not in link and not (page.parent / link).exists()] == []


def test_every_page_is_in_the_index():
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert [
        page.name for page in FOLDER.glob("*.md") if page.name != "README.md" and f"({page.name})" not in index
    ] == []
