"""Settings of the book, for Sphinx. `python tools/book.py` puts the pages together and builds it."""

import json
import re
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from docutils import nodes
from myst_nb.core.render import NbElementRenderer
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx

ROOT = Path(__file__).parent.parent
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
REPOSITORY = SETTINGS["project"]["urls"]["Repository"]
REF = SETTINGS["tool"]["launch"]["ref"]  # the tag or branch that all buttons and links open
PLACE = REPOSITORY.removeprefix("https://github.com/")
OWNER, NAME = PLACE.split("/")
# one file of MathJax draws all formulas and needs nothing from the network; the package's own extension copies 24 MB
MATHJAX = Path(find_spec("sphinx-mathjax-offline").origin).parent / "static" / "mathjax" / "tex-svg.js"

project = html_title = "BERT embeddings, hands on"
author = "The authors of BERT embeddings, hands on"
copyright = f"2026, {author}"
language = "en"
extensions = ["myst_nb", "sphinx.ext.mathjax", "sphinx_copybutton", "sphinxext.opengraph"]
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
    "source": f"{REPOSITORY}/blob/{REF}/{{{{path}}}}",
    "binder": f"https://mybinder.org/v2/gh/{PLACE}/{REF}?urlpath=lab/tree/{{{{path}}}}",
    "colab": f"https://colab.research.google.com/github/{PLACE}/blob/{REF}/{{{{path}}}}",
}
python_maximum_signature_line_length = 80
python_trailing_comma_in_multi_line_signatures = False
mathjax_path = MATHJAX.name

# code, not outputs; of an example in the reference what stands behind the prompts
copybutton_selector = ", ".join(
    ["div.cell_input pre", *(f"div.highlight-{kind} pre" for kind in ("bash", "python", "pycon"))]
)
copybutton_prompt_text, copybutton_prompt_is_regexp = r">>> |\.\.\. ", True

html_baseurl = ogp_site_url = f"https://{OWNER}.github.io/{NAME}/"  # the canonical address of each page starts so
ogp_use_first_image = True  # the picture of a link to a page that is sent to somebody, and its alternative text
ogp_image = "_images/sealed.png"  # for a page without a figure: that of the landing page
ogp_image_alt = "How often the nearest sentence uses a word in the same sense, layer by layer, on three data sets"
ogp_custom_meta_tags = ['<meta name="twitter:card" content="summary_large_image" />']

html_theme = "sphinx_book_theme"
templates_path = ["_templates"]
html_static_path = ["_static", str(MATHJAX)]
html_css_files = ["book.css", "ledger.css"]
html_favicon = html_logo = "_static/logo.svg"
html_copy_source = True  # the download button of a chapter
html_use_index = html_domain_indices = False
html_context = {"default_mode": "auto"}  # light or dark as the reader's system is, until the button is used
html_theme_options = {
    "logo": {"text": project, "alt_text": ""},
    "repository_url": REPOSITORY,
    "repository_branch": REF,
    "use_repository_button": True,
    "use_issues_button": True,
    "use_edit_page_button": True,
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


def link_to_repository(app: Sphinx, doctree: nodes.document) -> None:
    """A link to a file that is no page of the book leads to the repository; MyST itself would only warn of it."""
    for node in list(doctree.findall(pending_xref)):
        file = (ROOT / Path(node.get("refdoc", "")).parent / node["reftarget"]).resolve()
        own = node["reftype"] == "myst" and node["refdomain"] != "doc"
        if own and file.is_file() and file.is_relative_to(ROOT):
            address = f"{REPOSITORY}/blob/{REF}/{file.relative_to(ROOT).as_posix()}"
            node.replace_self(nodes.reference("", "", *node.children, refuri=address, internal=False))


def address_cells(app: Sphinx, doctree: nodes.document) -> None:
    """A cell's id, a word that stays, is its address in the chapter: #cell-words-equal."""
    file = Path(app.env.doc2path(app.env.docname))
    if file.suffix == ".ipynb":
        cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
        for node in doctree.findall(nodes.container):
            if "cell_index" in node:
                node["ids"].append(f"cell-{cells[node['cell_index']]['id']}")


def make_accessible(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """Mend what a screen reader trips over: the empty corner of pandas' tables, a definition list without terms."""
    body = context.get("body", "").replace("<th></th>", "<td></td>")
    parameters = re.compile(r'(?<=<span class="sig-paren">\(</span>)\s*<dl>(.*?)</dl>', re.DOTALL)
    context["body"] = parameters.sub(lambda found: re.sub(r"(</?)dd>", r"\1span>", found[1]), body)


def describe(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    """A page's description begins with its first sentence, not with the launch links; the page itself is written."""
    for paragraph in list(doctree.findall(nodes.paragraph)) if doctree else []:
        if paragraph.astext().startswith("Open in "):
            paragraph.parent.remove(paragraph)


def edit_where_it_stands(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """The edit button opens the file in its folder: tools/book.py takes the pages of book/ out of it."""
    context["doc_path"] = "" if "/" in page else "book"


def setup(app: Sphinx) -> None:
    """Hook the functions above into the build."""
    NbElementRenderer.render_image = render_image_with_alt
    NbElementRenderer.render_text_html = render_html_but_words_of_figures
    app.connect("doctree-read", link_to_repository)
    app.connect("doctree-read", address_cells)
    app.connect("html-page-context", make_accessible)
    app.connect("html-page-context", describe, priority=400)
    app.connect("html-page-context", edit_where_it_stands, priority=400)
