"""The known names of columns of a table and of fields of a name pattern."""

from __future__ import annotations

import difflib
import logging
from collections import Counter
from collections.abc import Sequence

from iics.crops import BOX_COLUMNS
from iics.errors import DataError
from iics.readers.box_columns import BoxColumns, find_box_columns, looks_like_box
from iics.readers.camera_rule import DAY, parts_of_camera

logger = logging.getLogger(__name__)

ABOUT_A_CROP = ("camera", "identity", "time", "tracklet", "split")
NOT_USED = ("frame", "video", "box_left", "box_top", "box_width", "box_height", "confidence")
"""Known and of no effect: where in a video a crop is from. Without a frame rate, the number of a frame is no time."""
TABLE_COLUMNS = ("path", *ABOUT_A_CROP, *BOX_COLUMNS)
_IN_A_VIDEO = tuple(name for name in NOT_USED if name.startswith("box_"))
_OTHER_NAMES = {
    "path": "file filename filepath image imagepath imagefile img imgpath imgname picture crop croppath source uri url",
    "camera": "cam camid camname camidx cameraid cameraname cameraindex device deviceid sensor sensorid viewid",
    "identity": "id ids pid personid personname person people name label objectid vid vehicleid globalid",
    "time": "timestamp timestamps datetime date ts capturedat takenat",
    "tracklet": "track trackid trackerid tracker tid trackletid tracknumber trackno",
    "split": "subset set partition phase usage fold",
}
"""What other tools call these; they are not always the same thing, so that a person is asked."""

_ALIKE, _PERHAPS_ALIKE = 0.8, 0.5  # of difflib: surely a slip; worth a question


def check_columns(
    names: Sequence[str], *, table: str, camera_by: str | None = None
) -> tuple[BoxColumns | None, tuple[str, ...]]:
    """Refuse column names that must be a mistake, and warn of columns that have no effect.

    Args:
        names: Of the columns.
        table: What has them.
        camera_by: What stands for the camera (`iics.readers.camera_rule`); None for the column camera.

    Returns:
        Where the boxes are, None if each file is a crop; and the columns that stand for the camera, none for one
        camera.

    Raises:
        DataError: If a name occurs twice or is nearly one of ours, if path is missing, or what must be the camera is
            called otherwise, or columns look like a box that is not understood.
    """
    twice = [name for name, count in Counter(names).items() if count > 1 and name in TABLE_COLUMNS]
    if twice:
        raise DataError(f"{table} has the column {twice[0]} twice; keep one of them.")
    # Only beside the video they are of, as `iics crop` writes them, do these say nothing about the file.
    passed_over = _IN_A_VIDEO if "video" in names else ()
    box = find_box_columns([name for name in names if name not in passed_over], table=table)
    of_no_box = [name for name in names if not looks_like_box(name)]
    known = TABLE_COLUMNS if box is None else ("path", *ABOUT_A_CROP)
    parts = parts_of_camera(camera_by, names, what=table)
    check_spelling([name for name in of_no_box if name not in parts], known=known, what=f"{table} has the column")
    if "path" not in names:
        near = other_names("path", names) or difflib.get_close_matches("path", names, n=1, cutoff=_PERHAPS_ALIKE)
        hint = f" Is it {near[0]!r}? Rename that." if near else ""
        raise DataError(f"{table} has no column path; it is needed. Found: {_listed(names)}.{hint}")
    if camera_by is None and not parts:
        _check_no_camera(names, table=table)
    used = used_columns(box, parts)
    if "tracklet" not in names:  # whose names are unique within the camera that is told, whatever stands for it
        used -= {"camera"} - set(parts)
    unused = [name for name in names if name not in used and name not in NOT_USED]
    if unused:
        logger.warning("%s: columns that are not used: %s.%s", table, _listed(unused), _renaming(unused, names, parts))
    return box, parts


def used_columns(box: BoxColumns | None, camera_parts: Sequence[str] = ()) -> frozenset[str]:
    """Return the columns whose values are read."""
    return frozenset({"path", *ABOUT_A_CROP, *camera_parts, *(() if box is None else box.names)})


def may_stand_for_camera(names: Sequence[str]) -> list[str]:
    """Return the columns or fields that may stand for the camera, and "day" if times tell it."""
    free = [name for name in names if name not in (*TABLE_COLUMNS, *NOT_USED) and not looks_like_box(name)]
    return [*free, *([DAY] if "time" in names else [])]


def _check_no_camera(names: Sequence[str], *, table: str) -> None:
    """Refuse a table without a camera if one of its columns must be it.

    Raises:
        DataError: If there is such a column.
    """
    near = other_names("camera", names) or difflib.get_close_matches("camera", names, n=1, cutoff=_PERHAPS_ALIKE)
    if near:
        raise DataError(
            f"{table} has no column camera. Found: {_listed(names)}. Is it {near[0]!r}? Rename that, or say "
            f"--camera-by {near[0]}; with --camera-by none, all crops are of one camera."
        )


def other_names(known: str, names: Sequence[str]) -> list[str]:
    """Return the columns that other tools would mean by one of ours."""
    others = _OTHER_NAMES[known].split()
    return [name for name in names if "".join(filter(str.isalnum, name.lower())) in others]


def _renaming(unused: Sequence[str], names: Sequence[str], parts: Sequence[str]) -> str:
    """Return sentences on unused columns that may be one of ours that is missing."""
    missing = [known for known in _OTHER_NAMES if known not in names and not (known == "camera" and parts)]
    found = {known: other_names(known, unused) for known in missing}
    return "".join(
        f" If {others[0]!r} is the {known}, rename it to {known}." for known, others in found.items() if others
    )


def check_spelling(names: Sequence[str], *, known: Sequence[str], what: str) -> None:
    """Refuse a name that is nearly a missing known one: a spelling mistake would be ignored.

    Args:
        names: What is there.
        known: What has a meaning.
        what: How the message begins, before the name.

    Raises:
        DataError: If there is such a name.
    """
    missing = [name for name in known if name not in names]
    for name in names:
        near = difflib.get_close_matches(name.lower(), missing, n=1, cutoff=_ALIKE)
        if near and name not in known:
            raise DataError(f"{what} {name!r}, which has no meaning. Did you mean {near[0]!r}? Rename it.")


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:10])
    return shown + (f" and {len(names) - 10} more" if len(names) > 10 else "")
