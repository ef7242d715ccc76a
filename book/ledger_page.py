"""The ledger as a page of its own: a table in HTML, read from chapter 15 as it is committed.

Nothing is measured here: verdicts, figures and words are those of the chapter's cells and outputs. So the page needs
neither torch nor a checkpoint, and cannot say anything else than the chapter.
"""

import re
from collections import Counter
from collections.abc import Mapping
from html import escape
from typing import Any, NamedTuple

from markdown_it import MarkdownIt

# A verdict's sign: each can be told from the others without its colour, and the word stands beside it.
SIGNS = {
    "holds": "✓",
    "holds with a limit": "◐",
    "not decided on our data": "?",
    "depends on the seed": "±",
    "does not hold": "✗",
    "published, not re-measured here": "§",
    "cannot be measured with this checkpoint": "–",
}
NO_BET = ("published, not re-measured here", "cannot be measured with this checkpoint")
RANDOM = "random weights"


class Entry(NamedTuple):
    """A claim as the chapter has it. `verdicts`: by column, this checkpoint's first; `finding`: what was printed."""

    id: str
    title: str
    says: str
    test: str
    comment: str
    finding: str
    published: str
    source: str
    file: str
    verdicts: dict[str, str]
    note: str

    @property
    def sources(self) -> list[str]:
        """Where the claim is said, without the section: "article", "first answer"."""
        both = self.source.replace("first and second answer", "first answer; second answer")
        return [part.split(",")[0].strip() for part in both.split(";")]


def entries(chapter: Mapping[str, Any], others: Mapping[str, Mapping[str, str]]) -> list[Entry]:
    """The claims of chapter 15, a parsed notebook; `others`: verdicts by id, for each further column.

    Raises ValueError for a verdict without a sign.
    """
    cells = {cell["id"]: cell for cell in chapter["cells"]}
    table = "".join(cells["ledger-table"]["outputs"][0]["data"]["text/markdown"])
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()]
    checkpoint = head[3].removeprefix("measured: ")
    found = []
    for id, says, verdict, _, random, published, source, link in rows:
        words, note = re.fullmatch(r"\*\*(.*)\*\* ?\(?(.*?)\)?", verdict).groups()
        heading, _, _, test, *comment = "".join(cells[f"{id.lower()}-says"]["source"]).split("\n\n")
        verdicts = {checkpoint: words, RANDOM: random} | {name: column.get(id, "") for name, column in others.items()}
        if unknown := set(verdicts.values()) - {"", *SIGNS}:
            raise ValueError(f"{id}: the verdict {unknown.pop()!r} has no sign in book/ledger_page.py")
        found.append(
            Entry(
                id,
                heading.split(": ", 1)[1],
                says,
                test.removeprefix("Test: "),
                "\n\n".join(comment),
                "".join(cells[id.lower()]["outputs"][0]["text"]),
                published,
                source,
                re.search(r"\((.*)\.ipynb\)", link)[1],
                verdicts,
                note,
            )
        )
    return found


def ledger_page(
    chapter: Mapping[str, Any], titles: Mapping[str, str], others: Mapping[str, Mapping[str, str]] | None = None
) -> str:
    """The controls and the table, as HTML; `titles`: the title of each chapter by its file's name without ending."""
    found = entries(chapter, others or {})
    columns = list(found[0].verdicts)
    counts = Counter(entry.verdicts[columns[0]] for entry in found)
    legend = "".join(f"<li>{chip(verdict)}: {counts[verdict]}</li>" for verdict in SIGNS if counts[verdict])
    head = ["id", "claim", *columns, "source", "chapter"]
    cells = "".join(f'<th role="columnheader" scope="col">{escape(name)}</th>' for name in head)
    return "\n".join(
        [
            '<script defer src="_static/ledger.js"></script>',
            f'<ul class="ledger-legend" aria-label="Verdicts for {columns[0]}, and how many">{legend}</ul>',
            controls(found, columns[0], titles),
            '<table class="ledger" role="table">',
            f'<thead role="rowgroup"><tr role="row">{cells}</tr></thead>',
            '<tbody role="rowgroup">',
            *(row(entry, titles) for entry in found),
            "</tbody></table>",
        ]
    )


def controls(found: list[Entry], checkpoint: str, titles: Mapping[str, str]) -> str:
    """The filters and the switch for betting; hidden until ledger.js is there to answer them."""
    verdicts = [verdict for verdict in SIGNS if any(entry.verdicts[checkpoint] == verdict for entry in found)]
    sources = sorted({source for entry in found for source in entry.sources})
    files = sorted({entry.file for entry in found})
    return "\n".join(
        [
            '<form class="ledger-controls" hidden>',
            select("verdict", {verdict: f"{SIGNS[verdict]} {verdict}" for verdict in verdicts}),
            select("chapter", {file[:2]: titles[file] for file in files}),
            select("source", {source: source for source in sources}),
            '<label><input type="checkbox" name="bet" value="first"> bet first: no verdict before you bet</label>',
            '<button type="reset">Start again</button>',
            '<p role="status" class="ledger-count"></p>',
            '<p role="status" class="ledger-score"></p>',
            "</form>",
        ]
    )


def select(name: str, options: Mapping[str, str]) -> str:
    """A filter; the first choice, all, has no value."""
    chosen = "".join(f'<option value="{escape(value)}">{escape(text)}</option>' for value, text in options.items())
    return f'<label>{name} <select name="{name}"><option value="">all</option>{chosen}</select></label>'


def row(entry: Entry, titles: Mapping[str, str]) -> str:
    """A claim: its address is its id. What tells the verdict has the class `ledger-secret`."""
    first, *_ = entry.verdicts.values()
    number = entry.file[:2]
    hidden = '<span class="ledger-placeholder">hidden until you bet</span>'
    note = f"<small>{escape(entry.note)}</small>" if entry.note else ""
    verdicts = [
        f'<td role="cell" data-label="{escape(name)}">{hidden}<div class="ledger-secret">{chip(verdict)}'
        f"{note if i == 0 else ''}</div></td>"
        for i, (name, verdict) in enumerate(entry.verdicts.items())
    ]
    chapter = f'<a href="notebooks/{entry.file}.html" title="{escape(titles[entry.file])}">{int(number)}</a>'
    bet = "" if first in NO_BET else " data-bet"
    return "".join(
        [
            f'<tr role="row" id="{entry.id}" data-verdict="{escape(first)}" data-chapter="{number}"'
            f' data-source="{escape("; ".join(entry.sources))}"{bet}>',
            f'<th role="rowheader" scope="row"><a href="#{entry.id}">{entry.id}</a></th>',
            f'<td role="cell" class="ledger-claim"><strong>{inline(entry.title)}</strong>',
            f"<p>{inline(entry.says)}</p>{details(entry)}</td>",
            *verdicts,
            f'<td role="cell" data-label="source">{escape(entry.source)}</td>',
            f'<td role="cell" data-label="chapter">{chapter}</td></tr>',
        ]
    )


def details(entry: Entry) -> str:
    """How a claim was measured, and what came out."""
    anchor = slug(f"{entry.id}: {entry.title}")
    published = f"<p>Published: {inline(entry.published)}</p>" if entry.published else ""
    return "".join(
        [
            '<details class="ledger-secret"><summary>How it was measured</summary>',
            f"<p>{inline(entry.test)}</p><pre>{escape(entry.finding)}</pre>{published}",
            MarkdownIt().render(to_pages(entry.comment)),
            f'<p><a href="notebooks/15_claims.html#{anchor}">{entry.id} in chapter 15</a></p>',
            "</details>",
        ]
    )


def chip(verdict: str) -> str:
    """A verdict's sign and word; nothing where a checkpoint has none."""
    if not verdict:
        return ""
    sign = f'<span class="ledger-sign" aria-hidden="true">{SIGNS[verdict]}</span>'
    return f'<span class="ledger-verdict" data-sign="{SIGNS[verdict]}">{sign} {escape(verdict)}</span>'


def inline(text: str) -> str:
    """A sentence with Markdown in it, as HTML."""
    return MarkdownIt().renderInline(to_pages(text))


def to_pages(text: str) -> str:
    """A link of chapter 15 to a file beside it leads to that file's page."""
    return re.sub(r"\]\(([\w-]+)\.(?:ipynb|md)", r"](notebooks/\1.html", text)


def slug(heading: str) -> str:
    """The anchor that MyST gives to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
