"""Equations of the pages as pictures: TeX in a block ```math, which code hosts show as a formula, to SVG in the page.

matplotlib sets them and their letters become shapes, so they look the same in every browser, without scripts, fonts or
network. matplotlib knows a part of TeX; what it does not know ends the build.
"""

from __future__ import annotations

from html import escape
from typing import Any

from matplotlib.font_manager import FontProperties
from matplotlib.path import Path
from matplotlib.textpath import TextPath
from pymdownx.superfences import SuperFencesException

_SIZE = 1000
_EM = 1.2  # of the text around it, whose letters are larger than those of a formula
_COMMANDS = {Path.MOVETO: "M", Path.LINETO: "L", Path.CURVE3: "Q", Path.CURVE4: "C", Path.CLOSEPOLY: "Z"}


def equation_svg(tex: str) -> str:
    """Return a picture of one line of TeX, in the colour of the text and growing with its letters.

    Raises:
        ValueError: If matplotlib cannot read it.
    """
    shape = TextPath((0, 0), f"${tex}$", size=_SIZE, prop=FontProperties(math_fontfamily="cm"))
    box = shape.get_extents().padded(40)
    drawn = " ".join(
        _COMMANDS[code] + " ".join(f"{x:.0f} {-y:.0f}" for x, y in points.reshape(-1, 2) if code != Path.CLOSEPOLY)
        for points, code in shape.iter_segments(simplify=False)
    )
    width, height = (f"{_EM * length / _SIZE:.2f}em" for length in (box.width, box.height))
    return (
        f'<svg role="img" aria-label="{escape(tex)}" width="{width}" height="{height}" '
        f'viewBox="{box.x0:.0f} {-box.y1:.0f} {box.width:.0f} {box.height:.0f}">'
        f'<path fill="currentColor" d="{drawn}"/></svg>'
    )


def math_block(tex: str, *_: Any, **__: Any) -> str:
    """Return a block with one equation as HTML; what a fence of Markdown calls.

    Raises:
        SuperFencesException: If it cannot be set; any other error would leave the TeX in the page, and the build whole.
    """
    try:
        return f'<div class="equation">{equation_svg(tex.strip())}</div>'
    except ValueError as error:
        raise SuperFencesException(f"The equation {tex.strip()!r} cannot be set: {error}") from error
