"""Data by name, for the commands: which reader reads what, and the flags that say where it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal, cast, get_args

import tyro

from iics.data_splits import DataSplits
from iics.errors import DataError
from iics.home_folder import expanded
from iics.readers.path_kind import kind_of_path, unknown_data

BenchmarkName = Literal[
    "market1501",
    "dukemtmc",
    "msmt17",
    "cuhk03-detected",
    "cuhk03-labelled",
    "occluded-duke",
    "veri776",
    "ltcc",
    "mars",
    "market-layout",
    "pytorch-folders",
]
DataName = Literal["sample", BenchmarkName, "folder", "pattern", "csv", "parquet", "wildlife", "mot", "mtmc", "coco"]
OWN_DATA = ("folder", "pattern", "csv", "parquet")
_FILES = ("csv", "parquet", "wildlife", "coco")
_BOXES = ("mot", "mtmc", "coco")


@dataclass(frozen=True)
class DataSource:
    """Which data a command works on, as its flags say."""

    data: Annotated[tyro.conf.Positional[str | None], tyro.conf.arg(metavar="[DATA]")] = None
    """What to read: a folder that has one folder of crops per camera, or a table (.csv, .parquet), or boxes in frames
    (.txt in MOT's format, .json in COCO's); or by name: sample,
    market1501, dukemtmc, msmt17, cuhk03-detected, cuhk03-labelled, occluded-duke, veri776, ltcc, mars, market-layout
    (data of your own like Market-1501), pytorch-folders (as made by layumi's prepare.py), folder, pattern (names as in
    --pattern), csv, parquet or wildlife (the metadata table of wildlife-datasets; docs/your_cameras.md), mot, mtmc or
    coco (boxes in frames, docs/boxes.md), with --data-dir."""
    data_dir: Path | None = None
    """Where the data is: a folder, or a benchmark's zip; for csv, parquet and coco the file, from whose folder relative
    paths start; for mot and mtmc a sequence, a folder of sequences, or a file of boxes."""
    pattern: str | None = None
    """What file names below --data-dir say, e.g. '{camera}/{identity}_{time:%Y%m%d-%H%M%S}_{frame:d}.jpg'."""
    camera_by: str | None = None
    """What stands for the camera where none is told: a column of the table or a field of the pattern (session, site,
    flank), day (the date of the time), several with commas between them, or none (all crops are of one camera). By
    default camera, or one camera if there is none (docs/weak_cameras.md)."""
    classes: str | None = None
    """Of mot, mtmc and coco: the classes whose boxes are crops, e.g. car,truck; mot has numbers. By default pedestrians
    (1), and of coco the only class or person."""

    def load(self) -> DataSplits:
        """Return the data.

        Raises:
            DataError: If a flag is missing or given in vain, or the data cannot be read.
        """
        if self != (source := self.by_name()):
            return source.load()
        if self.data is None:
            raise DataError(
                f"Which data? Name a folder of camera folders, a table, or one of {', '.join(get_args(DataName))}."
            )
        if self.data == "sample" and self.data_dir is not None:
            raise DataError("The sample ships with the package and takes no --data-dir; leave it out.")
        if self.data != "sample" and self.data_dir is None:
            kind = "FILE" if self.data in _FILES else "FOLDER"
            raise DataError(f"Where is the data? {self.data} needs --data-dir {kind}.")
        if self.data == "pattern" and not self.pattern:
            raise DataError("How are files named? pattern needs --pattern, e.g. '{camera}/{}.jpg'.")
        if self.data != "pattern" and self.pattern is not None:
            raise DataError(f"--pattern is for the data name pattern, not for {self.data}; leave it out.")
        if self.camera_by is not None and self.data not in OWN_DATA:
            raise DataError(f"--camera-by is for data of your own ({', '.join(OWN_DATA)}); {self.data} has cameras.")
        if self.classes is not None and self.data not in _BOXES:
            raise DataError(
                f"--classes is for boxes in frames ({', '.join(_BOXES)}), not for {self.data}; leave it out."
            )
        return _read(self)

    def by_name(self) -> DataSource:
        """Return the same source by a reader's name: a path in its place is the folder or table that lies there.

        Raises:
            DataError: If there is neither data of that name nor a path, or the path is nothing that can be read.
        """
        if self.data in get_args(DataName) or (self.data is None and self.data_dir is None):
            return self
        if self.data is None:
            path = expanded(cast(Path, self.data_dir))
        else:
            path = expanded(self.data)
            if self.data_dir is not None or not path.exists():
                raise unknown_data(self.data, names=get_args(DataName))
        kind = "pattern" if self.pattern and not path.is_file() else kind_of_path(path)
        return replace(self, data=kind, data_dir=path)

    def absolute(self) -> DataSource:
        """Return the same source, found from any folder."""
        return self if self.data_dir is None else replace(self, data_dir=expanded(self.data_dir).absolute())

    def wanted_classes(self) -> tuple[str, ...] | None:
        """Return the classes that are named, None if none is."""
        return None if self.classes is None else tuple(name.strip() for name in self.classes.split(","))

    def to_values(self) -> dict[str, str]:
        """Return the flags as text, for a run folder; "" for none."""
        return {
            "data": self.data or "",
            "data_dir": "" if self.data_dir is None else str(self.data_dir),
            "pattern": self.pattern or "",
            "camera_by": self.camera_by or "",
            "classes": self.classes or "",
        }

    @classmethod
    def from_values(cls, values: Mapping[str, str]) -> DataSource | None:
        """Return what `to_values` was called on, None if there is no data of a known name in it.

        Run folders of older versions hold fewer values; their flags are not set.
        """
        if values.get("data") not in get_args(DataName):
            return None
        data_dir = values.get("data_dir")
        return cls(
            data=values["data"],
            data_dir=Path(data_dir) if data_dir else None,
            pattern=values.get("pattern") or None,
            camera_by=values.get("camera_by") or None,
            classes=values.get("classes") or None,
        )


SourceFlags = Annotated[DataSource, tyro.conf.arg(name="")]
"""The fields of a DataSource as flags of a command, without a prefix."""


def _read(source: DataSource) -> DataSplits:
    from iics.readers.benchmarks import LOADERS, load_sample
    from iics.readers.coco import load_coco
    from iics.readers.csv_table import load_csv
    from iics.readers.folders import load_folder
    from iics.readers.mot import load_mot, load_mtmc
    from iics.readers.parquet_table import load_parquet
    from iics.readers.patterns import load_pattern
    from iics.readers.wildlife import load_wildlife

    if source.data is None or source.data == "sample":
        return load_sample()
    place = cast(Path, source.data_dir)  # `load` has seen to it
    if source.data == "pattern":
        return load_pattern(place, source.pattern or "", camera_by=source.camera_by)
    own = {"folder": load_folder, "csv": load_csv, "parquet": load_parquet}
    if source.data in own:
        return own[source.data](place, camera_by=source.camera_by)
    boxes = {"mot": load_mot, "mtmc": load_mtmc, "coco": load_coco}
    if source.data in boxes:
        return boxes[source.data](place, classes=source.wanted_classes())
    return load_wildlife(place) if source.data == "wildlife" else LOADERS[source.data](place)
