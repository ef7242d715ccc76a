"""The links of README, chapters and book: python tools/links.py [--external]

Inside the project: every file and heading that a link names is there (the tests ask for this as well; the book's own
pages are left to its builder). --external: asks the other web sites too, which takes a minute and a network.
"""

import argparse
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
from tools import address  # noqa: E402

BLOCK = re.compile(r"^ *```.*?^ *```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(<?((?:[^()\s<>]|\([^()\s]*\))+)")
WEB = re.compile(r"https?://(?:[^\s()<>\"'`\]]|\([^\s()]*\))+")
REFUSED = (401, 403, 405, 406, 418, 429, 503)  # the site is there and does not serve programs


def pages(
    root: Path, patterns: Iterable[str] = ("*.md", "notebooks/*", "bertutil/**/*.md", "docs/*.md")
) -> list[Path]:
    """The pages that link to one another by file."""
    found = [path for pattern in patterns for path in sorted(root.glob(pattern))]
    return [path for path in found if path.suffix in (".md", ".ipynb")]


def markdown(page: Path) -> str:
    """A page's Markdown without its blocks of code."""
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".ipynb":
        cells = nbformat.reads(text, as_version=4).cells
        text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return BLOCK.sub("", text)


def prose(page: Path) -> str:
    """A page's Markdown without code."""
    return re.sub(r"`[^`\n]*`", "", markdown(page))


def anchors(page: Path) -> set[str]:
    """The names that a link may give after '#': GitHub's form of each heading, and ids written as HTML."""
    text = markdown(page)
    headings = [re.sub(r"\]\([^)]*\)", "", line).lower() for line in re.findall(r"^#{1,6} +(.*?) *#*$", text, re.M)]
    from_headings = {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in headings}
    return from_headings | set(re.findall(r"""<\w+ (?:id|name)=["']([^"']+)""", text))


def internal_problems(root: Path, some: list[Path] | None = None) -> list[str]:
    """Links to a file or a heading that is not there."""
    found = []
    for page in some or pages(root):
        for link in LINK.findall(prose(page)):
            if re.match(r"[a-z]+:", link):
                continue
            name, _, anchor = link.partition("#")
            target = page.parent / name if name else page
            if not target.exists():
                found.append(f"{page.relative_to(root)}: no file {name}")
            elif anchor and target.suffix in (".md", ".ipynb") and anchor.lower() not in anchors(target):
                found.append(f"{page.relative_to(root)}: no heading for {name}#{anchor}")
    return found


def external(some: Iterable[Path]) -> set[str]:
    """The web addresses in pages."""
    found = set()
    for page in some:
        found |= {link.rstrip(".,;:!?*_") for link in WEB.findall(prose(page))}
    return found


def answer(link: str) -> str | None:
    """What is wrong with a web address, or None."""
    request = urllib.request.Request(link, headers={"User-Agent": "Mozilla/5.0 (link check)"})
    for attempt in range(3):
        try:
            with urllib.request.urlopen(request, timeout=30):
                return None
        except urllib.error.HTTPError as error:
            if error.code in REFUSED:
                return None
            problem = f"{link}: {error.code} {error.reason}"
        except (OSError, ValueError) as error:
            problem = f"{link}: {error}"
        if attempt == 2:
            return problem
    return None


def main() -> int:
    """Run the command line; 1 if a link is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--external", action="store_true", help="ask other web sites too")
    found = internal_problems(ROOT)
    if parser.parse_args().external:
        here = address.read()
        web = external([*pages(ROOT), *sorted(ROOT.glob("book/*.md"))])
        web = {link for link in web if "mybinder.org/v2/" not in link}  # answers alike for what is not there
        web |= {f"https://github.com/{here.slug}/tree/{here.ref}"}
        with ThreadPoolExecutor(8) as pool:
            found += filter(None, pool.map(answer, sorted(web)))
    print("\n".join(found) or "all links lead somewhere")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
