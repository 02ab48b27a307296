"""Encoded files, from a folder and from an archive."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from iics.pixels.crop_reader import CropReader, ReadError
from iics.readers.benchmarks import load_market_layout


def test_an_archive_read_from_many_threads_gives_each_file_whole(market_dir, zip_folder):
    folder, zipped = load_market_layout(market_dir).train, load_market_layout(zip_folder(market_dir)).train
    expected = [path.read_bytes() for path in folder.paths]
    with CropReader(zipped) as reader, ThreadPoolExecutor(4) as pool:
        found = list(pool.map(reader.read, list(range(len(zipped))) * 20))
    assert found == expected * 20


def test_a_file_that_is_gone_says_why(market_dir):
    crops = load_market_layout(market_dir).train
    crops.paths[1].unlink()
    with CropReader(crops) as reader:
        assert reader.read(0) == crops.paths[0].read_bytes()
        with pytest.raises(ReadError) as caught:
            reader.read(1)
    assert isinstance(caught.value.__cause__, FileNotFoundError)
