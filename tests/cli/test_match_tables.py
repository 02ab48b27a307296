"""Matches as a table and as JSON say what their similarities mean, as far as the model knows."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from iics.cli.match_tables import json_values, print_matches
from iics.gallery.matches import Match
from iics.model_settings import ModelSettings
from iics.models.centre_choice import CentreChoice
from iics.models.model_header import ModelHeader


def match(rank, similarity):
    return Match(rank, similarity, f"c{rank}", Path(f"{rank}.png"), "hall", None, None, None, box=None)


PLAIN = CentreChoice("off", False)
MATCHES = [match(1, 0.9), match(2, 0.5)]


@pytest.fixture
def header():
    return ModelHeader.from_settings(ModelSettings(backbone="efficientnet_lite0"))


@pytest.fixture
def calibrated(header, thresholds):
    return replace(header, match_thresholds=thresholds)


def test_the_table_says_which_threshold_a_match_passes(calibrated, capsys):
    print_matches(MATCHES, calibrated)
    lines = capsys.readouterr().out.splitlines()
    assert "above threshold" in lines[0]
    assert "1 %" in next(line for line in lines if "0.900" in line)
    assert "%" not in next(line for line in lines if "0.500" in line)
    assert any("exceed 0.680" in line for line in lines)


def test_the_table_of_a_model_without_thresholds_says_how_to_calibrate(header, capsys):
    print_matches(MATCHES, header)
    out = capsys.readouterr().out
    assert "above threshold" not in out
    assert "iics evaluate MODEL DATA --calibrate" in out


def test_json_holds_the_thresholds(header, calibrated):
    values = json.loads(json.dumps(json_values(Path("q.jpg"), "g.db", MATCHES, calibrated, PLAIN)))
    assert values["thresholds"]["thresholds"][1]["similarity"] == 0.68
    assert "the rates do not hold" in values["thresholds_note"]
    assert json_values(Path("q.jpg"), "g.db", MATCHES, header, PLAIN)["thresholds"] is None


def test_centred_similarities_are_judged_by_no_threshold(calibrated, capsys):
    values = json_values(Path("q.jpg"), "g.db", MATCHES, calibrated, CentreChoice("on", True))
    assert values["thresholds"] is None
    assert values["thresholds_note"].startswith("Features are centred by camera")
    assert values["centre"]["is_centred"]
    print_matches(MATCHES, calibrated, is_centred=True)
    printed = " ".join(capsys.readouterr().out.split())
    assert "Features are centred by camera, and thresholds are measured on plain ones" in printed
    assert "above threshold" not in printed


def test_times_are_shown_whatever_they_are(header, capsys):
    times = (1772323200.0, 751.0, 1.7e12)  # of a date, of a recording, milliseconds since 1970
    print_matches([replace(MATCHES[0], time=time) for time in times], header)
    out = capsys.readouterr().out
    assert all(text in out for text in ("2026-03-01 00:00:00", "0:12:31", "1700000000000 s"))
