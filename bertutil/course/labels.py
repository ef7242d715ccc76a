"""What chapters 7 and later say of the checkpoint behind their figures: a short name, and a box of two lines."""

from pathlib import Path

from IPython.display import Markdown

from bertutil.checkpoints import CATALOGUE, Bert


def label(bert: Bert) -> str:
    """Return a checkpoint's name for figures and tables: that of the catalogue, or the end of its path or hub id."""
    return bert.name if bert.name in CATALOGUE else Path(bert.name).name


def box(bert: Bert, differs: str) -> Markdown:
    """Return the two lines at the top of a chapter's results: what computed them, and what does not carry over.

    `differs` says, in a sentence, what of the chapter's results would be otherwise with bert-base-uncased, the 2019
    article's model; with that checkpoint itself the second line says that these are its own figures.
    """
    what = CATALOGUE[bert.name].description if bert.name in CATALOGUE else "a checkpoint outside the catalogue"
    shape = f"{bert.n_layers} layers, {bert.hidden_size} features"
    first = f"**Computed with {label(bert)}** ({what if shape in what else f'{what}; {shape}'})."
    own = "These are the figures of the 2019 article's own model."
    rest = own if bert.name == "bert-base-uncased" else f"**Not carried over:** {differs}"
    made: Markdown = Markdown(f"> {first}\n>\n> {rest}")  # type: ignore[no-untyped-call]
    return made
