"""The benchmarks by name, from Market-1501 to MARS, as published -> CropSets.

Each is read in place, from its folder or its zip, and is refused if its counts are not the published ones.
Sources, licences and citations: docs/datasets.md.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from iics.data_splits import DataSplits
from iics.readers import published_counts, split_folders
from iics.readers.mars import read_mars
from iics.readers.msmt17 import read_msmt17
from iics.readers.published_counts import PublishedCounts, check_counts
from iics.readers.split_folders import read_pytorch_folders, read_split_folders
from iics.readers.veri776 import read_veri776

WITHDRAWN = (
    "DukeMTMC-reID was withdrawn by its authors in 2019: it was recorded and published in ways that its ethics "
    "approval did not cover. Use it only to compare with earlier results, and do not pass it on (docs/datasets.md)."
)

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Benchmark:
    """How a benchmark is read and what it must hold.

    Attributes:
        read: Reads folder or zip; does not check the counts.
        counts: The published ones.
        remedy: What to do about other counts.
        warning: Logged whenever it is read; "" for none.
    """

    read: Callable[[Path | str], DataSplits]
    counts: PublishedCounts
    remedy: str = "Fetch and unpack it again."
    warning: str = ""


BENCHMARKS: dict[str, Benchmark] = {
    "market1501": Benchmark(
        partial(read_split_folders, names=split_folders.MARKET1501, name="market1501"),
        published_counts.MARKET1501,
        "Fetch and unpack it again; other data in this layout is read as market-layout (load_market_layout).",
    ),
    "dukemtmc": Benchmark(
        partial(read_split_folders, names=split_folders.DUKEMTMC, name="dukemtmc"),
        published_counts.DUKEMTMC,
        warning=WITHDRAWN,
    ),
    "occluded-duke": Benchmark(
        partial(read_split_folders, names=split_folders.DUKEMTMC, name="occluded-duke"),
        published_counts.OCCLUDED_DUKE,
        warning=WITHDRAWN,
    ),
    "msmt17": Benchmark(read_msmt17, published_counts.MSMT17),
    "cuhk03-detected": Benchmark(
        partial(read_split_folders, names=split_folders.CUHK03, name="cuhk03-detected", inside=("detected",)),
        published_counts.CUHK03_DETECTED,
    ),
    "cuhk03-labelled": Benchmark(
        partial(read_split_folders, names=split_folders.CUHK03, name="cuhk03-labelled", inside=("labeled", "labelled")),
        published_counts.CUHK03_LABELLED,
    ),
    "veri776": Benchmark(read_veri776, published_counts.VERI776),
    "ltcc": Benchmark(partial(read_split_folders, names=split_folders.LTCC, name="ltcc"), published_counts.LTCC),
    "mars": Benchmark(read_mars, published_counts.MARS),
}


def load_benchmark(data_dir: Path | str, benchmark: Benchmark) -> DataSplits:
    """Return train, query and gallery of a benchmark, checked.

    Args:
        data_dir: Its folder, a folder up to two levels above, or the zip file, read where it lies.
        benchmark: Which one.

    Returns:
        Three CropSets with identities; -1 is junk, 0 a distractor. All have the same camera names: the union over the
        splits, in natural order. Where there are no crops to train on, query and gallery alone.

    Raises:
        DataError: If a file is missing or wrong; the message names the first one. A `CountError` if the counts
        differ from the published ones.
    """
    if benchmark.warning:
        _logger.warning(benchmark.warning)
    splits = benchmark.read(data_dir)
    # After reading: an error about a name says more than one about a number, and comes first.
    check_counts(splits, benchmark.counts, place=str(data_dir), remedy=benchmark.remedy)
    return splits


def load_market1501(data_dir: Path | str) -> DataSplits:
    """Return Market-1501 (v15.09.15) as `load_benchmark` does."""
    return load_benchmark(data_dir, BENCHMARKS["market1501"])


def load_market_layout(data_dir: Path | str, *, name: str = "market-layout") -> DataSplits:
    """Return a data set of your own in the Market-1501 layout, with any number of people, crops and cameras.

    Args:
        data_dir: As for `load_benchmark`.
        name: What to call the data set in messages.

    Returns:
        As `load_benchmark`.

    Raises:
        DataError: If the layout is missing, a split is missing or empty (train may be missing), a file name does not
        match, or an identity occurs both in train and in query or gallery.
    """
    return read_split_folders(data_dir, split_folders.ANY_MARKET, name=name)


def load_dukemtmc(data_dir: Path | str) -> DataSplits:
    """Return DukeMTMC-reID as `load_benchmark` does, with a warning: its authors withdrew it."""
    return load_benchmark(data_dir, BENCHMARKS["dukemtmc"])


def load_occluded_duke(data_dir: Path | str) -> DataSplits:
    """Return Occluded-DukeMTMC as `load_benchmark` does, with a warning: it is made of DukeMTMC-reID."""
    return load_benchmark(data_dir, BENCHMARKS["occluded-duke"])


def load_veri776(data_dir: Path | str) -> DataSplits:
    """Return VeRi-776, whose identities are vehicles, as `load_benchmark` does (`iics.readers.veri776`)."""
    return load_benchmark(data_dir, BENCHMARKS["veri776"])


def load_ltcc(data_dir: Path | str) -> DataSplits:
    """Return LTCC as `load_benchmark` does; what people wear is not kept, and their numbers are moved up by 1."""
    return load_benchmark(data_dir, BENCHMARKS["ltcc"])


def load_mars(data_dir: Path | str) -> DataSplits:
    """Return MARS as `load_benchmark` does, with the tracklet of each crop (see `iics.readers.mars`)."""
    return load_benchmark(data_dir, BENCHMARKS["mars"])


def load_pytorch_folders(data_dir: Path | str) -> DataSplits:
    """Return the folders that layumi's prepare.py makes of any data set, with any numbers of crops.

    Args:
        data_dir: The folder `pytorch`, or as for `load_benchmark`.

    Raises:
        DataError: As `load_market_layout`.
    """
    return read_pytorch_folders(data_dir)


def load_msmt17(data_dir: Path | str) -> DataSplits:
    """Return MSMT17, V1 or V2, as `load_benchmark` does; train is list_train and list_val (`iics.readers.msmt17`)."""
    return load_benchmark(data_dir, BENCHMARKS["msmt17"])


def load_cuhk03(data_dir: Path | str, *, boxes: Literal["detected", "labelled"]) -> DataSplits:
    """Return CUHK03-NP as `load_benchmark` does.

    Args:
        data_dir: The folder or zip with `detected` and `labeled` in it, or the one of the two.
        boxes: Whether a detector drew the boxes, or people did.

    Raises:
        ValueError: If `boxes` is something else.
        DataError: As `load_benchmark`.
    """
    if boxes not in ("detected", "labelled"):
        raise ValueError(f"boxes must be 'detected' or 'labelled', got {boxes!r}.")
    return load_benchmark(data_dir, BENCHMARKS[f"cuhk03-{boxes}"])


LOADERS: dict[str, Callable[[Path | str], DataSplits]] = {
    **{name: partial(load_benchmark, benchmark=benchmark) for name, benchmark in BENCHMARKS.items()},
    "market-layout": load_market_layout,
    "pytorch-folders": load_pytorch_folders,
}
"""The readers of folders with train, query and gallery, by the names that commands know them by."""

SAMPLE_ARCHIVE = Path(__file__).with_name("people-dev.zip")


def load_sample() -> DataSplits:
    """Return the sample: 150 rendered people to train on, 150 others to test on, six cameras; tracklets and times.

    Raises:
        DataError: If the archive is missing from the installation or damaged.
    """
    return read_split_folders(SAMPLE_ARCHIVE, split_folders.SAMPLE, name="sample")
