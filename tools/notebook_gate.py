"""The notebook gate. `pytest --nbval` executes every cell; this plugin compares the outputs with the committed ones.

nbval alone compares text exactly, never looks at a picture and passes a notebook without outputs. The rules here:

- Text is equal word for word. How much white space separates words does not matter, nor whether there is any next
  to a number (arrays are padded and wrapped differently when a digit changes).
- A number that stands alone and has decimals or an exponent may differ after its fifth significant digit (by less
  than one unit of it), by one unit in the last place when three or more decimals are printed (rounding), and by
  1e-6 at any size (what is left of a float32 difference). Integers, and numbers glued to letters, are exact.
- A picture is there, has alternative text (compared as text), the same size up to two pixels and two percent, and, up
  to antialiasing, a shift of one pixel and 20 pixels in all, the same content. Where another matplotlib is installed
  than the one in constraints.txt, more coarsely.
- Execution counts run from 1 upwards without a gap. No error, nothing on stderr, no connection to another machine.
- A widget's view is left out: it has a random id, and the writer drops it. What stands beside it counts.
- Cells tagged nbval-ignore-output: the same kinds of output, whatever their content.

`pytest --nbval-lax` stays nbval's own: everything runs, nothing is compared. conftest.py registers this with pytest.
"""

import base64
import io
import os
import re
import tempfile
from decimal import Decimal
from importlib.metadata import version
from itertools import zip_longest
from pathlib import Path
from unittest import mock

import nbval.plugin
import pytest
from nbval.plugin import IPyNbCell, IPyNbFile
from PIL import Image, ImageChops, ImageFilter

NUMBER = re.compile(r"(?<![\w.])([-+−]?[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?)(?!\w|\.[0-9])")
# Kernels run without coverage, which would make their imports half as long again; unit tests reach the bar alone
nbval.plugin.setup_coverage = nbval.plugin.teardown_coverage = lambda *args: None
WIDGET = "application/vnd.jupyter.widget-view+json"

# Goes into every kernel as sitecustomize: refuses connections and name look-ups, and writes them down, because
# libraries like to catch the error and go on.
NO_NETWORK = """
import sys
def offline(event, args, log={log!r}):
    if event in ("socket.connect", "socket.sendto"):
        host = args[1][0] if isinstance(args[1], tuple) else ""  # a str or bytes is a Unix socket
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = args[0] or ""
    else:
        return
    host = host.decode() if isinstance(host, bytes) else str(host)
    if host and host not in ("localhost", "::1", "0.0.0.0", "::") and not host.startswith("127."):
        with open(log, "a") as file:
            file.write(f"{{event}} {{args[-1] if event == 'socket.connect' else host}}\\n")
        raise ConnectionRefusedError(f"the notebooks run without a network, and this one asked for {{host}}")
open({log!r}, "a").close()
sys.addaudithook(offline)
"""


def offline_environment(folder: Path) -> dict[str, str]:
    """The environment for a kernel without network; its attempts to connect are written to `folder`/attempts.txt."""
    (folder / "sitecustomize.py").write_text(NO_NETWORK.format(log=str(folder / "attempts.txt")), encoding="utf-8")
    switches = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "BERTUTIL_MODEL")  # a reader has set none of them
    # ipykernel captures less output when it believes that it is itself under test.
    environment = {k: v for k, v in os.environ.items() if k not in (*switches, "PYTEST_CURRENT_TEST")}
    paths = (str(folder), environment.get("PYTHONPATH"))
    return environment | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


def same_number(a: str, b: str) -> bool:
    """Whether two printed numbers are equal by the rules above."""
    if a == b:
        return True
    if any(n.lstrip("-+−").isdigit() for n in (a, b)) or a[-1] == b[-1] == ".":
        return False
    x, y = (Decimal(n.replace("−", "-")) for n in (a, b))
    decimals = [len(n.lower().partition("e")[0].partition(".")[2]) for n in (a, b)]
    last_place = Decimal(1).scaleb(x.as_tuple().exponent) if decimals[0] == decimals[1] >= 3 else 0
    fifth_digit = Decimal(1).scaleb(max(x, y, key=abs).adjusted() - 4)
    return abs(x - y) < fifth_digit or abs(x - y) <= max(last_place, Decimal("1e-6"))


def text_difference(expected: str, came: str) -> str | None:
    """The first difference, with the words before it, or None."""
    old, new = ([word for part in NUMBER.split(text) for word in part.split()] for text in (expected, came))
    for i, (a, b) in enumerate(zip_longest(old, new, fillvalue="")):
        if a != b and not (NUMBER.fullmatch(a) and NUMBER.fullmatch(b) and same_number(a, b)):
            before, *rest = (" ".join(words) for words in (old[max(0, i - 8) : i], old[i : i + 8], new[i : i + 8]))
            return f"after {before[-80:]!r}\n    expected: {rest[0][:80]!r}\n    came:     {rest[1][:80]!r}"
    return None


def other_matplotlib() -> str:
    """The matplotlib that is installed, where it is not the one that drew the committed pictures; else nothing."""
    pins = Path(__file__).parent.parent / "constraints.txt"
    pinned = (
        re.findall(r"^matplotlib==(\S+)", pins.read_text(encoding="utf-8"), re.MULTILINE) if pins.exists() else []
    )
    return "" if (installed := version("matplotlib")) in pinned else installed


def image_difference(expected: str, came: str) -> str | None:
    """What is different between two base64 pictures, or None."""
    pictures = [Image.open(io.BytesIO(base64.b64decode(data))) for data in (expected, came)]
    blur, level = (8, 45) if (untested := other_matplotlib()) else (1, 16)
    (w, h), (w2, h2) = (picture.size for picture in pictures)
    if abs(w - w2) > 2 + w // 50 or abs(h - h2) > 2 + h // 50:
        return f"\n    expected: {w} x {h} pixels\n    came:     {w2} x {h2} pixels"
    for i, picture in enumerate(pictures):
        flat = Image.new("RGBA", picture.size, "white")
        flat.alpha_composite(picture.convert("RGBA"))
        pictures[i] = flat.convert("RGB").resize((w, h)).filter(ImageFilter.GaussianBlur(blur))
    side = 3
    outside = Image.new("RGB", (w, h))  # how far each pixel is outside the range of its 3 x 3 neighbours over there
    for one, other in (pictures, pictures[::-1]):
        above = ImageChops.subtract(one, other.filter(ImageFilter.MaxFilter(side)))
        below = ImageChops.subtract(other.filter(ImageFilter.MinFilter(side)), one)
        outside = ImageChops.lighter(outside, ImageChops.lighter(above, below))
    red, green, blue = outside.split()
    different = ImageChops.lighter(ImageChops.lighter(red, green), blue).point(lambda v: 255 * (v > level))
    if (count := different.histogram()[255]) <= 20:  # one value that crosses an edge in a histogram is about 14
        return None
    drawn = f"; drawn by matplotlib {untested}, which is not the tested one" if untested else ""
    return f"{count} pixels differ within (left, top, right, bottom) = {different.getbbox()}{drawn}"


def flatten(outputs: list) -> list[tuple[str, str]]:
    """A cell's outputs as (kind, content) pairs."""
    pairs = []
    for output in outputs:
        if output.output_type == "stream":
            pairs.append((output.name, output.text))
        elif output.output_type == "error":
            pairs.append(("error", f"{output.ename}: {output.evalue}"))
        for kind, content in sorted(output.get("data", {}).items()):
            if kind == WIDGET:
                continue
            pairs.append((kind, "".join(content) if isinstance(content, list) else str(content)))
            if kind.startswith("image/") and kind != "image/svg+xml":
                alt = (output.get("metadata", {}).get(kind) or {}).get("alt", "")
                pairs.append((f"alternative text of {kind}", alt))
    return pairs


def output_differences(committed: list, fresh: list, compare_content: bool = True) -> list[str]:
    """Every difference between the committed and the fresh outputs of a cell, as text."""
    old, new = flatten(committed), flatten(fresh)
    found = []
    for kind, text in dict.fromkeys(old + new):
        if kind in ("stderr", "error"):
            found.append(f"{kind}: must not be in a notebook\n    came:     {text[:500]!r}")
        elif kind.startswith("alternative") and not text.strip():
            found.append(f"a figure without alternative text ({kind})")
    if [kind for kind, _ in old] != [kind for kind, _ in new]:
        expected, came = ([f"{kind} {text[:60]!r}" for kind, text in pairs] or "no output" for pairs in (old, new))
        return [*found, f"other outputs\n    expected: {expected}\n    came:     {came}"]
    for (kind, expected), (_, came) in zip(old, new, strict=True):
        if compare_content and expected != came:
            compare = image_difference if kind in ("image/png", "image/jpeg") else text_difference
            if difference := compare(expected, came):
                found.append(f"{kind}: {difference}")
    return found


class Cell(IPyNbCell):
    """A code cell whose outputs are compared by the rules above."""

    def runtest(self):
        """Execute and compare, also where nbval would not compare: unexecuted cells, ignored content."""
        self.compare_content, self.options["check"] = self.options["check"], True
        self.count = self.cell.execution_count
        self.cell.execution_count = self.count or 0
        super().runtest()

    def compare_outputs(self, test, ref, skip_compare=None):
        """Called by nbval after the execution."""
        found = output_differences(ref, test, self.compare_content)
        if self.count != self.cell_num + 1:
            found.insert(0, f"not executed in order from a fresh kernel: [{self.count}] for [{self.cell_num + 1}]")
        if attempts := self.parent.new_attempts():
            found.append(f"the network was asked for\n    came:     {attempts}")
        self.comparison_traceback = found
        return not found

    def repr_failure(self, excinfo):
        """The message, and what to do."""
        place = self.nodeid.partition("::")[0]
        return (
            f"{place}, code cell {self.cell_num + 1}\n{super().repr_failure(excinfo)}\n"
            f"If the new outputs are the right ones: python tools/notebooks.py write {place}"
        )


class Notebook(IPyNbFile):
    """A notebook with one kernel, which has no network."""

    def collect(self):
        """The code cells."""
        for cell in super().collect():
            yield Cell.from_parent(self, name=cell.name, cell_num=cell.cell_num, cell=cell.cell, options=cell.options)

    def setup(self):
        """Start the kernel."""
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.seen = ""
        with mock.patch.dict(os.environ, offline_environment(Path(self.folder.name)), clear=True):
            super().setup()

    def new_attempts(self) -> str:
        """What the kernel has tried to connect to since the last call."""
        seen, self.seen = self.seen, Path(self.folder.name, "attempts.txt").read_text()
        return self.seen.removeprefix(seen)

    def teardown(self):
        """Stop the kernel."""
        super().teardown()
        self.folder.cleanup()


def pytest_collection_modifyitems(items):
    """The notebooks come last, and of them the long ones, which are the last, first: no core is idle at the end."""
    cells = [item for item in items if isinstance(item, Cell)]
    others = [item for item in items if not isinstance(item, Cell)]
    items[:] = [*others, *sorted(cells, key=lambda cell: cell.path.name, reverse=True)]


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path, parent):
    """Put our notebook in the place of nbval's."""
    found = yield
    if parent.config.option.nbval_lax:
        return found
    return [Notebook.from_parent(parent, path=file_path) if type(f) is IPyNbFile else f for f in found]
