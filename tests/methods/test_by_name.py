"""Which stages a run has, in which order, and what its method is told."""

import re
from dataclasses import dataclass, replace

import pytest

from iics.config import Settings, Stage2Settings
from iics.errors import SettingsError
from iics.methods.by_name import METHODS, ends_round, method_of, remaining_stages, stages_of, with_own_settings
from iics.runs import record

CNN = Stage2Settings(similarity="cnn")


@dataclass(frozen=True)
class Own:
    temperature: float = 0.05


@pytest.fixture
def told(monkeypatch):
    """A method "told" with settings of its own."""
    monkeypatch.setitem(METHODS, "told", replace(METHODS["supervised"], settings=Own))


def test_all_stages_remain_at_first(tiny_settings):
    every = [(0, 0), (0, 1), (1, 0), (1, 1)]
    for done in range(4):
        assert list(remaining_stages(tiny_settings, every[done])) == every[done + 1 :]
    assert list(remaining_stages(tiny_settings, None)) == every


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        (Settings(), ["stage1", "stage2"]),
        (Settings(stages="stage1"), ["stage1"]),
        (Settings(stages="stage2", stage2=CNN), ["stage2"]),
        (Settings(method="supervised"), ["supervised"]),
    ],
)
def test_a_round_has_the_stages_asked_for_and_ends_with_the_last(settings, names):
    assert [stage.name for stage in stages_of(settings)] == names
    assert [ends_round(settings, index) for index in range(len(names))] == [False] * (len(names) - 1) + [True]
    assert next(remaining_stages(replace(settings, rounds=3), (0, len(names) - 1))) == (1, 0)
    assert len(list(remaining_stages(replace(settings, rounds=3), None))) == 3 * len(names)


def test_stage_1_is_left_out_after_the_rounds_it_is_asked_for(tiny_settings):
    settings = replace(tiny_settings, rounds=3, stage1=replace(tiny_settings.stage1, rounds=1))
    assert list(remaining_stages(settings, None)) == [(0, 0), (0, 1), (1, 1), (2, 1)]
    assert list(remaining_stages(settings, (0, 1))) == [(1, 1), (2, 1)]


@pytest.mark.parametrize("name", METHODS)
def test_no_two_stages_of_a_method_share_a_name_or_draw_the_same(name):
    stages = stages_of(Settings(method=name))
    assert len({stage.name for stage in stages}) == len({stage.stream for stage in stages}) == len(stages)


def test_an_unknown_method_is_refused_with_the_nearest():
    with pytest.raises(SettingsError) as caught:
        method_of(Settings(method="supervized"))
    known = "iics, supervised, cluster-contrast, camera-proxies"
    assert str(caught.value) == f"There is no method 'supervized'; there is {known}. Did you mean supervised?"


def test_stages_of_iics_are_refused_with_another_method():
    with pytest.raises(SettingsError, match=r"^--stages stage1 is of the method iics; --method supervised has its own"):
        Settings(method="supervised", stages="stage1")


@pytest.mark.usefixtures("told")
def test_a_method_gets_its_own_settings_or_their_defaults():
    assert with_own_settings(Settings(method="told")).own == Own()
    assert with_own_settings(Settings(method="told", own=Own(2.0))).own == Own(2.0)
    assert with_own_settings(Settings()).own is None


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Settings(own=Own()), "The method iics takes no settings of its own, got Own."),
        (Settings(method="told", own=CNN), "The method told takes Own of its own, got Stage2Settings."),
    ],
)
def test_settings_of_another_method_are_refused(settings, message):
    with pytest.raises(SettingsError) as caught:
        with_own_settings(settings)
    assert str(caught.value) == message


@pytest.mark.parametrize("name", [*record._OF_THE_ROUND, "", "stage 1", "Stage", "a/b", "1st"])
def test_a_stage_that_a_record_or_a_file_could_not_name_is_refused(name):
    with pytest.raises(ValueError, match=f"got {re.escape(repr(name))}"):
        replace(METHODS["supervised"].stages(Settings())[0], name=name)
