"""The repository's address stands in pyproject.toml; everything that repeats it is written and checked from here.

python tools/address.py check                                  which files say something else; exit status 1 if any
python tools/address.py write                                  write all of them again, after a new version, say
python tools/address.py set https://github.com/me/fork         move to another address: a fork, a workshop's copy
python tools/address.py set https://github.com/me/fork --ref workshop      a branch for one workshop
python tools/address.py set https://github.com/me/fork --ref v1.2.0        before the commit that gets this tag

The launch links and the install cell name a tag or branch too, `ref` in pyproject.toml, so that a chapter and the
package that it installs are of one version. Written are: the address and the ref wherever they stand in a text file,
the launch links below the title of each chapter and in the README's table, and each chapter's install cell.
"""

import argparse
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
from bertutil.course.address import SLUG, Address, parse, set_links  # noqa: E402

TEXT = {".cff", ".ipynb", ".md", ".toml", ".yml"}
LAUNCH = re.compile(rf"(colab\.research\.google\.com/github/|git\+https://github\.com/){SLUG}(/blob/|@)[\w.-]+")
# A row of the README's table of chapters, with or without the launch links in its last column
ROW = re.compile(r"^(\|.*\]\(notebooks/([\w.-]+\.ipynb)\).*?) \|(?: \[Colab\]\(.*)?$", re.MULTILINE)

# The line of the README that opens the web site, and the tour on Colab and Binder
TRY = re.compile(r"^\*\*\[Read it online\]\(.*$", re.MULTILINE)
TOUR = "00_tour.ipynb"


def read(root: Path = ROOT) -> Address:
    """The address in pyproject.toml."""
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    return parse(settings["project"]["urls"]["Repository"], settings["tool"]["launch"]["ref"])


def files(root: Path) -> list[Path]:
    """The text files that may hold the address: known to git, or new and not ignored."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout.splitlines()
    return [path for name in sorted(listed) if (path := root / name).suffix in TEXT and path.exists()]


def rewrite(path: Path, old: Address, new: Address) -> str:
    """The text of a file with the new address in it."""
    text = path.read_text(encoding="utf-8")
    text = re.sub(rf"(?<=github\.com/){re.escape(old.slug)}(?![\w-]|\.(?!git\b)\w)", new.slug, text)
    pages = [re.sub("/", ".github.io/", slug) for slug in (old.slug, new.slug)]
    text = text.replace(*pages)
    text = LAUNCH.sub(rf"\g<1>{new.slug}\g<2>{new.ref}", text)
    if path.name == "pyproject.toml":
        text = re.sub(r'(?<=^\[tool\.launch\]\nref = ")[^"]*', new.ref, text, flags=re.MULTILINE)
    if path.name == "README.md":
        text = ROW.sub(lambda row: f"{row[1]} | {new.short_links(row[2])} |", text)
        text = TRY.sub(lambda _: try_it(new), text)
    return write_opening(text, path.name, new) if path.suffix == ".ipynb" else text


def try_it(address: Address) -> str:
    """How to begin without installing: the web site, and the tour on Colab and Binder."""
    owner, _, name = address.slug.partition("/")
    site = f"https://{owner}.github.io/{name}/"
    colab = f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({address.colab(TOUR)})"
    binder = f"[![Open in Binder](https://mybinder.org/badge_logo.svg)]({address.binder(TOUR)})"
    return (
        f"**[Read it online]({site})**, [type a sentence and watch its vectors move]({site}explorer/index.html), "
        f"or try chapter 0, the tour, with nothing to install: {colab} {binder}"
    )


def write_opening(text: str, name: str, address: Address) -> str:
    """A notebook with the launch links below its title and with the install cell, which must be there already."""
    notebook = nbformat.reads(text, as_version=4)
    cells = {cell.get("id"): cell for cell in notebook.cells}
    before = cells["title"].source, cells["install"].source
    set_links(cells["title"], address.links(name))
    cells["install"].source = address.install_cell()
    same = before == (cells["title"].source, cells["install"].source)
    return text if same else nbformat.writes(notebook) + "\n"


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check", help="name the files that say something else")
    commands.add_parser("write", help="write the address into all files")
    move = commands.add_parser("set", help="another address")
    move.add_argument("url", help="https://github.com/owner/name")
    move.add_argument("--ref", default="main", help="the tag or branch that the buttons open (default: main)")
    arguments = parser.parse_args()
    old = read()
    new = parse(arguments.url, arguments.ref) if arguments.command == "set" else old
    changed = {path: text for path in files(ROOT) if (text := rewrite(path, old, new)) != path.read_text("utf-8")}
    for path, text in changed.items():
        if arguments.command == "check":
            print(f"{path.relative_to(ROOT)}: not as {new.slug} at {new.ref}; to mend: python tools/address.py write")
        else:
            path.write_text(text, encoding="utf-8", newline="\n")
            print(f"{path.relative_to(ROOT)}: written")
    return int(arguments.command == "check" and bool(changed))


if __name__ == "__main__":
    sys.exit(main())
