"""A run on animals is told as one: no text of the report or the card calls them people."""

from __future__ import annotations

import re

from iics.reports.report import report_html

PEOPLE = re.compile(r"[^.>]{0,40}\b(?:person|people)\b[^.<]{0,40}")
ANIMALS = {"rounds": 2, "seed": 7, "stages": "both", "model": {"backbone": "resnet18", "subject": "animal"}}


def test_the_report_of_a_run_on_animals_speaks_of_animals(make_run):
    page = report_html(make_run(settings=ANIMALS, data={"name": "zoo"}))
    page = re.sub(r"<style>.*?</style>|src=\"[^\"]*\"", "", page, flags=re.DOTALL)
    assert "animals" in page
    assert PEOPLE.findall(page) == []


def test_the_report_of_people_is_as_it_was(make_run):
    assert "people" in report_html(make_run())
