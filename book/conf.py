"""Settings of the book, for Sphinx. `python tools/book.py` puts the pages together and builds it."""

import re
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from docutils import nodes
from myst_nb.core.render import NbElementRenderer
from sphinx.application import Sphinx

ROOT = Path(__file__).parent.parent
REPOSITORY = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Repository"]
PLACE = REPOSITORY.removeprefix("https://github.com/")
# one file of MathJax draws all formulas and needs nothing from the network; the package's own extension copies 24 MB
MATHJAX = Path(find_spec("sphinx-mathjax-offline").origin).parent / "static" / "mathjax" / "tex-svg.js"

project = html_title = "BERT embeddings, hands on"
author = "The authors of BERT embeddings, hands on"
copyright = f"2026, {author}"
language = "en"
extensions = ["myst_nb", "sphinx.ext.mathjax"]
exclude_patterns = ["_*.md"]  # parts that other pages include
smartquotes = False  # quotation marks are as in the notebooks; in the reference they belong to code

nb_execution_mode = "off"  # the committed outputs, which the tests compare with what the code gives
nb_code_prompt_show = nb_code_prompt_hide = "Code"  # a cell's metadata can say another word: Set-up, Solution
nb_render_markdown_format = "myst"  # so that links in the outputs, as in the ledger, lead to pages
nb_number_source_lines = False
myst_enable_extensions = ["attrs_block", "colon_fence", "dollarmath"]
myst_heading_anchors = 4
myst_url_schemes = {
    "http": None,
    "https": None,
    "explorer": "explorer/index.html",  # no page of Sphinx: tools/explorer.py puts it there
    "repository": REPOSITORY,
    "source": f"{REPOSITORY}/blob/main/{{{{path}}}}",
    "binder": f"https://mybinder.org/v2/gh/{PLACE}/main?urlpath=lab/tree/{{{{path}}}}",
    "colab": f"https://colab.research.google.com/github/{PLACE}/blob/main/{{{{path}}}}",
}
python_maximum_signature_line_length = 80
python_trailing_comma_in_multi_line_signatures = False
mathjax_path = MATHJAX.name

html_theme = "sphinx_book_theme"
html_static_path = ["_static", str(MATHJAX)]
html_css_files = ["book.css"]
html_favicon = html_logo = "_static/logo.svg"
html_copy_source = True  # the download button of a chapter
html_use_index = html_domain_indices = False
html_context = {"default_mode": "auto"}  # light or dark as the reader's system is, until the button is used
html_theme_options = {
    "logo": {"text": project, "alt_text": ""},
    "repository_url": REPOSITORY,
    "repository_branch": "main",
    "use_repository_button": True,
    "use_issues_button": True,
    "launch_buttons": {
        "binderhub_url": "https://mybinder.org",
        "colab_url": "https://colab.research.google.com",
        "notebook_interface": "jupyterlab",
    },
    "navbar_persistent": [],  # one search field, in the sidebar
    "show_toc_level": 2,
    "footer_content_items": ["copyright.html", "extra-footer.html"],
    "extra_footer": "Code: MIT. Text, figures and data: CC BY 4.0.",
}

render_image, render_text_html = NbElementRenderer.render_image, NbElementRenderer.render_text_html


def render_image_with_alt(self: NbElementRenderer, data: object) -> list[nodes.Element]:
    """Give a figure the alternative text that plots.show() writes beside it; myst-nb leaves it out."""
    images = render_image(self, data)
    for image in images:
        image["alt"] = data.output_metadata.get(data.mime_type, {}).get("alt", "")
        image["scale"] = 100  # its true size at most, and a click opens it alone, to enlarge it on a phone
    return images


def render_html_but_words_of_figures(self: NbElementRenderer, data: object) -> list[nodes.Element]:
    """Leave out what plots.show() says for JupyterLab's sake: here the figure itself has its alternative text."""
    return [] if 'class="figure-in-words"' in data.string else render_text_html(self, data)


def link_to_repository(app: Sphinx, env: object, node: nodes.Element, content: nodes.Element) -> nodes.Element | None:
    """A link to a file that is no page of the book leads to the repository."""
    folder = Path(node.get("refdoc", "")).parent
    file = (ROOT / folder / node["reftarget"]).resolve()
    if node["reftype"] != "myst" or not file.exists() or not file.is_relative_to(ROOT):
        return None
    address = f"{REPOSITORY}/blob/main/{file.relative_to(ROOT).as_posix()}"
    return nodes.reference("", "", content, refuri=address, internal=False)


def make_accessible(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """Mend what a screen reader trips over: the empty corner of pandas' tables, a definition list without terms."""
    body = context.get("body", "").replace("<th></th>", "<td></td>")
    parameters = re.compile(r'(?<=<span class="sig-paren">\(</span>)\s*<dl>(.*?)</dl>', re.DOTALL)
    context["body"] = parameters.sub(lambda found: re.sub(r"(</?)dd>", r"\1span>", found[1]), body)


def setup(app: Sphinx) -> None:
    """Hook the functions above into the build."""
    NbElementRenderer.render_image = render_image_with_alt
    NbElementRenderer.render_text_html = render_html_but_words_of_figures
    app.connect("missing-reference", link_to_repository)
    app.connect("html-page-context", make_accessible)
