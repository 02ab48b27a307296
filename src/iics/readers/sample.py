"""The rendered people that ship with the package -> CropSets; no download, no real person (see docs/sample.md)."""

from __future__ import annotations

from pathlib import Path

from iics.crops import DataSplits
from iics.readers.benchmarks import load_market_layout

SAMPLE_ARCHIVE = Path(__file__).with_name("people-dev.zip")


def load_sample() -> DataSplits:
    """Return the sample: 150 rendered people to train on, 150 others to test on, six cameras.

    Raises:
        DataError: If the archive is missing from the installation or damaged.
    """
    return load_market_layout(SAMPLE_ARCHIVE, name="sample")
