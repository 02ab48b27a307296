"""The style of all figures, and their files: SVG and PDF with embedded fonts, PNG at 300 dots per inch.

Colours are those of Okabe and Ito (2008), which colour-blind readers can tell apart. Lines also differ by dash and
marker, for prints in grey. Figures are made without pyplot, so no state of matplotlib changes.
"""

from __future__ import annotations

import base64
import io
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iics.atomic import write_atomically
from iics.errors import WriteError
from iics.shown_name import shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9"
INK, GREY = "#222222", "#5a5a5a"
COLOURS = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY, INK)
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)), (0, (3, 1, 1, 1, 1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

PANEL = (4.4, 3.1)
"""Width and height of one panel in inches: its text is legible at the width of a phone."""
FORMATS = ("svg", "pdf", "png")

_FONT = "DejaVu Sans"  # comes with matplotlib
_MISSING = "\N{WHITE SQUARE}"
_LONGEST_NAME = 18
_LONGEST_OF_TWO = 22  # characters of a label that has half the width of a panel
_STYLE: dict[str, Any] = {
    "font.family": _FONT,
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "lines.linewidth": 1.6,
    "lines.markersize": 4,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "pdf.fonttype": 42,  # TrueType: embedded, and text that can be searched
    "svg.fonttype": "path",
    "svg.hashsalt": "iics",  # equal figures are equal files
}
_WITHOUT_DATE: dict[str, dict[str, Any]] = {
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "png": {"Software": None},
}


@contextmanager
def style() -> Iterator[None]:
    """Draw in the common style within the block."""
    import matplotlib as mpl

    with mpl.rc_context(_STYLE):
        yield


def new_figure(title: str, note: str, *, panels: int = 1) -> tuple[Figure, list[Axes]]:
    """Return an empty figure and its panels, side by side."""
    from matplotlib.figure import Figure

    width = PANEL[0] if panels == 1 else 3.2 * panels
    figure = Figure(figsize=(width, PANEL[1]), layout="constrained")
    characters = int(width * 17)
    figure.suptitle(
        textwrap.fill(drawable(title), int(characters * 0.6)), x=0.01, ha="left", fontsize=10, fontweight="bold"
    )
    figure.supxlabel(textwrap.fill(drawable(note), characters), x=0.01, ha="left", fontsize=7, color=GREY)
    axes = figure.subplots(1, panels, squeeze=False)
    return figure, list(axes[0])


def legend_above(ax: Axes) -> None:
    """Put the legend between title and panel, where it hides nothing."""
    columns = 2 if max(map(len, ax.get_legend_handles_labels()[1])) <= _LONGEST_OF_TWO else 1
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, borderaxespad=0.2, handlelength=2.6)


def drawable(text: str) -> str:
    """Return text that matplotlib draws as it is: no formulas between dollars, a square for what the font lacks."""
    known, text = _characters(), "\n".join(map(shown, text.split("\n")))
    return "".join(c if c.isspace() or ord(c) in known else _MISSING for c in text).replace("$", r"\$")


def drawable_name(name: str) -> str:
    """Return a name, e.g. of a camera, for a tick or a legend; its middle cut out where it is long."""
    name = shown(name)
    if len(name) > _LONGEST_NAME:
        half = (_LONGEST_NAME - 2) // 2
        name = f"{name[:half]}..{name[-half:]}"
    return drawable(name)


def figure_bytes(figure: Figure, form: str) -> bytes:
    """Return a figure as a file's content; `form` is one of `FORMATS`. Equal figures give equal bytes."""
    content = io.BytesIO()
    with style():
        figure.savefig(content, format=form, dpi=300, metadata=_WITHOUT_DATE[form])
    return content.getvalue()


def data_uri(content: bytes, media_type: str) -> str:
    """Return content as an address that holds it."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def save_figure(figure: Figure, path: Path) -> list[Path]:
    """Write a figure as SVG, PDF and PNG beside each other; return the files.

    Args:
        figure: What to write.
        path: Without an ending, e.g. figures/figure1; its folder is made.

    Raises:
        WriteError: If they cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"Cannot make the folder {path.parent}: {error.strerror or error}.") from error
    files = [path.with_name(f"{path.name}.{form}") for form in FORMATS]
    for file, form in zip(files, FORMATS, strict=True):
        write_atomically(file, figure_bytes(figure, form))
    return files


@cache
def _characters() -> frozenset[int]:
    from matplotlib import font_manager

    return frozenset(font_manager.get_font(font_manager.findfont(_FONT)).get_charmap())
