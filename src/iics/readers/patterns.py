"""Your own cameras, by any pattern of file names -> CropSets."""

from __future__ import annotations

from pathlib import Path

from iics.data_splits import DataSplits
from iics.errors import DataError
from iics.home_folder import expanded
from iics.readers.camera_rule import warn_of_one_camera
from iics.readers.column_names import may_stand_for_camera
from iics.readers.folders import images_below
from iics.readers.name_template import NameTemplate
from iics.readers.table import CropTable, splits_of_table


def load_pattern(data_dir: Path | str, pattern: str, *, camera_by: str | None = None) -> DataSplits:
    """Return the crops of a folder whose names say camera, mostly, and perhaps identity, time, tracklet and split.

    Args:
        data_dir: The folder. What `load_folder` ignores is ignored.
        pattern: Template of the paths below it, e.g. `{camera}/{identity}_{time:%Y%m%d-%H%M%S}_{frame:d}.jpg`;
            docs/your_cameras.md has all of it.
        camera_by: Fields, or `day`, that stand for the camera, or `none` for one camera (docs/weak_cameras.md).

    Returns:
        Train and, where names say so, query and gallery. Cameras are in natural order, crops in order of
            their paths.

    Raises:
        DataError: If the folder is missing or holds no image, the pattern is no template, or a file does not match
        it, matches in two ways, or has an invalid value.
    """
    template = NameTemplate(pattern, camera_by)
    root = expanded(data_dir).absolute()
    if not root.is_dir():
        raise DataError(f"{root} is no folder; give the folder in which the pattern {pattern} begins.")
    files = images_below(root)
    if not files:
        raise DataError(f"{root} holds no image.")
    names = [file.relative_to(root).as_posix() for file in files]
    values = _values(template, names, root)
    rows = [{"path": name, **each} for name, each in zip(names, values, strict=True) if each.get("split") != "none"]
    if not rows:
        raise DataError(f"{root}: the pattern {pattern} leaves out all {len(names)} images, for their split is none.")
    columns = {field: [row[field] for row in rows] for field in rows[0]}
    places = [str(root / row["path"]) for row in rows]
    if camera_by is None and not template.camera_parts:
        what, names = f"The pattern {pattern} has no {{camera}}", may_stand_for_camera(template.names)
        warn_of_one_camera(len(rows), what=what, names=names)
    return splits_of_table(CropTable(root.name, root, columns, places, camera_parts=template.camera_parts))


def _values(template: NameTemplate, names: list[str], root: Path) -> list[dict[str, str]]:
    values: list[dict[str, str]] = []
    others: list[str] = []
    for name in names:
        try:
            found = template.read(name)
        except DataError as error:
            raise DataError(f"{root / name}: {error} (pattern {template.pattern}).") from error
        if found is None:
            others.append(name)
        else:
            values.append(dict(found))
    if others:
        raise DataError(
            f"{len(others)} of {len(names)} images in {root} are not named by the pattern {template.pattern}, e.g. "
            f"{others[0]}; {template.example} would be. Change the pattern, or rename or remove these files."
        )
    return values
