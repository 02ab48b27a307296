from dataclasses import replace

import pytest

from iics.config import Stage2Settings
from iics.runs.run_folder import Checkpoint
from iics.runs.stage_order import STAGE_NUMBERS, ends_round, remaining_stages


def checkpoint(round_index, stage):
    return Checkpoint(
        round_index, stage, backbone={}, heads=[], stage1_labels=None, stage2_labels=None, record="{}", history=[]
    )


def test_all_stages_remain_at_first(tiny_settings):
    expected = [(0, "stage1"), (0, "stage2"), (1, "stage1"), (1, "stage2")]
    assert list(remaining_stages(tiny_settings, None)) == expected
    assert list(remaining_stages(tiny_settings, checkpoint(0, "stage1"))) == expected[1:]
    assert list(remaining_stages(tiny_settings, checkpoint(0, "stage2"))) == expected[2:]
    assert list(remaining_stages(tiny_settings, checkpoint(1, "stage2"))) == []


@pytest.mark.parametrize("stages", ["stage1", "stage2", "supervised"])
def test_stages_that_remain_are_of_the_kind_asked_for(tiny_settings, stages):
    settings = replace(tiny_settings, rounds=3, stages=stages, stage2=Stage2Settings(similarity="cnn"))
    assert list(remaining_stages(settings, checkpoint(0, stages))) == [(1, stages), (2, stages)]


@pytest.mark.parametrize(
    ("stages", "last"), [("both", "stage2"), ("stage1", "stage1"), ("stage2", "stage2"), ("supervised", "supervised")]
)
def test_a_round_ends_with_the_last_of_its_stages(tiny_settings, stages, last):
    settings = replace(tiny_settings, stages=stages, stage2=Stage2Settings(similarity="cnn"))
    of_a_round = [stage for round_index, stage in remaining_stages(settings, None) if round_index == 0]
    assert [stage for stage in of_a_round if ends_round(settings, stage)] == [last]


def test_no_two_stages_draw_the_same():
    assert len(set(STAGE_NUMBERS.values())) == len(STAGE_NUMBERS)
