import json

import numpy as np
import pytest

from iics.errors import RunFolderError
from iics.reports.camera_pairs_file import CameraPairMatrices


def test_what_is_written_is_read(tmp_path):
    rank1, mean_ap = np.array([[np.nan, 0.25], [1.0, np.nan]]), np.array([[np.nan, 0.125], [0.5, np.nan]])
    CameraPairMatrices(("door", "yard"), rank1, mean_ap).write(tmp_path)
    assert json.loads((tmp_path / "camera_pairs.json").read_text())["rank1"] == [[None, 0.25], [1.0, None]]
    found = CameraPairMatrices.read(tmp_path)
    assert found.cameras == ("door", "yard")
    np.testing.assert_array_equal(found.rank1, rank1)
    np.testing.assert_array_equal(found.mean_ap, mean_ap)


def test_a_run_without_them_has_none(tmp_path):
    assert CameraPairMatrices.read(tmp_path) is None


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[1]",
        '{"cameras": ["a"]}',
        '{"cameras": ["a"], "rank1": [[1, 2]], "mean_ap": [[1]]}',
        '{"cameras": ["a"], "rank1": [[NaN]], "mean_ap": [[1]]}',
        '{"cameras": ["a"], "rank1": [[7]], "mean_ap": [[1]]}',
        '{"cameras": [1], "rank1": [[1]], "mean_ap": [[1]]}',
        '{"cameras": "a", "rank1": [[1]], "mean_ap": [[1]]}',
    ],
)
def test_damaged_files_are_named(tmp_path, content):
    (tmp_path / "camera_pairs.json").write_text(content)
    with pytest.raises(RunFolderError, match=r"camera_pairs.json .*Delete it; the report is made without it"):
        CameraPairMatrices.read(tmp_path)
