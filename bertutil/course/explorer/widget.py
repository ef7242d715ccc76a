"""The drawing as a widget of Jupyter: needs anywidget, and is imported by explore() alone."""

import re

import anywidget
import traitlets

from bertutil.course.explorer import source

# anywidget takes one module. So the three are put one behind the other, without the lines that import one another.
MODULES = ("drawing.js", "nearness.js", "widget.js")
PROGRAM = "\n".join(re.sub(r'^import .* from "\./.*";$', "", source(name), flags=re.MULTILINE) for name in MODULES)


class Explorer(anywidget.AnyWidget):
    """What widget.js draws. All that it needs is sent at once, and nothing comes back."""

    _esm = PROGRAM
    _css = source("drawing.css") + source("widget.css")
    # types in quotation marks: traitlets of some years ago knows them in its stubs only
    texts: "traitlets.List[list[str]]" = traitlets.List().tag(sync=True)  # the pieces of each text
    cosines = traitlets.Bytes().tag(sync=True)  # float32, little end first: [states, pieces, pieces]
    chosen: "traitlets.List[int]" = traitlets.List().tag(sync=True)  # two pieces, counted over all texts
    words = traitlets.Dict().tag(sync=True)
