"""Training that is killed, at whatever moment: the command line goes on to the bits of the run that nobody killed.

IICS_TEST_KILLS says how many kills are tried, evenly spread over those there are; 200 of them take about half an hour.
"""

import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
NUM_KILLS = int(os.environ.get("IICS_TEST_KILLS", "60"))
SEED = 20250


@dataclass(frozen=True)
class Kill:
    """When a command is killed, and the one that goes on after it."""

    name: str
    first: dict
    second: dict = field(default_factory=dict)
    is_own_process: bool = False


@dataclass
class Training:
    """A training command in a folder of its own, and what it leaves."""

    commands: object
    data: Path
    flags: list[str]
    folder: Path

    @property
    def run(self):
        return self.folder / "run"

    def start(self, **order):
        where = ["--data-dir", self.data, "--out", self.run, "--pixels.cache-dir", self.folder / "pixels"]
        return self._command("market-layout", *where, *self.flags, **order)

    def resume(self, **order):
        return self._command("--resume", self.run, **order)

    def go_on(self, **order):
        """Resume; where that is refused because the run had not begun, start it again with the first command."""
        before = contents(self.folder)
        answer = self.resume(**order)
        if answer.code != 2:
            return answer
        assert answer.sentence, answer.end
        assert not (self.run / "settings.json").exists(), answer.end
        assert contents(self.folder) == before, "a refusal changed the folder"
        return self.start(**order)

    def _command(self, *arguments, own_process=False, **order):
        if own_process:
            return killed_process(self.commands.home, ["train", *map(str, arguments)], **order)
        return self.commands.run("train", *arguments, folder=self.folder, watched=str(self.folder), **order)


def killed_process(home, arguments, *, after_seconds):
    """Start `python -m iics`, as a user does, and kill it after some seconds."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(home), "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "iics", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    time.sleep(after_seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()


def contents(folder):
    """Return a hash of every file, without locks and what the harness writes."""
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and not file.name.endswith(".lock") and file.suffix != ".txt" and file.name != ".held_by.json"
    }


def result_of(run):
    """Return all that two equal runs share, to the bit: everything but times, names and places, and the report."""
    of_its_own = ("data.json", "report.html", "metrics.jsonl", "settings.json", "model.md")  # names, places, times
    kept = {
        name: digest
        for name, digest in contents(run).items()
        if name not in of_its_own and not name.startswith("checkpoints/")
    }
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    times = ("seconds", "phases")
    kept["metrics.jsonl"] = [{name: value for name, value in one.items() if name not in times} for one in records]
    kept["model.md"] = re.sub(r"trained for .* minutes", "", (run / "model.md").read_text())
    kept["checkpoints"] = sorted(file.name for file in (run / "checkpoints").iterdir())
    assert (run / "report.html").is_file()
    assert not list(run.rglob("*.tmp")), "temporaries are left"
    assert not (run / ".held_by.json").exists()
    return kept


@pytest.fixture(scope="module")
def training(commands, market_people, tiny_flags, tmp_path_factory):
    root = tmp_path_factory.mktemp("killed")

    def make(name, **changes):
        folder = root / name
        folder.mkdir()
        return Training(
            **{
                "commands": commands,
                "data": market_people,
                "flags": [*tiny_flags, "--loggers"],
                "folder": folder,
                **changes,
            }
        )

    make("warming up").start()  # compiles kernels, lists fonts
    return make


@pytest.fixture(scope="module")
def unbroken(training):
    """A run that nobody killed: what came out, every change of a file, every phase, its seconds."""
    trained = training("unbroken")
    answer = trained.start()
    assert answer.code == 0, answer.end
    return result_of(trained.run), answer


def planned(answer):
    """Return all kills, by kind: at every change of a file, at every phase, at moments drawn, and twice."""
    draw = random.Random(SEED)
    changes, phases = range(1, len(answer.changes) + 1), range(1, len(answer.phases) + 1)
    at_changes = [Kill(f"before change {n}, {answer.changes[n - 1]}", {"at_change": n}) for n in changes]
    at_phases = [Kill(f"as {answer.phases[n - 1]} began", {"at_phase": n}) for n in phases]
    moments = sorted(draw.uniform(0.02, 0.95) * answer.seconds for _ in range(60))
    at_random = [Kill(f"after {moment:.2f} s", {"after_seconds": moment}) for moment in moments]
    twice = [
        Kill(f"before change {n}, and going on before change {m}", {"at_change": n}, {"at_change": m})
        for n, m in ((draw.choice(changes), draw.randint(1, 30)) for _ in range(40))
    ]
    return [at_changes, at_phases, at_random, twice]


def chosen(answer, number):
    """Return so many kills, each kind in the share that it has of all."""
    kinds = planned(answer)
    total = sum(map(len, kinds))
    return [kill for kind in kinds for kill in spread_over(kind, max(1, round(number * len(kind) / total)))]


def spread_over(kills, number):
    return [kills[index * len(kills) // number] for index in range(min(number, len(kills)))]


def test_killed_runs_go_on_to_the_same_bits(training, unbroken, outcomes):
    expected, answer = unbroken
    for number, kill in enumerate(chosen(answer, NUM_KILLS)):
        killed = training(f"kill {number}")
        try:
            if killed.start(**kill.first).code == 0:
                outcomes.add(kill.name, "ended before they were killed")
            else:
                if kill.second:
                    killed.go_on(**kill.second)
                last = killed.go_on()
                assert last.code == 0, last.end
                assert result_of(killed.run) == expected
                outcomes.add(kill.name, "came to the same bits")
        except (AssertionError, OSError, ValueError) as error:
            outcomes.add(kill.name, f"{str(error)[:900]}", is_failure=True)
        shutil.rmtree(killed.folder)
    outcomes.check("kills of iics train")


def test_processes_as_users_start_them_go_on_to_the_same_bits(training, unbroken, outcomes):
    expected, answer = unbroken
    draw = random.Random(SEED + 1)
    for number in range(max(2, NUM_KILLS // 20)):
        killed = training(f"process {number}")
        seconds = draw.uniform(2, 5 + answer.seconds)  # the first seconds are imports
        try:
            killed.start(own_process=True, after_seconds=seconds)
            last = killed.go_on()
            assert last.code == 0, last.end
            assert result_of(killed.run) == expected
            outcomes.add(f"after {seconds:.1f} s", "came to the same bits")
        except (AssertionError, OSError, ValueError) as error:
            outcomes.add(f"after {seconds:.1f} s", f"{str(error)[:900]}", is_failure=True)
        shutil.rmtree(killed.folder)
    outcomes.check("kills of processes of their own")
