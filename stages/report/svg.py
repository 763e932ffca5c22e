"""Figures as SVG elements inside a page.

An element has no size of its own, so it scales with its container. It takes colours and font from the page, so it
follows light and dark mode. It is hidden from screen readers, so the element around it needs a label. The same data
gives the same bytes.
"""

import io
import re
from collections.abc import Callable
from xml.etree import ElementTree

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stages.report.style import Palette, in_style

NAMESPACE = "http://www.w3.org/2000/svg"

# SVG attributes hold only plain colours; `_inline` replaces these placeholders by variables of page.css.
PAGE = Palette("#000101", "#000102", "#000103", "#000104", ("#000104", "#000105", "#000106", "#000107"))
"""Colours of the figures inside the page."""

CSS_VARIABLES = {
    "#000101": "var(--ink)",
    "#000102": "var(--faint)",
    "#000103": "var(--real)",
    "#000104": "var(--model)",
    "#000105": "var(--second)",
    "#000106": "var(--third)",
    "#000107": "var(--fourth)",
}

_METADATA = ("Creator", "Date", "Format", "Type")


def svg_panel(name: str, draw: Callable[[Axes], None]) -> str:
    """Return one panel as an SVG element.

    Args:
        name: unique on the page; matplotlib derives the ids inside the element from it.
        draw: draws the panel in the colours of `PAGE`. The title it sets is removed, since the page has headings.
    """
    with in_style(**{"font.size": 10, "svg.hashsalt": name}):
        figure = Figure(figsize=(4.6, 3.1), layout="constrained")
        draw(figure.subplots())
        figure.axes[0].set_title("")
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata=dict.fromkeys(_METADATA))
    return _inline(buffer.getvalue())


def _inline(document: str) -> str:
    ElementTree.register_namespace("", NAMESPACE)
    ElementTree.register_namespace("xlink", "http://www.w3.org/1999/xlink")
    root = ElementTree.fromstring(document)
    _strip(root, referenced_ids=set(re.findall(r"#([\w-]+)", document)))
    root.set("aria-hidden", "true")
    text = ElementTree.tostring(root, encoding="unicode")
    text = re.sub(r"font-family: [^;]+; ", "", text)
    for colour, variable in CSS_VARIABLES.items():
        text = text.replace(colour, variable)
    # Two decimals are enough: the drawing is 331 units wide.
    text = re.sub(r"-?\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", text)
    return re.sub(r"\s*\n\s*", "", text)


def _strip(root: ElementTree.Element, referenced_ids: set[str]) -> None:
    for metadata in root.findall(f"{{{NAMESPACE}}}metadata"):
        root.remove(metadata)
    for element in root.iter():
        if element.get("id") not in referenced_ids:
            element.attrib.pop("id", None)
    for defs in root.findall(f"{{{NAMESPACE}}}defs"):
        for style in defs.findall(f"{{{NAMESPACE}}}style"):  # would apply to the whole page
            defs.remove(style)
    for attribute in ("width", "height", "version"):
        root.attrib.pop(attribute, None)
