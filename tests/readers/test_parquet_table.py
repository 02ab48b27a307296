"""A Parquet file holds what a CSV file does, in types of its own."""

import sys
from datetime import UTC, date, datetime

import numpy as np
import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest

from iics.errors import DataError
from iics.readers.parquet_table import load_parquet


@pytest.fixture
def table(tmp_path, make_image):
    """Write columns beside three images."""
    for name in "abc":
        make_image(tmp_path / f"{name}.png")

    def write(**columns):
        parquet.write_table(arrow.table(columns), tmp_path / "crops.parquet")
        return tmp_path / "crops.parquet"

    return write


PATHS = ["a.png", "b.png", "c.png"]


def test_types_of_other_programs_are_understood(table):
    train = load_parquet(
        table(
            path=PATHS,
            camera=arrow.array(["x", "y", "x"]).dictionary_encode(),
            identity=arrow.array([3.0, float("nan"), 4.0]),
            tracklet=arrow.array([5, None, 5], arrow.int32()),
            time=arrow.array([0, 1_500_000_000, None], arrow.timestamp("ns", tz="Europe/Berlin")),
            left=arrow.array([0.4, 1, 2]),
            top=[0, 0, 0],
            width=[8, 8, 8],
            height=[9, 9, 9],
        )
    ).train
    assert train.camera_names == ("x", "y")
    assert train.identity_ids.tolist() == [3, -1, 4]
    assert train.tracklet_ids.tolist() == [0, -1, 0]
    np.testing.assert_array_equal(train.times, [0, 1.5, np.nan])
    assert train.boxes.tolist() == [[0, 0, 8, 9], [1, 0, 8, 9], [2, 0, 8, 9]]


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([datetime(1970, 1, 1, 0, 0, second, tzinfo=UTC) for second in range(3)], [0, 1, 2]),
        ([datetime(1970, 1, 1, 0, 0, second) for second in range(3)], [0, 1, 2]),
        ([date(1970, 1, day) for day in (1, 2, 3)], [0, 86400, 172800]),
        ([0.5, 1, 2], [0.5, 1, 2]),
        (["1970-01-01T00:00:09", None, ""], [9, np.nan, np.nan]),
    ],
)
def test_times_of_any_type_are_seconds(table, times, expected):
    np.testing.assert_array_equal(load_parquet(table(path=PATHS, camera=[1, 1, 2], time=times)).train.times, expected)


def test_faults_are_named_by_row(table):
    with pytest.raises(DataError, match=r"^crops\.parquet, row 2: camera is empty\."):
        load_parquet(table(path=PATHS, camera=["x", None, "y"]))


def test_columns_are_checked_as_those_of_a_csv_file(table, caplog):
    load_parquet(table(path=PATHS, camera=["x", "y", "x"], score=[1.0, 1.0, 1.0], features=[[1.0], [2.0], [3.0]]))
    assert "crops.parquet: columns that are not used: 'score', 'features'." in caplog.text
    with pytest.raises(DataError, match=r"^crops\.parquet has no column camera\. .* Is it 'cam'"):
        load_parquet(table(path=PATHS, cam=["x", "y", "x"]))
    assert load_parquet(table(path=PATHS)).train.camera_names == ("all",)
    assert load_parquet(table(path=PATHS, site=[1, 1, 2]), camera_by="site").train.camera_names == ("1", "2")
    with pytest.raises(DataError, match=r"column camera is of type list<.*>; text, numbers or time stamps are needed"):
        load_parquet(table(path=PATHS, camera=[["x"], ["y"], ["x"]]))


def test_a_table_without_rows_is_refused(table):
    with pytest.raises(DataError, match="has no row"):
        load_parquet(table(path=arrow.array([], arrow.string()), camera=arrow.array([], arrow.string())))


def test_what_is_no_parquet_file_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"^Cannot read .*gone\.parquet: No such file or directory\. Give a Parquet"):
        load_parquet(tmp_path / "gone.parquet")
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match=r"^Cannot read .*torn\.parquet: .*\. Give a Parquet file"):
        load_parquet(tmp_path / "torn.parquet")


def test_without_pyarrow_is_said_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DataError, match=r"^Parquet files need pyarrow: pip install 'iics\[parquet\]'\."):
        load_parquet(tmp_path / "crops.parquet")
