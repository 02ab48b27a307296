"""`--help`: what people set, with the values that would be used; all of it by `--help-all`."""

from __future__ import annotations

import re

import pytest

from docs_site.command_tables import command_kinds
from iics.cli import fitting
from iics.cli.flag_texts import flags_of
from iics.cli.help_text import SET_MOST, short_help
from iics.runs.machine import Machine


@pytest.fixture
def on_a_laptop(monkeypatch):
    """Two cores, no GPU."""
    monkeypatch.setattr(fitting, "may_have_gpu", lambda: False)
    monkeypatch.setattr(Machine, "processor", classmethod(lambda cls: cls(False, 2, 16 * 10**9)))


@pytest.fixture(autouse=True)
def _wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "110")  # a value stands in its flag's line


def value_of(text, flag):
    """Return what stands in brackets behind a flag."""
    (line,) = re.findall(rf"^  {flag}\b.*$", text, flags=re.MULTILINE)
    return line.partition("  [")[2].rstrip("]")


def test_training_shows_a_dozen_flags_and_how_many_more_there_are(iics):
    finished = iics("train", "--help")
    assert len(re.findall(r"^  (--[a-z]|DATA)", finished.stdout, flags=re.MULTILINE)) == 12
    assert finished.stdout.splitlines()[-1].endswith(" more: iics train --help-all")
    assert "--stage2.mu" not in finished.stdout
    assert "--stage2.mu" in iics("train", "--help-all").stdout


def test_the_values_are_those_of_the_data_that_is_given(iics, on_a_laptop, folder_people):
    chosen = [value_of(iics("train", folder_people, "--help").stdout, flag) for flag in ("--backbone", "--rounds")]
    assert chosen == ["efficientnet_lite0", "16"]
    text = iics("train", "market1501", "--help").stdout
    assert [value_of(text, flag) for flag in ("--preset", "--backbone", "--rounds")] == ["market1501", "resnet50", "40"]
    assert value_of(iics("train", "--help", "sample").stdout, "--rounds") == "4"


def test_what_is_not_known_yet_is_not_told(iics, monkeypatch, folder_people):
    monkeypatch.setattr(fitting, "may_have_gpu", lambda: True)
    for data in ([], [folder_people], ["nowhere"]):
        text = iics("train", *data, "--help").stdout
        assert value_of(text, "--rounds") == "chosen at the start"
        assert "Name data (iics train cameras --help) to see the values" in text


def test_none_is_no_value(iics):
    for command in ("train", "evaluate", "check-data", "export", "search"):
        assert "None" not in iics(command, "--help").stdout


@pytest.mark.parametrize(("name", "kind"), command_kinds().items())
def test_what_is_shown_first_are_flags_of_the_command(name, kind):
    text = short_help(kind, command=name)
    flags = list(flags_of(kind))
    shown = [flag for flag in flags if re.search(rf"^  {re.escape(flag.names[0])}\b", text, flags=re.MULTILINE)]
    assert len(shown) == len(SET_MOST.get(name, flags))
    assert all(flag.meaning for flag in shown)
