"""What stands beneath a function in the reference: an example, or a cell of a chapter, and the figure it drew.

All of it is read, from examples.txt and from the notebooks as they are committed; nothing is executed here. Tests run
the examples, and compare the chapters' outputs with what the code gives.
"""

import ast
import hashlib
import re
import struct
from base64 import b64decode
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, NamedTuple

INSIDE = {"bertutil.course.explore": "bertutil.course.plots.nearness"}  # what a function draws by calling another


class Use(NamedTuple):
    """A cell that calls a function: the chapter's file without ending and its title, the section, the parsed cell."""

    file: str
    title: str
    section: str
    cell: Mapping[str, Any]

    @property
    def code(self) -> str:
        """The source of the cell, as Markdown."""
        return f"```python\n{''.join(self.cell['source'])}\n```"

    @property
    def link(self) -> str:
        """The way to the cell, as HTML in Markdown; book/conf.py gives each cell its address."""
        address = f"notebooks/{self.file}.html#cell-{self.cell['id']}"
        words = f'In chapter <a href="{address}">{escape(self.title)}</a>: {escape(self.section)}.'
        return raw(f'<p class="where-used">{words}</p>')

    @property
    def picture(self) -> str:
        """The figure that the cell shows, as HTML in Markdown; empty where it shows none.

        It is the file that the chapter's page shows: myst-nb names it by the digest of its content.
        """
        for output in self.cell["outputs"]:
            if data := output.get("data", {}).get("image/png"):
                png = b64decode("".join(data))
                width, height = struct.unpack(">II", png[16:24])
                alt = escape(output["metadata"]["image/png"]["alt"])
                file = f"_images/{hashlib.sha256(png).hexdigest()}.png"
                image = f'<img src="{file}" alt="{alt}" width="{width}" height="{height}" loading="lazy">'
                return raw(f'<a class="image-reference" href="{file}">{image}</a>')
        return ""


def raw(html: str) -> str:
    """HTML that Markdown leaves alone."""
    return f"```{{raw}} html\n{html}\n```"


def uses(chapters: Mapping[str, Mapping[str, Any]]) -> dict[str, list[Use]]:
    """The cells that call each function of the project, by its full name, in reading order; exercises left out.

    `chapters`: parsed notebooks by the name of the file without ending.
    """
    found: dict[str, list[Use]] = {}
    for file, chapter in chapters.items():
        title, section, names = title_of(chapter), "", {}
        for cell in chapter["cells"]:
            source = "".join(cell["source"])
            if cell["cell_type"] == "markdown":
                section = next((plain(line[3:]) for line in source.splitlines() if line.startswith("## ")), section)
                continue
            tree = ast.parse(source)
            names |= imported(tree)
            if not cell["id"].startswith("exercise-"):
                for name in dict.fromkeys(called(tree, names)):
                    for each in {name, INSIDE.get(name, name)}:
                        found.setdefault(each, []).append(Use(file, title, section, cell))
    return found


def title_of(chapter: Mapping[str, Any]) -> str:
    """What a chapter, a parsed notebook, is called: its number and its name."""
    return "".join(chapter["cells"][0]["source"]).splitlines()[0].removeprefix("# ")


def plain(heading: str) -> str:
    """A heading without the marks of Markdown."""
    return re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")


def imported(tree: ast.Module) -> dict[str, str]:
    """The names that imports give to parts of the project, and the full name of each."""
    found = {}
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found |= {each.asname or each.name: each.name for each in names}
            case ast.ImportFrom(module=str(module), names=names):
                found |= {each.asname or each.name: f"{module}.{each.name}" for each in names}
    return {name: full for name, full in found.items() if full.split(".")[0] == "bertutil"}


def called(tree: ast.Module, names: Mapping[str, str]) -> Iterator[str]:
    """The full names of the project's functions that the code calls, by the names of its imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and re.fullmatch(r"[\w.]+", function := ast.unparse(node.func)):
            first, *rest = function.split(".")
            if first in names:
                yield ".".join([names[first], *rest])


def examples(text: str) -> dict[str, str]:
    """The examples by the full names of the functions: a line with the name, and below it what doctest reads."""
    return dict(re.findall(r"^(bertutil[\w.]*)\n(>>> .+?)\n(?:\n|\Z)", text, re.MULTILINE | re.DOTALL))


def example_below(name: str, written: Mapping[str, str], used: Mapping[str, list[Use]]) -> str:
    """The example of a function, or else the first cell that calls it; and the way to that cell."""
    first = used.get(name, [])[:1]
    code = [f"```pycon\n{written[name]}\n```"] if name in written else [use.code for use in first]
    return "\n\n".join([*code, *(use.link for use in first)])


def figure_below(name: str, returns: str, used: Mapping[str, list[Use]]) -> str:
    """The first figure that a function drew in the chapters, the cell that drew it, and the way there.

    For a function that returns something else than a figure: the way to the first cell that calls it.
    """
    shown = [use for use in used.get(name, []) if use.picture]
    if returns == "Figure" and shown:
        return "\n\n".join([shown[0].picture, shown[0].code, shown[0].link])
    return "\n\n".join(use.link for use in used.get(name, [])[:1])
