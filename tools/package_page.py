"""The README as the package's page: python tools/package_page.py, before a build (.github/workflows/release.yml)

A package index shows it without the files beside it, so each link to one becomes whole: to its page on GitHub at the
ref of pyproject.toml, and of a picture to the picture itself. It is written over README.md; `git restore README.md`
undoes that.
"""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
LINK = re.compile(r"(!?\[(?:[^\[\]]|\[[^\]]*\])*\])\((?!https?:|#)([^)\s]+)\)")


def whole(text: str, repository: str, ref: str) -> str:
    """The text with whole links. repository: https://github.com/owner/name."""
    raw = repository.replace("github.com", "raw.githubusercontent.com")

    def link(match: re.Match) -> str:
        base = f"{raw}/{ref}" if match[1].startswith("!") else f"{repository}/blob/{ref}"
        return f"{match[1]}({base}/{match[2]})"

    return LINK.sub(link, text)


if __name__ == "__main__":
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    page, repository = ROOT / "README.md", settings["project"]["urls"]["Repository"]
    text = whole(page.read_text(encoding="utf-8"), repository, settings["tool"]["launch"]["ref"])
    page.write_text(text, encoding="utf-8", newline="\n")
