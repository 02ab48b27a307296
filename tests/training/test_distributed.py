"""One, two and three real processes compute the same, and one that fails ends the others with its reason."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from iics.methods.iics.shared_overlap import panels
from iics.training.distributed import Processes, joined_processes

SCRIPT = Path(__file__).with_name("shared_work.py")


def launch(num_processes, *arguments):
    """Run the script under torchrun on this machine."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={num_processes}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [*launcher, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)


@pytest.fixture(scope="module")
def alone():
    spec = importlib.util.spec_from_file_location("shared_work", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.compute(Processes())


@pytest.fixture(scope="module", params=[2, pytest.param(3, marks=pytest.mark.slow)])
def together(request, tmp_path_factory):
    file = tmp_path_factory.mktemp("processes") / "results.pt"
    finished = launch(request.param, file)
    assert finished.returncode == 0, finished.stderr
    return torch.load(file, weights_only=False)


@pytest.mark.parametrize(
    "what",
    [
        "stage1",
        "stage1 in parts",
        "fewer cameras than processes",
        "stage2",
        "stage2 in parts",
        "cluster memory",
        "cluster memory in parts",
    ],
)
def test_losses_weights_and_running_statistics_do_not_depend_on_the_number_of_processes(together, alone, what):
    losses, state = together[what]
    expected_losses, expected_state = alone[what]
    assert len(losses) == 6
    assert losses[-1] != losses[0]
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-10)
    for ours, theirs in zip(state, expected_state, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-10)


def test_stage_1_in_parts_computes_the_same(alone):
    np.testing.assert_allclose(alone["stage1 in parts"][0], alone["stage1"][0], rtol=1e-10)


@pytest.mark.parametrize("what", ["labels", "labels of tracklets"])
def test_clusters_do_not_depend_on_the_number_of_processes(together, alone, what):
    features, within, across = together[what]
    expected_features, expected_within, expected_across = alone[what]
    assert torch.equal(features, expected_features)
    for ours, theirs in zip(within, expected_within, strict=True):
        assert np.array_equal(ours, theirs)
    assert np.array_equal(across, expected_across)


def test_shared_overlap_is_that_of_one_process_to_the_last_bit(together):
    shared, single = together["overlap"]
    assert torch.equal(shared, single)


def test_camera_means_are_those_of_one_process_to_the_last_bit(together, alone):
    names, num_crops, means, of_all = together["camera means"]
    assert (names, num_crops) == alone["camera means"][:2] == (tuple("abcd"), (9, 8, 12, 10))
    assert np.array_equal(means, alone["camera means"][2])
    assert np.array_equal(of_all, alone["camera means"][3])


def test_a_group_cut_by_processes_is_normalised_whole(together, alone):
    torch.testing.assert_close(together["few crops"], alone["few crops"], rtol=1e-12, atol=1e-12)


def test_what_processes_tell_each_other_arrives(together):
    told = together["exchanged"]
    count = len(told["ranks"])
    assert told["ranks"] == list(range(count))
    assert torch.equal(told["gathered"], torch.arange(14.0).reshape(7, 2))
    assert [row for rows in told["gradient"] for row in rows] == (2 * torch.arange(14.0).reshape(7, 2)).tolist()
    assert told["summed"].tolist() == [[count * (count + 1) / 2] * 2]
    assert told["agreed"] == [[[0.0, 0.0]]] * count
    assert told["from_first"] == [0] * count
    assert told["sum"].item() == count * (count + 1) / 2


@pytest.mark.slow
def test_a_process_that_fails_ends_the_others_with_its_reason():
    finished = launch(2, "fail")
    assert finished.returncode != 0
    assert "TrainingError: The reason." in finished.stderr
    assert "iics: process 0 ends. Process 1 on " in finished.stderr
    assert " stopped: The reason.\n" in finished.stderr


# --- shares


@pytest.mark.parametrize("total", [1, 2, 7, 48, 64, 65])
@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("unit", [1, 4, 8])
def test_shares_are_whole_units_and_add_up(total, count, unit):
    shares = Processes(0, count).shares(total, unit=unit)
    assert len(shares) == count
    assert sum(shares) == total
    if -(-total // unit) >= count:
        assert all(sum(shares[:rank]) % unit == 0 for rank in range(count))
        assert max(shares) - min(shares) <= 2 * unit - 1 or total % unit
    else:
        assert max(shares) - min(shares) <= 1


def test_own_rows_follow_those_of_the_processes_before():
    assert [Processes(rank, 3).own((3, 0, 5)) for rank in range(3)] == [slice(0, 3), slice(3, 3), slice(3, 8)]


def test_alone_nothing_is_sent():
    with joined_processes() as processes:
        assert processes == Processes(0, 1)
        rows = torch.ones(3, 2)
        assert processes.gather_rows(rows, (3,)) is rows
        assert processes.sum(rows) is rows
        assert processes.gather("mine") == ["mine"]
        assert processes.from_first(lambda: 5) == 5


@pytest.mark.parametrize("num_crops", [1, 512, 513, 1300])
def test_panels_hold_every_row_once_and_the_longest_first(num_crops):
    rows = [row for panel in panels(num_crops) for row in range(panel.start, panel.stop)]
    assert sorted(rows) == list(range(num_crops))
    stops = [panel.stop for panel in panels(num_crops)]
    assert stops == sorted(stops, reverse=True)
