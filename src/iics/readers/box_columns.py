"""Column names of boxes, as other tools write them -> which four numbers they hold, or an error.

Understood in any case and with _, - or a prefix such as bbox_: left top width height; two corners (x1 y1 x2 y2,
x_min ..., left top right bottom); a centre and a size (x_center y_center width height, cx cy w h); one column of four
numbers whose name gives their order (xyxy, ltwh, cxcywh). If there are two corners, they are used; width and height
beside them are often those of the picture. Names with two meanings (x y w h: a corner or the centre?) are refused.
So are columns that look like a part of a box but are not understood: without them, whole frames would be taken for
crops.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Literal

from iics.crops import BOX_COLUMNS
from iics.errors import DataError

BoxForm = Literal["corner and size", "two corners", "centre and size"]

_CORNERS = (
    ("left", "top", "right", "bottom"),
    ("l", "t", "r", "b"),
    ("xleft", "ytop", "xright", "ybottom"),
    ("xmin", "ymin", "xmax", "ymax"),
    ("minx", "miny", "maxx", "maxy"),
    ("x1", "y1", "x2", "y2"),
    ("x0", "y0", "x1", "y1"),
    ("xtl", "ytl", "xbr", "ybr"),
    ("tlx", "tly", "brx", "bry"),
    ("xstart", "ystart", "xend", "yend"),
    ("startx", "starty", "endx", "endy"),
    ("xtopleft", "ytopleft", "xbottomright", "ybottomright"),
    ("topleftx", "toplefty", "bottomrightx", "bottomrighty"),
    ("lefttopx", "lefttopy", "rightbottomx", "rightbottomy"),
    ("upperleftx", "upperlefty", "lowerrightx", "lowerrighty"),
    ("ulx", "uly", "lrx", "lry"),
    ("xlt", "ylt", "xrb", "yrb"),
    ("xlow", "ylow", "xhigh", "yhigh"),
    ("lx", "ty", "rx", "by"),
)
_CENTRES = (
    *(("xcenter", "ycenter"), ("xcentre", "ycentre"), ("centerx", "centery"), ("centrex", "centrey")),
    *(("cx", "cy"), ("xc", "yc"), ("xctr", "yctr"), ("ctrx", "ctry"), ("xmid", "ymid"), ("midx", "midy")),
)
_SIZES = (("width", "height"), ("w", "h"))
_STARTS = tuple(dict.fromkeys(names[:2] for names in _CORNERS))
_FORMS: dict[tuple[str, ...], BoxForm] = {
    **dict.fromkeys(_CORNERS, "two corners"),
    **{(*start, *size): "corner and size" for start, size in product(_STARTS, _SIZES)},
    **{(*centre, *size): "centre and size" for centre, size in product(_CENTRES, _SIZES)},
}
_IN_ONE: dict[str, BoxForm] = {
    **dict.fromkeys(("xyxy", "ltrb", "x1y1x2y2", "x0y0x1y1", "xminyminxmaxymax"), "two corners"),
    **dict.fromkeys(("ltwh", "x1y1wh", "xminyminwh"), "corner and size"),
    **dict.fromkeys(("cxcywh", "xcycwh"), "centre and size"),
}
_UNCLEAR_IN_ONE = frozenset(
    {"xywh", "tlwh", "tlbr", "yxyx", "trbl", "coords", "coordinates", "polygon", "regionshapeattributes"}
)
_OTHER_PARTS = frozenset({"x", "y", "x3", "y3", "x4", "y4"})
_PARTS = frozenset(part for names in _FORMS for part in names) | _OTHER_PARTS
_WEAK = frozenset("xywhltrb")
"""Names of many things; two of them are a part of a box."""
_ENOUGH_PARTS = 3  # two, image_width and image_height, are the size of a picture
_KNOWN = _PARTS | _IN_ONE.keys() | _UNCLEAR_IN_ONE
_PREFIX = re.compile(r"^(boundingbox|bndbox|bbox|box|bb|rect|roi)")
_SUFFIX = re.compile(r"(px|pixels?|abs|norm|normali[sz]ed|rel|n)$")
_WHOLE = re.compile(
    r"(?!(num|number|count)_)(.*_)?(bounding_?box|bnd_?box|b_?box|box|bb|rect|rectangle|roi)(es|s)?_?[0-4]?(_?2d)?"
    r"(_(json|str|string|text|list|array|px|pixels?|abs|norm|normali[sz]ed|rel|coords?|coordinates))?"
)
_ENDING = re.compile(
    r"(^|[^a-z0-9])([xy][_ -]?(min|max|[0-2])|(xyxy|xywh|ltwh|ltrb|cxcywh)[_. -]?[0-4]?)$", re.IGNORECASE
)
"""Such a part with something else before it, as in person_x1: not understood, but not passed over."""


@dataclass(frozen=True)
class BoxColumns:
    """Where a table has its boxes.

    Attributes:
        names: The four columns, as the table calls them, or the one that holds all four numbers.
        form: What the numbers are.
    """

    names: tuple[str, ...]
    form: BoxForm


def find_box_columns(names: Sequence[str], *, table: str) -> BoxColumns | None:
    """Return the columns that hold boxes, None if no column looks like one.

    Raises:
        DataError: If columns look like parts of a box, but are not understood or give it twice.
    """
    columns: dict[str, list[str]] = {}
    for name in names:
        columns.setdefault(plain_name(name), []).append(name)
    complete = [form for form in _FORMS if all(part in columns for part in form)]
    corners = [form for form in complete if _FORMS[form] == "two corners"]
    found = [BoxColumns(tuple(columns[part][0] for part in form), _FORMS[form]) for form in corners or complete]
    found = found or [BoxColumns((columns[name][0],), form) for name, form in _IN_ONE.items() if name in columns]
    named_alike = _named_alike(names)
    looks_alike = [name for name in names if looks_like_box(name) or name in named_alike]
    if not found:
        _refuse_parts(looks_alike, table)
        return None
    is_twice = any(len(columns[plain_name(name)]) > 1 for name in found[0].names)
    is_polygon = bool({"x3", "y3"} & columns.keys()) and {"x1", "y1"} & {plain_name(name) for name in found[0].names}
    if len(found) > 1 or is_twice or is_polygon:
        raise DataError(
            f"{table} has more than one box a row, or a polygon: {_listed(looks_alike)}. Keep the columns of one box, "
            f"e.g. {', '.join(BOX_COLUMNS)}."
        )
    return found[0]


def looks_like_box(name: str) -> bool:
    """Return whether a column is named like a part of a box, or like a whole one."""
    is_whole = _WHOLE.fullmatch("_".join(_words(name))) is not None
    return plain_name(name) in _KNOWN or is_whole or bool(_ENDING.search(name))


def plain_name(name: str) -> str:
    """Return a column's name in lower case without _ and -, and without bbox_, _px and the like if it is known then."""
    letters = _letters(name)
    without = _PREFIX.sub("", letters)
    readings = (letters, without, _SUFFIX.sub("", letters), _SUFFIX.sub("", without))
    return next((reading for reading in readings if reading in _KNOWN), letters)


def _named_alike(names: Sequence[str]) -> set[str]:
    """Return columns that are three parts of a box or more but for a word they share: face_left, face_top, ..."""
    parts: dict[tuple[str, ...], dict[str, str]] = {}
    for name in names:
        words = _words(name)
        for start, end in combinations(range(len(words) + 1), 2):
            part = "".join(words[start:end])
            if part in _KNOWN:
                parts.setdefault((*words[:start], "", *words[end:]), {})[part] = name
    return {name for alike in parts.values() if len(alike) >= _ENOUGH_PARTS for name in alike.values()}


def _words(name: str) -> list[str]:
    """Return the words of a name in lower case, told apart by marks or, as in faceLeft, by capitals."""
    return [word for word in re.split(r"[^a-z0-9]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()) if word]


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _refuse_parts(looks_alike: list[str], table: str) -> None:
    plain = {plain_name(name) for name in looks_alike}
    if not plain or (plain <= _WEAK and len(plain) == 1):
        return
    missing = [name for name in BOX_COLUMNS if name not in plain]
    if plain <= set(BOX_COLUMNS):
        raise DataError(
            f"{table} has a part of a box but no column {missing[0]}; it takes {', '.join(BOX_COLUMNS)}. Columns that "
            "are no box need other names."
        )
    is_unclear = {"x", "y"} <= plain and bool(plain & {"w", "width"})
    why = "x and y may be a corner of the box or its centre" if is_unclear else "what their numbers are is not said"
    raise DataError(
        f"{table} has columns that look like a box: {_listed(looks_alike)}; {why}. Rename them to "
        f"{', '.join(BOX_COLUMNS)}, or to x1, y1, x2, y2, or to x_center, y_center, width, height; one column of four "
        "numbers to xyxy, ltwh or cxcywh. Columns that are no box need other names."
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names)
