"""Which runs tables need, and that equal runs are one."""

from dataclasses import fields, replace
from typing import get_args

import numpy as np
import pytest

from iics.computing_settings import EngineSettings, PixelSettings
from iics.config import Settings
from iics.paper.planned_runs import _deciding, distinct_runs, plan_rows, run_name
from iics.paper.study import Study
from iics.paper.variants import TargetName


@pytest.fixture
def study(people, lite0_settings):
    supervised = replace(lite0_settings, method="supervised")
    return Study("quick", lite0_settings, supervised, people, replace(people, name="elsewhere"))


def name_of(settings, study, *, train=None, tests=None):
    return run_name(settings, study.settings, train or study.splits.train, tests or (study.splits,))


def test_runs_that_tables_share_are_made_once(study):
    rows = [row for target in get_args(TargetName) for row in plan_rows(target, study, num_seeds=2)]
    runs = distinct_runs(rows)
    # Table 1: 5; Table 2 adds 4, Table 3: 4, Table 4: 6, Tables 5 and 6: 1, Fig. 4: 4, Fig. 1 and 3: none.
    assert len(runs) == 2 * (5 + 4 + 4 + 6 + 1 + 4)
    assert [run.settings.seed for run in runs] == [0] * 24 + [1] * 24


def test_a_row_has_a_run_for_each_seed(study):
    for row in plan_rows("table1", study, num_seeds=3):
        assert [run.settings.seed for run in row.runs] == [0, 1, 2]
        assert len({run.name for run in row.runs}) == 3


def test_table_3_trains_on_either_side_and_tests_on_both(study):
    rows = plan_rows("table3", study, num_seeds=1)
    assert [row.label for row in rows] == ["people: BN", "people: AIBN", "elsewhere: BN", "elsewhere: AIBN"]
    assert [[test.name for test in row.runs[0].tests] for row in rows] == [["people", "elsewhere"]] * 2 + [
        ["elsewhere", "people"]
    ] * 2
    assert all(row.runs[0].settings.method == "supervised" for row in rows)


def test_a_name_says_what_is_different_and_the_seed(study):
    settings = replace(study.settings, stages="stage1", seed=3)
    assert name_of(settings, study).startswith("stages-stage1_seed-3_")
    assert name_of(study.settings, study).startswith("full_seed-0_")
    layers = replace(study.settings, model=replace(study.settings.model, norm_stages=("blocks.5", "bn2")))
    assert name_of(layers, study).startswith("norm_stages-blocks.5+bn2_seed-0_")


def test_how_a_run_is_computed_does_not_make_it_another(study):
    elsewhere = replace(
        study.settings,
        device="cuda",
        loggers=(),
        pixels=PixelSettings(source="decode", workers=2),
        engine=EngineSettings(threads=2),
        distance=replace(study.settings.distance, max_dense_crops=99),
    )
    assert name_of(elsewhere, study) == name_of(study.settings, study)


@pytest.mark.parametrize(
    "changed",
    [{"rounds": 9}, {"seed": 1}, {"weight_decay": 0.1}, {"engine": EngineSettings(parts=2)}],
    ids=lambda changed: next(iter(changed)),
)
def test_what_decides_a_result_makes_another_run(study, changed):
    assert name_of(replace(study.settings, **changed), study) != name_of(study.settings, study)


def test_other_crops_or_other_tests_make_another_run(study, people):
    fewer = people.train.subset(np.arange(1, len(people.train)))
    name = name_of(study.settings, study)
    assert name_of(study.settings, study, train=fewer) != name
    assert name_of(study.settings, study, tests=(people, people)) != name
    renamed = replace(people.train, identity_ids=people.train.identity_ids + 1)
    assert name_of(study.settings, study, train=renamed) != name


def test_all_settings_but_seed_and_computing_are_looked_at():
    looked_at = {key.split(".")[0] for key in _deciding(Settings())}
    others = {"seed", "device", "loggers", "pixels", "method"}
    assert looked_at == {one.name for one in fields(Settings)} - others
    supervised = _deciding(Settings(method="supervised"))
    assert supervised == {**_deciding(Settings()), "stages": "supervised"}  # the method, by the name of older versions
