"""Data by name, for the commands: which reader reads what."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from iics.data.crops import DataSplits
from iics.errors import DataError

DataName = Literal[
    "sample", "market1501", "dukemtmc", "msmt17", "cuhk03-detected", "cuhk03-labelled", "market-layout", "folder"
]


def load_data(data: DataName, data_dir: Path | None) -> DataSplits:
    """Return a data set by the name of its reader.

    Args:
        data: "sample" ships with the package; "market-layout" is data of your own in the Market-1501 layout;
            "folder" is one folder per camera; the others are the benchmarks of that name.
        data_dir: Where it is; needed for all but the sample.

    Raises:
        DataError: If `data_dir` is missing or given in vain, or the data cannot be read.
    """
    if data == "sample":
        if data_dir is not None:
            raise DataError("The sample ships with the package and takes no --data-dir; leave it out.")
        from iics.data.sample import load_sample

        return load_sample()
    if data_dir is None:
        raise DataError(f"Where is the data? {data} needs --data-dir FOLDER.")
    from iics.data.benchmarks import LOADERS

    if data in LOADERS:
        return LOADERS[data](data_dir)
    from iics.data.folders import load_folder

    return load_folder(data_dir)
