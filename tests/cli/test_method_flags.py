"""A method's own settings are flags of `iics train`, where that method is named."""

import pickle
from dataclasses import dataclass, replace
from typing import Annotated

import pytest

from iics.cli import train
from iics.config import Settings
from iics.errors import SettingsError
from iics.methods.by_name import METHODS
from iics.ranges import check_ranges, number


@dataclass(frozen=True)
class Own:
    """What the method is told."""

    temperature: Annotated[float, number(0, 10)] = 0.05
    """How soft it looks at features."""

    def __post_init__(self) -> None:
        check_ranges(self, prefix="own.")


@pytest.fixture(autouse=True)
def told(monkeypatch):
    """A method "told" with settings of its own."""
    monkeypatch.setitem(METHODS, "told", replace(METHODS["supervised"], settings=Own))


@pytest.fixture
def settings_of(monkeypatch):
    """Return the settings that `iics train` starts with, given some flags."""

    def settings(*arguments):
        seen = []
        monkeypatch.setattr(train, "_check_settings", lambda found: seen.append(found) or exit(7))
        with pytest.raises(SystemExit) as caught:
            train.main(list(arguments))
        assert caught.value.code == 7
        return seen[0]

    return settings


@pytest.mark.parametrize(
    "flags",
    [
        ["sample", "--method", "told", "--own.temperature", "0.5"],
        ["--own.temperature=0.5", "--method=told", "sample"],
        ["sample", "--own.temperature", "0.5", "--method", "told", "--preset", "sample"],
    ],
)
def test_own_settings_are_flags(settings_of, flags):
    found = settings_of(*flags)
    assert found.own == Own(0.5)
    assert type(found) is Settings
    assert pickle.loads(pickle.dumps(replace(found, own=None))) == replace(found, own=None)


def test_their_defaults_stand_beside_those_of_the_preset(settings_of):
    found = settings_of("sample", "--method", "told")
    assert found == replace(settings_of("sample"), method="told", own=Own())


def test_methods_without_own_settings_have_none(settings_of):
    assert settings_of("sample", "--method", "iics") == settings_of("sample")
    assert settings_of("sample").own is None


def test_a_value_out_of_range_is_refused():
    with pytest.raises(SettingsError, match=r"^own\.temperature must be a number from 0 to 10; got 11"):
        train.main(["sample", "--method", "told", "--own.temperature", "11"])


@pytest.mark.parametrize("flags", [[], ["--method", "iics"], ["--method", "supervised"]])
def test_the_flags_are_there_with_that_method_alone(flags):
    with pytest.raises(SettingsError, match=r"^iics train has no --own\.temperature\. .* name it by --method\."):
        train.main(["sample", *flags, "--own.temperature", "0.5"])


def test_help_shows_them_with_that_method_alone(capsys):
    texts = []
    for flags in ([], ["--method", "told"]):
        with pytest.raises(SystemExit):
            train.main([*flags, "--help"])
        texts.append(capsys.readouterr().out)
    assert ["--own" in text for text in texts] == [False, True]
    assert "How soft it looks at features." in texts[1]
    assert "What shall be" not in texts[1]


def test_an_unknown_method_is_refused_with_the_nearest_before_data_is_read():
    with pytest.raises(SettingsError, match=r"^There is no method 'tolt'; there is .*\. Did you mean told\?$"):
        train.main(["folder", "--data-dir", "nowhere", "--method", "tolt"])


def test_a_flag_that_a_method_has_one_of_its_own_for_is_refused():
    flags = "--method cluster-contrast --weight-decay 0.1 --stage2.no-camera-diverse --distance.k1 3 --momentum 0.5"
    with pytest.raises(SettingsError) as caught:
        train.main(["sample", *flags.split()])
    assert str(caught.value) == (
        "--method cluster-contrast has flags of its own: say --own.weight-decay, not --weight-decay, "
        "--own.camera-diverse, not --stage2.camera-diverse, --own.k1, not --distance.k1."
    )


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            "--method cluster-contrast --momentum 0.5 --weight-decay 0.1 --own.weight-decay 0.2",
            "--method cluster-contrast does not read --momentum, --weight-decay.",
        ),
        (
            "--method camera-proxies --own.clusters.least 3",
            "--method camera-proxies does not read --own.clusters.least.",
        ),
        ("--stages stage1 --stage2.proxies.weight 3", "--stages stage1 does not read --stage2.proxies.weight."),
        (
            "--stages stage2 --stage2.similarity cnn --stage1.epochs 3",
            "--stages stage2 does not read --stage1.epochs.",
        ),
        ("--supervised --distance.k1 9", "--method supervised does not read --distance.k1."),
        ("--supervised.epochs 9", "--method iics does not read --supervised.epochs."),
        ("--method cluster-contrast --own.weight-decay 0.1 --distance.k1-intra 3 --rounds 3", ""),
        ("--stages stage1 --stage1.epochs 3 --distance.k1 9", ""),
        ("--supervised --momentum 0.5 --supervised.epochs 2", ""),
    ],
)
def test_other_flags_that_nothing_reads_are_told(settings_of, capsys, flags, message):
    settings_of("sample", *flags.split())
    assert capsys.readouterr().err.strip() == message


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--own.distance jac", r"^There is no own\.distance 'jac'; .* Did you mean jaccard\?$"),
        ("--own.clusters.rule densty", r"^There is no clusters\.rule 'densty'; .*Did you mean density\?$"),
    ],
)
def test_names_of_nothing_among_own_settings_are_refused_before_data_is_read(flags, message):
    with pytest.raises(SettingsError, match=message):
        train.main(["folder", "--data-dir", "nowhere", "--method", "cluster-contrast", *flags.split()])


def test_a_misspelt_flag_of_ones_own_method_gets_the_nearest():
    with pytest.raises(SettingsError, match=r"no --own\.temprature\. Did you mean --own\.temperature "):
        train.main(["sample", "--method", "told", "--own.temprature", "1"])
