"""Training while the disk is full or read-only, or data changes: one sentence, and later the unbroken run's bits."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from iics.model_settings import ModelSettings
from iics.models.reid_model import create_model

pytestmark = pytest.mark.slow
MEGABYTES = 120


@pytest.fixture(scope="module")
def train(market_people, tiny_flags):
    """The arguments that train below a folder."""

    def arguments(folder, data=market_people):
        where = ["--data-dir", data, "--out", folder / "run", "--pixels.cache-dir", folder / "pixels"]
        return ["train", "market-layout", *where, *tiny_flags, "--loggers"]

    return arguments


@pytest.fixture(scope="module")
def unbroken(commands, train, tmp_path_factory):
    """The model and the pseudo-labels of a run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("unbroken")
    answer = commands.run(*train(folder), folder=folder, watched=str(folder))
    assert answer.code == 0, answer.end
    return bits(folder / "run"), answer.changes


def bits(run):
    tables = {file.name: file.read_bytes() for file in (run / "pseudo_labels").iterdir()}
    return (run / "model.safetensors").read_bytes(), tables


def difference(one, other):
    """Return in words what differs between the bits of two runs."""
    tables = sorted({name for name, _ in one[1].items() ^ other[1].items()})
    return f"{'another model' if one[0] != other[0] else 'the same model'}; other tables: {', '.join(tables)}"


@pytest.fixture(scope="module")
def small_disk(commands_on_a_disk):
    """Commands that see a disk of their own, of so many megabytes; skipped where none can be had."""
    return commands_on_a_disk(MEGABYTES)


def test_a_full_disk_is_a_sentence_and_the_run_goes_on_when_there_is_room(small_disk, train, unbroken, outcomes):
    disk, commands = small_disk
    for number, free in enumerate((0, 1, 14, 28, 31, 44)):
        folder = disk / str(number)
        what = f"{free} MB free"
        fill = f"mkdir {folder}; head -c {(MEGABYTES - free)}M /dev/zero > {disk}/ballast 2>/dev/null; true"
        stopped = commands.run(*train(folder), folder=commands.home, before=fill)
        kept = commands.home / f"kept {number}"
        make_room = f"rm -f {disk}/ballast; mkdir -p {folder}"
        last = commands.run("train", "--resume", folder / "run", folder=commands.home, before=make_room)
        if last.code == 2:
            last = commands.run(*train(folder), folder=commands.home)
        commands.run("--version", folder=commands.home, before=f"cp -r {folder}/run '{kept}'; rm -rf {folder}")
        is_right = (stopped.sentence or stopped.code == 0) and last.code == 0 and bits(kept) == unbroken[0]
        outcome = "sentence, then the same bits" if stopped.sentence else "trained all the same"
        problem = f"{stopped.end}\n{last.end}\n{difference(bits(kept), unbroken[0])}"
        outcomes.add(what, outcome if is_right else problem, not is_right)
    outcomes.check("runs on a full disk")


def test_indexing_on_a_full_disk_is_a_sentence_and_goes_on_when_there_is_room(
    small_disk, commands, folder_people, market_people, tmp_path, outcomes
):
    disk, there = small_disk
    model = tmp_path / "model.safetensors"
    torch.manual_seed(0)
    settings = ModelSettings(backbone="test_efficientnet", weights="none", height=64, width=32)
    create_model(settings, device=torch.device("cpu")).save(model)
    query = next((market_people / "query").iterdir())

    def indexed(who, folder, **order):
        return who.run("index", folder / "g.db", folder_people, "--model", model, folder=who.home, **order)

    def matches(who, folder):
        answer = who.run("search", folder / "g.db", query, "--json", "--top", 100, folder=who.home)
        assert answer.code == 0, answer.end
        return [(match["crop_id"], round(match["similarity"], 5)) for match in json.loads(answer.stdout)["matches"]]

    assert indexed(commands, tmp_path).code == 0
    expected = matches(commands, tmp_path)
    for number, free in enumerate((0, 4, 12, 40, 200, 1000)):
        folder = disk / f"index-{number}"
        fill = f"mkdir {folder}; head -c {MEGABYTES * 1024 - free}K /dev/zero > {disk}/ballast 2>/dev/null; true"
        stopped = indexed(there, folder, before=fill)
        last = indexed(there, folder, before=f"rm -f {disk}/ballast")
        is_right = (stopped.sentence or stopped.code == 0) and last.code == 0 and matches(there, folder) == expected
        outcome = "sentence, then indexed" if stopped.sentence else "indexed all the same"
        outcomes.add(f"{free} KB free", outcome if is_right else f"{stopped.end}\n{last.end}", not is_right)
        there.run("--version", folder=there.home, before=f"rm -rf {folder}")
    outcomes.check("indexing on a full disk")


def test_a_read_only_disk_is_a_sentence_and_the_run_goes_on_when_it_can_be_written(
    small_disk, train, unbroken, outcomes
):
    disk, commands = small_disk
    changes = unbroken[1]
    for number, part in enumerate(("settings.json", "round-001-stage1", "round-001.csv", "round-002-stage2")):
        folder = disk / f"ro{number}"
        at = next(n for n, what in enumerate(changes, 1) if part in what)
        killed = commands.run(*train(folder), folder=disk, before=f"mkdir {folder}", watched=str(folder), at_change=at)
        refused = commands.run(
            "train", "--resume", folder / "run", folder=commands.home, before=f"mount -o remount,ro {disk}"
        )
        writable = f"mount -o remount,rw {disk}"
        last = commands.run("train", "--resume", folder / "run", folder=commands.home, before=writable)
        if last.code == 2:
            last = commands.run(*train(folder), folder=disk)
        kept = commands.home / f"kept ro{number}"
        commands.run("--version", folder=commands.home, before=f"cp -r {folder}/run '{kept}'; rm -rf {folder}")
        is_right = killed.code == -9 and refused.sentence and last.code == 0 and bits(kept) == unbroken[0]
        problem = f"{killed.end}\n{refused.end}\n{last.end}\n{difference(bits(kept), unbroken[0])}"
        outcomes.add(f"read-only at {part}", "sentence, then the same bits" if is_right else problem, not is_right)
    outcomes.check("runs on a read-only disk")


def test_changed_data_is_a_sentence_and_the_run_goes_on_with_the_old(
    commands, train, unbroken, market_people, tmp_path, outcomes
):
    trained, queries = (
        sorted((market_people / "bounding_box_train").iterdir()),
        sorted((market_people / "query").iterdir()),
    )
    picture, query = Path("bounding_box_train", trained[0].name), Path("query", queries[0].name)
    changes = {
        "a picture to train on replaced": lambda at: shutil.copyfile(trained[1], at / picture),
        "a picture to train on gone": lambda at: (at / picture).unlink(),
        "a picture to train on new": lambda at: shutil.copyfile(
            trained[0], at / picture.with_name("0001_c1s1_99_00.png")
        ),
        "a picture cut off": lambda at: (at / picture).write_bytes(trained[0].read_bytes()[:99]),
        "a query replaced": lambda at: shutil.copyfile(queries[1], at / query),
        "a query gone": lambda at: (at / query).unlink(),
        "all gone": shutil.rmtree,
    }
    at = next(n for n, what in enumerate(unbroken[1], 1) if "round-001-stage2" in what)
    for number, (what, change) in enumerate(changes.items()):
        folder = tmp_path / str(number)
        data = folder / "market"
        shutil.copytree(market_people, data)
        killed = commands.run(*train(folder, data), folder=folder, watched=str(folder), at_change=at)
        change(data)
        refused = commands.run("train", "--resume", folder / "run", folder=folder)
        shutil.rmtree(data, ignore_errors=True)
        shutil.copytree(market_people, data)
        last = commands.run("train", "--resume", folder / "run", folder=folder)
        is_right = killed.code == -9 and refused.sentence and last.code == 0
        model, tables = bits(folder / "run")
        is_right = is_right and model == unbroken[0][0] and tables.keys() == unbroken[0][1].keys()
        outcomes.add(what, "sentence, then the same bits" if is_right else f"{refused.end}\n{last.end}", not is_right)
    outcomes.check("runs whose data changed")


@pytest.fixture(scope="session")
def commands_on_a_disk(commands_within, tmp_path_factory):
    def make(megabytes):
        disk = tmp_path_factory.mktemp("disk")
        mount = f'mount -t tmpfs -o size={megabytes}m tmpfs {disk} && exec "$@"'
        within = ("unshare", "--map-root-user", "--mount", "sh", "-c", mount, "sh")
        if subprocess.run([*within, "true"], capture_output=True).returncode:
            pytest.skip("no disk of its own can be mounted here")
        return disk, commands_within(within)

    return make
