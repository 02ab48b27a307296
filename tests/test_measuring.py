"""A run's model measured on crops that are decoded once."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

import iics
from iics import trained_run
from iics.cli import run
from iics.models import images_to_embed


@pytest.fixture
def decodings(monkeypatch):
    """Numbers of crops that features were decoded for, each time."""
    sizes = []
    load_pixels = images_to_embed.load_pixels

    def count(crops, **options):
        sizes.append(len(crops))
        return load_pixels(crops, **options)

    monkeypatch.setattr(images_to_embed, "load_pixels", count)
    monkeypatch.setattr(trained_run, "judge", lambda *_: None)  # looks at training crops, which are not counted here
    monkeypatch.setattr(trained_run, "write_report", lambda _: None)  # takes longer than these trainings
    return sizes


def measured(people, settings, out, folder, **options):
    pixels = replace(settings.pixels, cache_dir=str(folder), **options)
    settings = replace(settings, stages="stage1", rounds=1, pixels=pixels, inference_batch_size=5)
    done = iics.train(people.train, settings=settings, out=out, query=people.query, gallery=people.gallery)
    return [record["evaluation"] for record in done.history]


def test_query_and_gallery_are_decoded_into_files_once_and_measure_to_the_same_bits(
    people, tiny_settings, tmp_path, decodings, monkeypatch
):
    monkeypatch.setattr(images_to_embed, "CROPS_PER_BLOCK", 7)  # which batches of 5 do not divide
    folder = tmp_path / "pixels"
    kept = measured(people, tiny_settings, tmp_path / "kept", folder)
    assert decodings == []
    assert len(list(folder.glob("*.npy"))) == 3  # training crops, query, gallery
    decoded = measured(people, tiny_settings, tmp_path / "decoded", folder, source="decode")
    assert sum(decodings) == 2 * (len(people.query) + len(people.gallery))
    assert kept == decoded
    again = measured(people, tiny_settings, tmp_path / "again", folder)
    assert (again, len(list(folder.glob("*.npy")))) == (kept, 3)


def test_evaluate_takes_pixels_that_a_run_has_kept_and_keeps_none_itself(
    people, market_people, tiny_settings, tmp_path, decodings, monkeypatch, capsys
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    measured(people, tiny_settings, tmp_path / "run", "")
    command = ["evaluate", str(tmp_path / "run"), "market-layout", "--data-dir", str(market_people), "--json"]
    capsys.readouterr()
    assert run(command) == 0
    assert decodings == []
    kept = json.loads(capsys.readouterr().out)
    assert run(["clear-cache"]) == 0
    capsys.readouterr()
    assert run(command) == 0
    assert sum(decodings) == len(people.query) + len(people.gallery)
    assert json.loads(capsys.readouterr().out) == kept
    assert list((tmp_path / "cache" / "iics").iterdir()) == []
