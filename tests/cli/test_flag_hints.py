"""Flags of other programs: what is meant here."""

from __future__ import annotations

import pytest

from iics.cli.evaluate_command import EvaluateCommand
from iics.cli.flag_hints import _ALIKE, check_flags_known, hint
from iics.cli.given_flags import flags_of
from iics.cli.search import SearchCommand
from iics.cli.train_arguments import TrainCommand
from iics.errors import SettingsError

TRAIN, EVALUATE, SEARCH = (dict(flags_of(kind)) for kind in (TrainCommand, EvaluateCommand, SearchCommand))


@pytest.mark.parametrize(
    ("word", "flags"),
    [
        ("--lr", "--stage1.backbone-learning-rate, --stage1.head-learning-rate, --stage2.backbone-learning-rate"),
        ("--learning_rate=0.1", "--stage1.backbone-learning-rate"),
        ("--batch-size", "--stage1.crops-per-camera, --stage2.clusters-per-batch or --stage2.crops-per-cluster"),
        ("-b", "--stage1.crops-per-camera"),
        ("--epochs", "--rounds, --stage1.epochs or --stage2.epochs"),
        ("--gpu", "--device"),
        ("--gpu_ids", "--device"),
        ("--workers", "--pixels.workers or --engine.threads"),
        ("--arch", "--backbone"),
        ("--pretrained", "--weights"),
        ("--output-dir", "--out"),
        ("--img-size", "--height or --width"),
        ("--fp16", "--engine.precision"),
        ("--mu", "--stage2.mu"),
        ("--backbon", "--backbone"),
        ("--round", "--rounds or --stage1.rounds"),
        ("--triplet-weigth", "--stage2.triplet-weight"),
    ],
)
def test_habits_and_slips_are_told_what_is_meant(word, flags):
    assert hint(word, TRAIN).startswith(f"Did you mean {flags}")


def test_only_flags_of_the_command_are_proposed():
    assert hint("--gpu", SEARCH) == "Did you mean --device? "
    assert hint("--topk", SEARCH) == "Did you mean --top? "
    assert hint("--lr", SEARCH) == ""
    assert hint("--workers", EVALUATE) == ""


def test_what_is_no_flag_here_is_told_otherwise():
    assert hint("--eval-only", TRAIN) == "Measuring is a command of its own: iics evaluate RUN DATA. "
    assert hint("--distributed", TRAIN).startswith("Several processes are started by torchrun: ")
    assert hint("--dataset", TRAIN) == ("Data is named without a flag: iics COMMAND cameras. Did you mean --data-dir? ")


def test_no_idea_is_none():
    assert hint("--zzzz", TRAIN) == ""


def test_every_proposal_is_a_flag_of_some_command():
    known = TRAIN.keys() | EVALUATE.keys() | SEARCH.keys() | {"--threads"}  # of benchmarks
    assert {flag for flags in _ALIKE.values() for flag in flags} <= known


def test_a_name_stands_in_one_place():
    names = [name for names in _ALIKE for name in names]
    assert len(names) == len(set(names))


def test_flags_that_there_are_and_words_pass():
    check_flags_known(["sample", "--rounds", "3", "--", "--lr"], TRAIN, command="train")
    check_flags_known(["--rounds=-5", "-5"], TRAIN, command="train")


def test_the_refusal_names_flag_and_way_out(refusal):
    with pytest.raises(SettingsError, match=r"^iics train has no --lr\. Did you mean .*\? All flags: .* --help-all\.$"):
        check_flags_known(["sample", "--lr", "0.1"], TRAIN, command="train")
    assert refusal("train", "sample", "--gpu", "0").startswith("iics train has no --gpu. Did you mean --device? ")
