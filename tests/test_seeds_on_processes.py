"""Several seeds on two real processes that torchrun starts: they share each seed's work, and go on together."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from iics.runs.seed_runs import SeedRuns


@pytest.mark.slow
def test_two_processes_share_each_seed_and_go_on_together(market_people, tiny_flags, tmp_path):
    out = tmp_path / "two"
    flags = tiny_flags.but("--rounds=1", "--stages=stage1", "--seeds=2", "--evaluate=end")

    def train(*arguments):
        launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "iics"]
        command = [*launcher, "train", *map(str, arguments)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        finished = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=900)
        assert finished.returncode == 0, finished.stderr
        return finished

    first = train("market-layout", "--data-dir", market_people, "--out", out, *flags)
    assert "2 processes; folder of runs" in first.stderr
    assert first.stdout.count("standard deviation") == 1
    assert SeedRuns.read(out).finished == (0, 1)
    table = str(SeedRuns.read(out))

    shutil.rmtree(out / "seed-1")
    values = json.loads((out / "seeds.json").read_text())
    (out / "seeds.json").write_text(json.dumps({**values, "finished": [0]}))
    again = train("--resume", out)
    assert again.stderr.count("Training seed") == 1
    assert str(SeedRuns.read(out)) == table
