"""`iics index`, `search`, `forget` and `watch`, as users type them."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
from PIL import Image

from iics.cli import run
from iics.model_settings import ModelSettings
from iics.models.reid_model import create_model


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    torch.manual_seed(0)
    settings = ModelSettings(backbone="test_efficientnet", weights="none", height=64, width=32)
    file = tmp_path_factory.mktemp("model") / "model.safetensors"
    create_model(settings, device=torch.device("cpu")).save(file)
    return file


@pytest.fixture
def home(folder_people, tmp_path, monkeypatch):
    """A folder with cameras door and hall, 4 crops each, in which the commands are run."""
    for camera in ("door", "hall"):
        (tmp_path / "cameras" / camera).mkdir(parents=True)
        for number, file in enumerate(sorted((folder_people / camera).iterdir())[:4]):
            shutil.copy(file, tmp_path / "cameras" / camera / f"{number}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def indexed(home, model_file, capsys):
    """`home` with a gallery people.db of a table with times and tracklets."""
    rows = ["path,camera,time,tracklet"]
    for camera in ("door", "hall"):
        rows += [f"cameras/{camera}/{n}.png,{camera},2026-03-01T08:0{n}:00,{n // 2}" for n in range(4)]
    (home / "crops.csv").write_text("\n".join(rows))
    assert run(["index", "people.db", "crops.csv", "--model", str(model_file)]) == 0
    assert capsys.readouterr().out == "8 new, 0 known; 8 crops in people.db\n"
    return home


MATCH_KEYS = ["rank", "similarity", "crop_id", "path", "archive", "box", "camera", "time", "tracklet", "identity"]


def error_of(capsys):
    return capsys.readouterr().err


def test_indexing_again_takes_only_what_is_new(home, model_file, capsys):
    index = ["index", "people.db", "cameras", "--model", str(model_file)]
    assert run(index) == 0
    shutil.copy("cameras/door/0.png", "cameras/hall/new.png")
    assert run(index) == 0
    assert capsys.readouterr().out.splitlines() == [
        "8 new, 0 known; 8 crops in people.db",
        "1 new, 8 known; 9 crops in people.db",
    ]


def test_broken_crops_are_named_and_end_in_code_1(home, model_file, capsys):
    (home / "cameras" / "door" / "0.png").write_bytes(b"no picture")
    assert run(["index", "people.db", "cameras", "--model", str(model_file)]) == 1
    captured = capsys.readouterr()
    assert captured.out == "7 new, 0 known, 1 unreadable; 7 crops in people.db\n"
    assert captured.err == "not indexed: cameras/door/0.png (no JPEG, PNG, BMP, WEBP image)\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "There is nothing to index"),
        (["cameras/door/0.png"], "Which camera took cameras/door/0.png? Say it by --camera NAME"),
        (["nowhere"], "nowhere does not exist"),
        (["folder"], "Where is the data? folder needs --data-dir FOLDER."),
        (["sample", "--camera", "door"], "sample knows its cameras"),
        (["cameras", "--data-dir", "cameras"], "not to the path cameras"),
        (["cameras/door", "--camera", "door", "--splits", "query"], "--splits is for data with splits; images of"),
        (["cameras", "--splits", "query"], "cameras has no split query; it has train."),
    ],
)
def test_crops_that_are_not_there_are_refused_before_a_gallery_is_made(home, model_file, capsys, words, message):
    assert run(["index", "people.db", *words, "--model", str(model_file)]) == 2
    assert message in error_of(capsys)
    assert not (home / "people.db").exists()


def test_images_of_one_camera_need_no_folder_for_it(home, model_file, capsys):
    again = [str(home / "cameras/door"), "cameras/hall/../door/0.png"]
    arguments = ["cameras/door", "cameras/hall/0.png", *again, "--camera", "lobby", "--model", str(model_file)]
    assert run(["index", "people.db", *arguments]) == 0
    assert run(["search", "people.db", "cameras/hall/0.png", "--json"]) == 0
    out = capsys.readouterr().out
    assert "5 new, 0 known; 5 crops in people.db" in out
    matches = json.loads(out[out.index("{") :])["matches"]
    assert [match["camera"] for match in matches] == ["lobby"] * 5


def test_search_prints_json_of_the_documented_keys_alone(indexed, capsys):
    flags = ["--json", "--top", "2", "--not-camera", "hall", "--since", "2026-03-01T08:01"]
    assert run(["search", "people.db", "cameras/door/2.png", *flags]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"query", "gallery", "thresholds", "thresholds_note", "matches"}
    best = found["matches"][0]
    assert list(best) == MATCH_KEYS
    assert best["path"] == str(indexed / "cameras" / "door" / "2.png")
    assert (best["rank"], best["camera"], best["time"]) == (1, "door", 1772352120.0)
    assert best["similarity"] == pytest.approx(1, abs=1e-5)
    assert len(found["matches"]) == 2


def test_search_prints_a_table_and_draws_a_sheet(indexed, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    flags = ["--rerank", "--group-by", "tracklet", "--contact-sheet", "sheet.png"]
    assert run(["search", "people.db", "cameras/door/2.png", *flags]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0].split() == ["rank", "similarity", "camera", "time", "(UTC)", "tracklet", "crop"]
    assert "1.000" in out.splitlines()[1]
    assert "2026-03-01 08:02:00" in out.splitlines()[1]
    with Image.open("sheet.png") as sheet:
        assert sheet.width > 4 * 64


def test_search_without_a_match_says_so_and_why(indexed, capsys, caplog):
    late = ["search", "people.db", "cameras/door/2.png", "--camera", "door", "--since", "2026-03-02"]
    assert run(late) == 0
    assert capsys.readouterr().out == "No crop of the gallery meets the filters.\n"
    assert run([*late, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["matches"] == []
    why = "The times of the crops meant are from 2026-03-01 08:00:00 to 2026-03-01 08:03:00."
    assert [record.message for record in caplog.records if record.name == "iics.cli.search"] == [why, why]


@pytest.mark.parametrize("flags", [["--camera", "Hal"], ["--not-camera", "Hal"], ["--camera", "door", "Hal"]])
@pytest.mark.parametrize("more", [[], ["--json"], ["--group-by", "tracklet"]])
def test_a_camera_that_the_gallery_does_not_have_is_named_with_the_nearest(indexed, capsys, flags, more):
    assert run(["search", "people.db", "cameras/door/2.png", *flags, *more]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        "iics: error: The gallery people.db has no camera 'Hal'. Its cameras, nearest first: hall, door.\n"
    )


def test_grouping_by_tracklets_that_nobody_knows_is_said(home, model_file, capsys, caplog):
    assert run(["index", "people.db", "cameras", "--model", str(model_file)]) == 0
    assert run(["search", "people.db", "cameras/door/2.png", "--group-by", "tracklet"]) == 0
    assert "None of these crops has a tracklet, so each stands for itself." in caplog.text
    assert run(["search", "people.db", "cameras/door/2.png", "--since", "2026-03-01"]) == 0
    assert "None of the crops meant has a time, so none is in a range of time." in caplog.text
    assert "No crop of the gallery meets the filters." in capsys.readouterr().out


def test_queries_that_are_none_and_models_that_are_gone_are_named(indexed, model_file, capsys):
    (indexed / "text.jpg").write_text("no picture")
    for query, message in (("text.jpg", "The query text.jpg cannot be decoded"), ("none.jpg", "Cannot read the query")):
        assert run(["search", "people.db", query]) == 2
        assert message in error_of(capsys)
    moved = model_file.with_name("moved.safetensors")
    model_file.rename(moved)
    try:
        assert run(["search", "people.db", "cameras/door/2.png"]) == 2
        assert "there is none at" in error_of(capsys)
        assert run(["search", "people.db", "cameras/door/2.png", "--model", str(moved)]) == 0
    finally:
        moved.rename(model_file)


def test_forgetting_shows_what_goes_and_asks_first(indexed, capsys, monkeypatch):
    assert run(["forget", "people.db", "--until", "2026-03-01T08:01"]) == 2
    captured = capsys.readouterr()
    assert captured.out.splitlines()[0] == "2 crops to forget (1 of door, 1 of hall):"
    assert "nobody is there to ask" in captured.err
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    for answer, code, left in (("", 1, 8), ("n", 1, 8), ("y", 0, 6)):
        monkeypatch.setattr("builtins.input", lambda _, answer=answer: answer)
        assert run(["forget", "people.db", "--until", "2026-03-01T08:01"]) == code
        assert run(["search", "people.db", "cameras/door/2.png", "--json", "--top", "99"]) == 0
        out = capsys.readouterr().out
        assert len(json.loads(out[out.index("{") :])["matches"]) == left
    assert run(["forget", "people.db", "--until", "2026-03-01T08:01"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "No crop of the gallery is meant; nothing was forgotten.",
        "The times of the crops meant are from 2026-03-01 08:01:00 to 2026-03-01 08:03:00.",
    ]


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (["--camera", "dor"], 2, "has no camera 'dor'. Its cameras, nearest first: door, hall."),
        (["--camera", "door", "--camera", "dor"], 2, "has no camera 'dor'. Its cameras, nearest first: door, hall."),
        (["--like", "cameras/door/1.png", "--above", "0.9", "--camera", "dor"], 2, "has no camera 'dor'."),
        (["--tracklet", "5"], 1, "No crop is of tracklet 5; iics search shows the numbers that there are."),
        (["--path", "cameras/dor"], 1, "No crop is of cameras/dor, or of a file below it"),
        (["--camera", "door", "--path", "cameras/hall"], 1, "No crop of the gallery is meant; nothing was forgotten."),
        (["--camera", "door", "--since", "12.5", "--until", "60"], 1, "The times of the crops meant are from 2026"),
        (["--until", "1772352000000"], 2, "in milliseconds it is 2026-03-01 08:00:00"),
    ],
)
def test_forgetting_what_is_not_there_is_no_success(indexed, capsys, flags, code, message):
    assert run(["forget", "people.db", *flags, "--yes"]) == code
    captured = capsys.readouterr()
    assert message in captured.out + captured.err
    assert run(["search", "people.db", "cameras/door/2.png", "--json", "--top", "99"]) == 0
    assert len(json.loads(capsys.readouterr().out)["matches"]) == 8


def test_two_cameras_are_forgotten_by_one_flag_or_two(indexed, capsys):
    assert run(["forget", "people.db", "--camera", "door", "--camera", "hall", "--yes"]) == 0
    assert "8 crops forgotten; 0 crops left." in capsys.readouterr().out
    assert run(["forget", "people.db", "--camera", "door", "--yes"]) == 2
    assert "has no camera 'door'. It holds no crops." in error_of(capsys)


@pytest.mark.parametrize(
    ("flags", "left"),
    [
        (["--camera", "door"], 4),
        (["--path", "cameras/hall"], 4),
        (["--path", "cameras/hall/0.png"], 7),
        (["--camera", "door", "--since", "2026-03-01T08:02"], 6),
        (["--like", "cameras/door/1.png", "--above", "0.99999"], 7),
    ],
)
def test_what_is_forgotten_leaves_the_files_of_the_gallery(indexed, capsys, flags, left):
    assert run(["forget", "people.db", *flags, "--yes", "--contact-sheet", "gone.jpg"]) == 0
    assert f"forgotten; {left} crops left." in capsys.readouterr().out
    assert (indexed / "gone.jpg").is_file()
    files = [file for file in (indexed / "people.db").rglob("*") if file.is_file()]
    vectors = sum(file.stat().st_size for file in files if file.suffix == ".idx")
    assert vectors < (left + 1) * 256 * 4


def test_a_tracklet_is_forgotten_by_the_number_that_search_shows(indexed, capsys):
    assert run(["search", "people.db", "cameras/door/2.png", "--json"]) == 0
    tracklet = json.loads(capsys.readouterr().out)["matches"][0]["tracklet"]
    assert run(["forget", "people.db", "--tracklet", str(tracklet), "--yes"]) == 0
    assert "2 crops forgotten; 6 crops left." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "Forget what?"),
        (["--like", "a.jpg"], "--like PICTURE and --above SCORE together"),
        (["--like", "a.jpg", "--above", "7"], "--above must be a number from -1 to 1; got 7.0"),
        (["--since", "yesterday"], "or a number of seconds"),
    ],
)
def test_forgetting_nothing_in_particular_is_refused(indexed, capsys, flags, message):
    assert run(["forget", "people.db", *flags]) == 2
    assert message in error_of(capsys)


@pytest.mark.slow
def test_indexing_deletes_what_is_older_than_the_limit_of_the_gallery(indexed, model_file, capsys):
    rows = [f"cameras/hall/{n}.png,hall,{'2026-03-01T08:00:00' if n else '2068-01-01'},0" for n in range(4)]
    (indexed / "crops.csv").write_text("\n".join(["path,camera,time,tracklet", *rows]))
    index = ["index", "people.db", "crops.csv", "--model", str(model_file)]
    assert run([*index, "--keep-days", "2"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "0 new, 4 updated, 0 known; 8 crops in people.db",
        "Older than 2 days: 7 crops forgotten, 0 people with them.",
    ]
    assert run(index) == 0  # the pictures are still there
    assert capsys.readouterr().out.splitlines() == [
        "3 new, 1 known; 4 crops in people.db",
        "Older than 2 days: 3 crops forgotten, 0 people with them.",
    ]
    assert run([*index, "--keep-days", "0"]) == 0
    assert capsys.readouterr().out.splitlines()[1] == "Crops are kept without a limit of days."
    assert run(["forget", "people.db", "--camera", "hall", "--yes"]) == 0


def test_watching_indexes_whole_crops_as_they_arrive_until_it_is_stopped(home, model_file, capsys):
    arrived = home / "incoming"
    (arrived / "door").mkdir(parents=True)
    arguments = ["watch", "incoming", "--gallery", "people.db", "--model", str(model_file), "--every", "0.2"]
    arguments += ["--centre", "auto", "--keep-days", "2", "--times", "modified"]
    log = home / "watch.log"
    with log.open("w") as out:
        watching = subprocess.Popen([sys.executable, "-m", "iics", *arguments], stdout=out, stderr=out)
    try:
        wait_for(log, "Watching")
        wait_for(log, "Kept for 2 days: no crop is older.")
        picture = (home / "cameras" / "door" / "0.png").read_bytes()
        (arrived / "door" / "half.png").write_bytes(picture[: len(picture) // 2])
        (arrived / "door" / "0.png").write_bytes(picture)
        (arrived / "loose.png").write_bytes(picture)
        old = arrived / "door" / "old.png"
        old.write_bytes(picture)
        os.utime(old, (time.time() - 3 * 86400,) * 2)
        wait_for(log, "1 new, 0 known, 1 unreadable; 1 crop")
        (arrived / "door" / "half.png").write_bytes(picture)
        wait_for(log, "1 new, 0 known; 2 crops")
    finally:
        os.kill(watching.pid, signal.SIGINT)
    assert watching.wait(30) == 0
    text = log.read_text()
    assert f"not indexed: {arrived / 'door' / 'half.png'} (truncated)" in text
    assert f"not indexed: {arrived / 'loose.png'} (in no camera's folder; or give --camera)" in text
    assert "1 crop taken 2 days ago or longer: not indexed" in text
    # Anew when there are twice as many crops.
    assert text.count("Features are not centred: the model has no camera means.") == 2
    assert text.rstrip().endswith("Stopped watching; people.db keeps what was indexed.")
    assert run(["search", "people.db", "cameras/door/0.png", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["matches"]) == 2


def wait_for(log, text):
    for _ in range(600):
        if text in log.read_text():
            return
        time.sleep(0.1)
    raise TimeoutError(f"{text!r} is not in {log.read_text()!r}.")


@pytest.mark.slow
def test_names_in_a_locale_that_knows_ascii_alone_are_those_of_other_locales(home, model_file):
    (home / "cameras" / "door").rename(home / "cameras" / "straße")
    (home / "cameras" / "straße" / "0.png").rename(home / "cameras" / "straße" / "東.png")
    model_file = shutil.copy(model_file, home / "türen.safetensors")
    ascii_alone = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}

    def called(*arguments, environment=ascii_alone):
        command = [sys.executable, "-m", "iics", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, encoding="utf-8")
        assert "Traceback" not in done.stderr
        return done.stdout if done.returncode == 0 else done.stderr

    index = ["index", "guests.db", "cameras", "--model", "türen.safetensors"]
    search = ["search", "guests.db", "cameras/straße/東.png", "--camera", "straße", "--json"]
    assert called(*index).startswith("8 new, 0 known")
    assert called(*index, environment=os.environ).startswith("0 new, 8 known")
    found = json.loads(called(*search, "--contact-sheet", "sheet.png"))
    assert found == json.loads(called(*search, environment=os.environ))
    assert (found["matches"][0]["path"], found["gallery"]) == (str(home / "cameras/straße/東.png"), "guests.db")
    assert (home / "sheet.png").exists()
    forgotten = called("forget", "guests.db", "--path", "cameras/straße/東.png", "--yes")
    assert "1 crop forgotten; 7 crops left." in forgotten
    assert "Set a UTF-8 locale (LC_ALL=C.UTF-8), or choose a folder of plain letters." in called(
        "index", "gäste.db", "cameras", "--model", "türen.safetensors"
    )
