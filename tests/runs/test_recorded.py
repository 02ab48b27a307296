"""What a caller measured, as a record keeps it."""

import json

import numpy as np
import pytest
import torch

from iics.errors import TrainingError
from iics.runs.recorded import recorded


def test_numbers_of_any_library_text_and_nested_values_are_kept():
    measured = {
        "mean_ap": np.float32(0.5),
        "count": torch.tensor(3),
        "by_camera": {1: np.array([0.25, 0.5])},
        "note": "first",
        "is_best": True,
        "none": None,
    }
    assert json.loads(json.dumps(recorded(measured))) == {
        "mean_ap": 0.5,
        "count": 3,
        "by_camera": {"1": [0.25, 0.5]},
        "note": "first",
        "is_best": True,
        "none": None,
    }
    assert recorded(None) == {}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400])
def test_a_number_that_is_none_was_not_measured(value):
    assert recorded({"mean_ap": value}) == {"mean_ap": None}


@pytest.mark.parametrize(("measured", "said"), [(0.5, "got float"), ({"a": {"b": object()}}, "a.b of type object")])
def test_what_json_does_not_hold_is_refused(measured, said):
    with pytest.raises(TrainingError, match=said):
        recorded(measured)


def test_a_stage_is_named_that_recorded_what_json_does_not_hold():
    with pytest.raises(TrainingError, match="stage 1 returned loss of type object, which a record cannot hold"):
        recorded({"loss": object()}, by="stage 1")
