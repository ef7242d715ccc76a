"""`python -m bertutil workshop OUT`: the chapters as a room needs them, made from the one set of notebooks.

OUT/learner has no solutions and no outputs, OUT/solved has each solution in the place of the stub, and with
--slides OUT/slides has one self-contained HTML file a chapter. With --address OUT is a branch to push: the links of
the learners' copies lead there, and OUT/README.md has all of them. With --offline OUT/stick installs and opens the
chapters without a network, on the system that it was made on. Exercises are recognised by their cell ids:
`exercise-NAME`, `exercise-NAME-stub`, `exercise-NAME-hint`, `exercise-NAME-solution` (see CONTRIBUTING.md).
"""

import argparse
import copy
import json
import os
import re
import shutil
import symtable
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from bertutil.course import stick
from bertutil.course.address import Address, parse, project, set_links
from bertutil.course.predict import with_guesses
from bertutil.folder import require_no_link

CHECK = re.compile(r"\b(ch\d\d\.\w+)\.check\((\w+)\)")
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
ABOUT_SOLUTIONS = re.compile(r"\s*\(The folded solution[^)]*\)|  # or your own: \w+")
EXAMPLES = """examples:
  bertutil workshop room --chapters 1 3 5 --slides
  bertutil workshop room --address https://github.com/me/fork --ref workshop
  bertutil workshop room --offline"""
NOT_ON_SLIDES = {"install", "parameters", "imports"}
PROJECT = Path(__file__).resolve().parents[2]  # the repository, or where the package is installed

SLIDE_LINES = 11  # a cell with more is shown by its result

Cell = dict[str, Any]
Notebook = dict[str, Any]


class Exercise(NamedTuple):
    """An exercise: "3.1", "exercise-wordpiece", "ch03.wordpiece", the learner's function and the solution's."""

    number: str
    cell: str
    check: str
    own: str
    solution: str


def read(path: Path) -> Notebook:
    """Return a notebook, each source one string. Raises ValueError with the file's name where it is damaged."""
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        cells = notebook["cells"]
        for i, cell in enumerate(cells):
            if cell["cell_type"] not in ("code", "markdown", "raw") or not isinstance(cell["id"], str):
                raise ValueError(f"cell {i} has not the type or the id of a cell")
            cell["source"] = "".join(cell["source"])
            if cell["cell_type"] == "code":
                [dict(output) for output in cell["outputs"]]
                _names(cell["source"])
        ids = [cell["id"] for cell in cells]
        if len(set(ids)) < len(ids):
            raise ValueError(f"two cells have the id {next(i for i in ids if ids.count(i) > 1)}")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, SyntaxError) as error:
        what = f"there is no {error} in it" if isinstance(error, KeyError) else f"{error}"
        raise ValueError(f"{path} is damaged, or no notebook of format 4.5: {what}") from error
    return dict(notebook)


def exercises(notebook: Notebook) -> list[Exercise]:
    """Return the exercises in their order. Raises ValueError where a cell of one is missing or not as agreed."""
    sources = {cell["id"]: cell["source"] for cell in notebook["cells"]}
    found = []
    for name in [cell.removesuffix("-stub") for cell in sources if cell.endswith("-stub")]:
        heading = re.match(r"## Exercise (\d+\.\d+): ", sources.get(name, ""))
        own, solved = (CHECK.search(sources.get(f"{name}-{part}", "")) for part in ("stub", "solution"))
        if not heading or not own or not solved or own[1] != solved[1]:
            raise ValueError(
                f"{name}: needs the cells {name} (a heading '## Exercise 3.1: ...'), {name}-stub and "
                f"{name}-solution, both with the same chNN.something.check(function)"
            )
        found.append(Exercise(heading[1], name, own[1], own[2], solved[2]))
    return found


def learner(notebook: Notebook) -> Notebook:
    """Return the notebook without solutions and outputs, its set-up folded, with places for guesses.

    A cell that calls a solution's function calls the learner's instead, once that one is right; before, it says so,
    and so does every later cell that needs what such a cell defines.
    """
    found = exercises(notebook)
    originals = {cell["id"]: cell["source"] for cell in notebook["cells"]}
    result = _without_solutions(notebook, found)
    waiting: dict[str, set[Exercise]] = {}  # name -> the exercises without which it is not defined
    for cell in result["cells"]:
        if cell["cell_type"] != "code":
            continue
        cell["outputs"], cell["execution_count"] = [], None
        if cell["id"] == "install":
            cell["metadata"] |= {"jupyter": {"source_hidden": True}}
        defined, used = _names(originals[cell["id"]])
        needed = {e for e in found if e.solution in used}.union(*(waiting.get(n, ()) for n in used - defined))
        if needed:
            cell["source"] = _guarded(cell["source"], sorted(needed))
        waiting |= dict.fromkeys(defined, needed)
    return with_guesses(result)


def _names(source: str) -> tuple[set[str], set[str]]:
    """The global names that a cell defines, and those that it uses."""
    cell = symtable.symtable(source, "cell", "exec")
    defined = {s.get_name() for s in cell.get_symbols() if s.is_assigned() or s.is_imported()}
    used, tables = set(), [cell]
    while tables:
        table = tables.pop()
        tables += table.get_children()
        used |= {s.get_name() for s in table.get_symbols() if s.is_referenced() and (table is cell or s.is_global())}
    return defined, used


def solved(notebook: Notebook) -> Notebook:
    """Return the notebook with each solution in the place of the stub, under the name that the stub had."""
    found = exercises(notebook)
    solutions = {cell["id"]: cell for cell in notebook["cells"] if cell["id"].endswith("-solution")}
    result = _without_solutions(notebook, found)
    stubs = {f"{e.cell}-stub": e for e in found}
    for cell in result["cells"]:
        if exercise := stubs.get(cell["id"]):
            solution = solutions[f"{exercise.cell}-solution"]
            source = solution["source"].removeprefix("# @title Solution\n")
            cell |= {"source": _named_as_stubs(source, found), "outputs": solution["outputs"]}
    code = (cell for cell in result["cells"] if cell["cell_type"] == "code")
    for count, cell in enumerate(code, 1):
        cell["execution_count"] = count
        for output in cell["outputs"]:
            output |= {"execution_count": count} if "execution_count" in output else {}
    return result


def _without_solutions(notebook: Notebook, found: list[Exercise]) -> Notebook:
    result = copy.deepcopy(notebook)
    result["cells"] = [cell for cell in result["cells"] if not cell["id"].endswith("-solution")]
    for cell in result["cells"]:
        cell["source"] = _named_as_stubs(ABOUT_SOLUTIONS.sub("", cell["source"]), found)
    return result


def _named_as_stubs(source: str, found: list[Exercise]) -> str:
    for exercise in found:
        source = re.sub(rf"\b{exercise.solution}\b", exercise.own, source)
    return source


def _guarded(source: str, needed: list[Exercise]) -> str:
    right = " and ".join(f'{e.check}.verdict({e.own}) == "Right."' for e in needed)
    numbers = ", ".join(e.number for e in needed)
    say = f'    print("Exercise {numbers} comes first: this cell needs what you write there.")'
    return f"if {right}:\n{textwrap.indent(source, '    ')}\nelse:\n{say}"


def relink(text: str, folder: Path, present: set[str]) -> tuple[str, dict[str, Path]]:
    """Mend the links of a text from `folder` for a copy beside which only the files `present` stand.

    Returns the text, and what to put beside it: new name -> file. A link to a chapter that is left out becomes
    plain text; a file from elsewhere in the project comes along below `files/`.
    """
    files = {}

    def mend(match: re.Match[str]) -> str:
        mark, words, link = match.groups()
        path, _, anchor = link.partition("#")
        if "://" in link or not path or path in present:
            return match[0]
        inside = path.replace("../", "")
        source = next((place for place in (folder / path, PROJECT / inside) if place.is_file()), None)
        if ".." not in path or not source:
            return f"{mark}{words}"
        name = f"files/{inside}"
        files[name] = source
        return f"{mark}[{words}]({name}{'#' * bool(anchor)}{anchor})"

    return LINK.sub(mend, text), files


def with_whole_links(text: str, address: Address) -> str:
    """Return a copy's text, its links to files beside it led to their pages on GitHub: Colab opens no other ones."""
    return LINK.sub(
        lambda m: m[0] if "://" in m[3] or m[3][0] == "#" else f"{m[1]}[{m[2]}]({address.page(m[3])})", text
    )


def pages_of_a_room(titles: Mapping[str, str], address: Address) -> dict[str, bytes | Path]:
    """Return what a pushed branch has beside the copies: its README.md, and what git is to leave out.

    titles: of each notebook.
    """
    rows = "".join(
        f"| [{title}]({address.folder}/{name}) | [Colab]({address.colab(name)}) "
        f"| [Binder]({address.binder(name, project())}) |\n"
        for name, title in titles.items()
    )
    return {
        "README.md": ROOM.format(rows=rows).encode(),
        ".gitignore": b"# For the teacher alone\n/solved/\n/slides/\n",
    }


ROOM = """\
# BERT embeddings, hands on: the chapters of this workshop

Open a chapter on Colab (a Google account is needed) or on Binder (no account; a start can take some minutes). \
On both, the first cell installs what is missing. What you write is gone when the session ends, so save a copy: on \
Colab File, Save a copy in Drive; on Binder File, Download.

| chapter | | |
|---|---|---|
{rows}"""


def slides(notebook: Notebook, title: str) -> str:
    """Return a chapter as one HTML file with everything in it: a slide for each cell with the tag `slide`.

    Such a slide is headed by what the cell's metadata say under "slide", a figure by its own title, everything else
    by the section's heading. Where no cell has the tag there is one for each heading, and below it one for each cell.
    A cell that draws is shown by its figure alone, a long one on a picked slide by its result alone; prose between
    the cells goes to the speaker's notes (key S).
    Raises ModuleNotFoundError where nbconvert or sphinx-revealjs, which brings reveal.js along, is missing.
    """
    spec = find_spec("sphinx_revealjs")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("slides need reveal.js: pip install sphinx-revealjs")
    import nbformat
    from nbconvert.exporters import SlidesExporter
    from traitlets.config import Config

    reveal = Path(spec.origin).parent / "_static" / "revealjs"
    parts = {"css": "dist/reveal.css", "js": "dist/reveal.js", "notes": "plugin/notes/notes.js"}
    resources = {"title": title} | {name: (reveal / file).read_text(encoding="utf-8") for name, file in parts.items()}
    shown = _without_solutions(notebook, exercises(notebook))
    cells = [cell for cell in shown["cells"] if cell["id"] not in NOT_ON_SLIDES]
    for cell in cells:
        if cell["cell_type"] != "code":
            cell["source"] = LINK.sub(lambda m: m[0] if "://" in m[3] else m[2], cell["source"])
    shown["cells"] = _picked(cells) if is_picked(notebook) else [_slide(cell, *_kind(cell)) for cell in cells]
    config = Config({"TagRemovePreprocessor": {"enabled": True, "remove_input_tags": {"figure"}}})
    exporter: Any = SlidesExporter(  # type: ignore[no-untyped-call]
        config=config, raw_template=SLIDES, exclude_input_prompt=True, exclude_output_prompt=True
    )
    html, _ = exporter.from_notebook_node(nbformat.reads(json.dumps(shown), as_version=4), resources)  # type: ignore[no-untyped-call]
    return str(html)


def is_picked(notebook: Notebook) -> bool:
    """Whether cells of a chapter are picked for its slides, by the tag `slide`."""
    return any(_is_picked(cell) for cell in notebook["cells"])


def _is_picked(cell: Cell) -> bool:
    return "slide" in cell["metadata"].get("tags", [])


def _draws(cell: Cell) -> bool:
    return any("image/png" in output.get("data", {}) for output in cell.get("outputs", []))


def _kind(cell: Cell) -> tuple[str, list[str]]:
    """The kind of a slide that a cell is where none is picked, and its tags."""
    if cell["cell_type"] == "code":
        return "subslide", ["figure"] * _draws(cell)
    return ("slide" if cell["source"].startswith(("# ", "## ")) else "notes"), []


def _slide(cell: Cell, kind: str, tags: Sequence[str] = ()) -> Cell:
    return cell | {"metadata": {"slideshow": {"slide_type": kind}, "tags": [*tags]}}


def _picked(cells: Sequence[Cell]) -> list[Cell]:
    """The cells of the picked slides: a title, then what is shown, then the prose up to the next one as notes."""
    result: list[Cell] = []
    section = ""
    for cell in cells:
        if cell["cell_type"] != "code":
            section = next(iter(re.findall(r"^##+ (.+)$", cell["source"], re.MULTILINE)), section)
        if cell["id"] == "title":
            heading, _, prose = cell["source"].partition("\n")
            result.append(_slide(cell | {"source": heading}, "slide"))
            result.append(_slide(cell | {"source": prose, "id": "title-notes"}, "notes"))
        elif _is_picked(cell) and cell["source"].startswith("#"):
            result.append(_slide(cell, "slide"))
        elif _is_picked(cell):
            title = cell["metadata"].get("slide", "" if _draws(cell) else section)
            above = {"cell_type": "markdown", "id": f"{cell['id']}-title", "source": title and f"## {title}"}
            is_result = _draws(cell) or len(cell["source"].splitlines()) > SLIDE_LINES
            result += [_slide(above, "slide"), _slide(cell, "-", ["figure"] * is_result)]
        elif cell["cell_type"] != "code":
            result.append(_slide(cell, "notes"))
    return result


SLIDES = """
{%- extends "base.html.j2" -%}
{%- block header -%}
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ resources.title }}</title>
<style>{{ resources.css }}</style>
{% for css in resources.inlining.css %}<style>{{ css }}</style>{% endfor %}
{{ resources.include_css("static/index.css") }}
{{ resources.include_css("static/theme-light.css") }}
<style>
:root { --jp-content-font-size1: 24px; --jp-code-font-size: 22px; --jp-cell-prompt-width: 0; }
body { background: white; color: #111; font-family: system-ui, sans-serif; }
.reveal .slides section { text-align: left; max-height: 100%; overflow-y: auto; }
.reveal h1 { font-size: 52px; } .reveal h2 { font-size: 38px; }
.reveal .slide-number { left: 8px; right: auto; }
.reveal .jp-RenderedImage img { width: 1200px; max-width: none; height: 660px; object-fit: contain; }
.reveal .jp-RenderedImage img { object-position: left top; }
.reveal .jp-RenderedHTMLCommon table { font-size: 22px; margin-left: 0; }
a.anchor-link, .jp-InputPrompt, .jp-OutputPrompt { display: none; }
</style>
</head>
{%- endblock header -%}
{%- block body_header -%}
<body class="jp-Notebook" data-jp-theme-light="true">
<div class="reveal"><div class="slides">
{%- endblock body_header -%}
{%- block body_footer -%}
</div></div>
{%- endblock body_footer -%}
{%- block footer -%}
<script>{{ resources.js }}</script>
<script>{{ resources.notes }}</script>
<script>
Reveal.initialize({
  width: 1280, height: 720, margin: 0.03, center: false, hash: true, slideNumber: "c/t", transition: "none",
  plugins: [RevealNotes],
});
const fit = ({currentSlide: slide}) => {  // what is too high becomes smaller, but stays readable; the rest scrolls
  if (slide.scrollHeight > 690) slide.style.zoom = Math.max(0.6, 690 / slide.scrollHeight);
};
Reveal.on("ready", fit);
Reveal.on("slidechanged", fit);
</script>
</body>
</html>
{%- endblock footer -%}
"""


def find_notebooks() -> Path:
    """Return the folder of the chapters: the repository's own, else what the installed package carries.

    Raises ValueError where there is neither.
    """
    carried = PROJECT / "bertutil" / "course" / "notebooks"
    for folder in (PROJECT / "notebooks", carried):
        if (folder / "glossary.md").is_file():
            return folder
    raise ValueError(f"{carried} is missing: install bertutil again, or clone its repository")


def find_chapters(folder: Path) -> dict[int, Path]:
    """Return the chapters in a folder by their numbers. Raises ValueError where there is none, or two of one."""
    paths: dict[int, Path] = {}
    for path in sorted(folder.glob("[0-9][0-9]_*.ipynb")):
        if other := paths.get(int(path.name[:2])):
            raise ValueError(f"{other} and {path.name} are of one chapter; keep one of them")
        paths[int(path.name[:2])] = path
    if not paths:
        raise ValueError(f"no notebooks in {folder}; clone the repository, and give its folder with --notebooks PATH")
    return paths


def copies(
    folder: Path, chosen: Sequence[Path], make: Callable[[Notebook], Notebook], address: Address | None = None
) -> dict[str, bytes | Path]:
    """Return the files of a folder of copies: the chapters as `make` makes them, the glossary, what they link to.

    name -> the content, or the file to copy. With an `address` all links lead to the copies there. Raises ValueError
    for a chapter that is damaged, OSError for one that cannot be read, each with the file's name.
    """
    glossary = folder / "glossary.md"
    present = {path.name for path in chosen} | ({glossary.name} if glossary.is_file() else set())
    files: dict[str, bytes | Path] = {}
    for path in chosen:
        with _named(path):
            notebook = make(read(path))
            for cell in notebook["cells"]:
                if cell["cell_type"] == "markdown":
                    cell["source"], beside = relink(cell["source"], folder, present)
                    files |= beside
                    if address:
                        cell["source"] = with_whole_links(cell["source"], address)
                if address and cell["id"] == "title":
                    set_links(cell, address.links(path.name, project()))
            files[path.name] = (json.dumps(notebook, ensure_ascii=False, indent=1) + "\n").encode()
    if glossary.is_file():
        with _named(glossary):
            text, beside = relink(glossary.read_text(encoding="utf-8"), folder, present)
            files |= {glossary.name: text.encode(), **beside}
    return files


def write(
    folder: Path,
    out: Path,
    chapters: Sequence[int] = (),
    with_slides: bool = False,
    address: Address | None = None,
    offline: bool = False,
) -> list[str]:
    """Write the copies of the chapters (default: all) in `folder` to `out`; return the names of their notebooks.

    `address`: where `out` will be pushed to. `offline`: with a stick that needs no network.

    Raises ValueError where there is no such notebook and for one that is damaged, OSError where a file cannot be
    read or written, each with the file's name.
    """
    paths = find_chapters(folder)
    if missing := sorted({*chapters} - {*paths}):
        raise ValueError(f"there is no chapter {missing[0]}; there are {', '.join(map(str, paths))}")
    chosen = [paths[number] for number in chapters or paths]
    files: dict[str, bytes | Path] = {}
    for kind, make, place in [("learner", learner, address), ("solved", solved, None)]:
        files |= {f"{kind}/{name}": content for name, content in copies(folder, chosen, make, place).items()}
    if address:
        titles = {path.name: read(path)["cells"][0]["source"].splitlines()[0].lstrip("# ") for path in chosen}
        files |= pages_of_a_room(titles, address)
    for path in chosen if with_slides else ():
        with _named(path):
            files[f"slides/{path.stem}.html"] = slides(read(path), path.stem).encode()
    if not offline:
        put(files, out)
    else:
        with tempfile.TemporaryDirectory(prefix="stick-") as wheels:
            put(files | {f"stick/{name}": each for name, each in stick.files(PROJECT, Path(wheels)).items()}, out)
    return [path.name for path in chosen]


def put(files: Mapping[str, bytes | Path], out: Path) -> None:
    """Write files (name -> the content, or the file to copy) to the folder `out`, over what has the same names.

    All is made in a folder beside `out` and then moved there, so that nothing half made is left where it fails.
    Raises OSError or ValueError with the file's name.
    """
    above = next(place for place in out.absolute().parents if os.path.lexists(place))
    if not above.is_dir():
        raise NotADirectoryError(f"{above} is no folder, so {out} cannot be one; give another folder")
    with tempfile.TemporaryDirectory(prefix=".workshop-", dir=above) as beside:
        for name, content in files.items():
            (Path(beside) / name).parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Path):
                shutil.copyfile(content, Path(beside) / name)
            else:
                (Path(beside) / name).write_bytes(content)
        for name in files:  # before the first file is moved
            for place in Path(name).parents[:-1]:
                require_no_link(out / place)
            if (out / name).is_dir():
                raise IsADirectoryError(f"{out / name} is a folder, and a file is to be written there")
            at = next(place for place in (out / name).absolute().parents if os.path.lexists(place))
            if not at.is_dir() or not os.access(at, os.W_OK):
                raise PermissionError(f"nothing can be written in {at}; give another folder")
        for name in files:
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(Path(beside) / name, out / name)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Put the file's name before what is wrong with it."""
    try:
        yield
    except (OSError, ImportError):
        raise
    except Exception as error:  # nbconvert and nbformat have many kinds
        raise ValueError(f"{path}: {error}") from error


def main(arguments: list[str]) -> int:
    """Run the command line; 1 with a message where nothing was written."""
    parser = argparse.ArgumentParser(
        prog="bertutil workshop",
        description="Write copies of the chapters: OUT/learner without solutions, OUT/solved with them.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="a new or empty folder")
    parser.add_argument("--chapters", type=int, nargs="+", default=[], metavar="N", help="only these; default: all")
    parser.add_argument("--slides", action="store_true", help="also OUT/slides: one HTML file a chapter, offline")
    room = parser.add_argument_group("a room on Colab or Binder: OUT becomes a branch to push")
    room.add_argument("--address", metavar="URL", help="your repository or fork: https://github.com/owner/name")
    room.add_argument("--ref", metavar="BRANCH", help="the branch that you will push OUT to, such as workshop")
    parser.add_argument(
        "--offline",
        action="store_true",
        help="also OUT/stick: packages for machines like this one, and a script that installs them and starts",
    )
    parser.add_argument("--notebooks", type=Path, help="the folder of the chapters (default: where they are)")
    parser.add_argument("--force", action="store_true", help="write into a folder that is not empty")
    options = parser.parse_args(arguments[1:])
    try:
        if (options.address is None) != (options.ref is None):
            raise ValueError("--address and --ref go together: the repository, and the branch that OUT is pushed to")
        address = parse(options.address, options.ref, "learner") if options.address else None
        if os.path.lexists(options.out) and not options.out.is_dir():
            raise ValueError(f"{options.out} is no folder; give another one")
        if options.out.exists() and not options.force and any(options.out.iterdir()):
            raise ValueError(f"{options.out} is not empty: give another folder, or --force to write over its files")
        source = options.notebooks or find_notebooks()
        names = write(source, options.out, options.chapters, options.slides, address, options.offline)
    except (ValueError, OSError, ImportError) as error:
        print("nothing was written:", " ".join(str(error).split()), file=sys.stderr)
        return 1
    folders = "learner, solved and slides" if options.slides else "learner and solved"
    if options.slides:
        whole = [name for name in names if not is_picked(read(source / name))]
        if whole:
            print(f"No cell has the tag 'slide' in {', '.join(whole)}: their slides show every cell")
    print(f"{len(names)} chapters written to {options.out}, folders {folders}: {', '.join(names)}")
    if options.offline:
        wheels = [*(options.out / "stick" / "wheels").iterdir()]
        gigabytes = sum(path.stat().st_size for path in wheels) / 1e9
        print(
            f"OUT/stick: {len(wheels)} packages, {gigabytes:.1f} GB. Copy the folder, and start it as its README says"
        )
        if any(path.name.startswith("nvidia") for path in wheels):
            print("Packages for GPUs came along, several GB: the README's line on Linux without a GPU avoids them")
    if address:
        page = f"https://github.com/{address.slug}/tree/{address.ref}"
        print(
            f"To publish the learners' copies (solved ones stay here):\n  cd {options.out}\n"
            f"  git init -b {address.ref} && git add . && git commit -m Workshop\n"
            f"  git push https://github.com/{address.slug} {address.ref}\n"
            f"Then hand out one link, which has all the others: {page}"
        )
    return 0
