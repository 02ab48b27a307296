"""`iics benchmark training`."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

SMALL = [
    "--backbone=resnet18",
    "--height=32",
    "--width=32",
    "--cameras=2",
    "--crops-per-camera=3",
    "--clusters-per-batch=3",
    "--crops-per-cluster=2",
    "--extracted=4",
    "--loaded=12",
    "--repeats=1",
    "--device=cpu",
]


@pytest.fixture(autouse=True)
def malloc_as_it_comes(monkeypatch):
    """Keeping freed memory would last for the whole test session."""
    monkeypatch.setattr("iics.memory.keep_freed_memory", lambda: False)
    monkeypatch.setattr("iics.training.engine.keep_freed_memory", lambda: False)


def test_a_table_shows_every_part(iics, market_people):
    data = ["market-layout", f"--data-dir={market_people}"]
    finished = iics("benchmark", "training", *SMALL, *data, "--options=norm")
    assert finished.code == 0, finished.stderr
    printed = finished.stdout
    assert re.search(r"resnet18 at 32x32.+malloc as it comes", printed)
    engine = r"cpu, (float32|bf16), channels_last, not compiled, 1 thread"  # bf16 where the processor has it
    assert re.search(engine, " ".join(printed.split()))
    for title in (
        "load market-layout",
        "a step of 2 cameras x 3 crops",
        "a step of 3 clusters x 2",
        "features: 4 crops",
    ):
        assert title in printed
    assert " 1 thread " in printed
    for form in ("aibn", "bn"):
        assert len(re.findall(rf" {form} ", printed)) == 3
    assert finished.stderr.splitlines() == [
        f"Timing {part} ..." for part in ("loading", "stage1", "stage2", "features")
    ]


def test_the_same_as_json(iics):
    finished = iics("benchmark", "training", *SMALL, "--only", "features", "--options", "--json")
    values = json.loads(finished.stdout)
    assert values["settings"]["what"] == "training"
    assert values["settings"]["extracted"] == 4
    assert list(values["phases"]) == ["features"]
    (form,) = values["phases"]["features"]["forms"]
    assert form["form"] == "aibn"
    assert form["crops_per_second"] == pytest.approx(4 / form["seconds"])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--cameras=0"], "--cameras must be a whole number from 1 to 1,000; got 0."),
        (["--crops-per-camera=1"], "--crops-per-camera must be a whole number from 2 to 1,024; got 1."),
        (["--clusters-per-batch=1"], "--clusters-per-batch must be a whole number from 2 to 1,024; got 1."),
        (["--height=16"], "--height must be a whole number from 32 to 2,048; got 16."),
        (["--threads=-1"], "--threads must be a whole number from 0 to 1,024; got -1."),
        (["--loaded=63"], "--loaded must be at least a batch of 64, got 63."),
        (["--only"], "--only needs a value, got none; leave --only out if nothing is meant."),
        (
            ["--backbone=levit_128s"],
            "The backbone levit_128s cannot be used: it has batch norms over tokens (BatchNorm1d), which cannot be "
            "kept apart by camera. Needed is a network of timm whose norms are batch norms of maps, which are grouped "
            "by camera, or take each crop by itself, e.g. resnet50, efficientnet_lite0 or vit_small_patch16_224.",
        ),
        (["folder"], "Where is the data? folder needs --data-dir FOLDER."),
    ],
)
def test_what_cannot_be_measured_is_refused(flags, message, refusal):
    assert refusal("benchmark", "training", "--device=cpu", *flags) == message


def test_fewer_crops_than_a_batch_are_refused(market_people, refusal):
    message = refusal("benchmark", "training", "--device=cpu", "market-layout", f"--data-dir={market_people}")
    assert message == "Loading needs crops for a batch of 64, market-layout train has 54."


def test_help_does_not_wait_for_torch():
    script = (
        "import sys\nfrom iics.cli import run\n"
        "try:\n    run(['benchmark', 'training', '--help'])\nexcept SystemExit:\n    pass\n"
        "print([name for name in ('torch', 'numba', 'timm') if name in sys.modules])"
    )
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert finished.stdout.splitlines()[-1] == "[]"
