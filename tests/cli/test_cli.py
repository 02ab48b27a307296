import json
import shutil
import subprocess
import sys
from importlib.metadata import version

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

COMMANDS = ("train", "evaluate", "embed", "check-data", "clear-cache")


def test_no_command_prints_the_usage_and_fails(iics):
    finished = iics()
    assert finished.code == 2
    assert finished.stdout.startswith("usage: iics COMMAND")


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_lists_every_command(iics, flag):
    finished = iics(flag)
    assert finished.code == 0
    assert [command for command in COMMANDS if f"  {command} " in finished.stdout] == list(COMMANDS)


def test_unknown_command_is_named(iics):
    finished = iics("trian")
    assert finished.code == 2
    assert finished.stderr.startswith("iics: error: unknown command 'trian'.\n")
    assert finished.stdout == ""


def test_version_is_that_of_the_package(iics):
    finished = iics("--version")
    assert (finished.code, finished.stdout) == (0, f"iics {version('iics')}\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_comes_without_torch(command):
    script = f"""
import sys
from iics.cli import run
try:
    run([{command!r}, "--help"])
except SystemExit as stopped:
    assert stopped.code == 0, stopped.code
heavy = {{"torch", "timm", "sklearn", "numba", "matplotlib"}} & set(sys.modules)
assert not heavy, heavy
"""
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.startswith(f"usage: iics {command}")


def test_help_explains_every_setting(iics):
    text = " ".join(iics("train", "--help-all").stdout.split())
    assert "--stage2.mu 0..100" in text
    assert "--norm {aibn,aibn-fixed,bn,in,ibn,own}" in text
    assert "--resume" in text


def test_unknown_flag_is_refused_with_the_nearest_one(iics):
    finished = iics("train", "sample", "--round", "3")
    assert finished.code == 2
    assert finished.stderr == (
        "iics: error: iics train has no --round. Did you mean --rounds or --stage1.rounds? All flags: iics train "
        "--help-all.\n"
    )


def test_bug_keeps_its_traceback(iics, monkeypatch):
    monkeypatch.setattr("iics.cli.check_data.DataSource.load", lambda source: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        iics("check-data", "sample")


def test_ctrl_c_exits_with_130(iics, monkeypatch):
    def stop(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("iics.cli.check_data.DataSource.load", stop)
    finished = iics("check-data", "sample")
    assert (finished.code, finished.stderr) == (130, "iics: stopped.\n")


def test_evaluate_prints_the_metrics(iics, trained, market_people):
    run_folder, _ = trained
    finished = iics("evaluate", run_folder, "market-layout", "--data-dir", market_people)
    assert finished.code == 0
    words = [line.split()[0] for line in finished.stdout.splitlines()]
    assert words == ["mAP", "rank-1", "rank-5", "rank-10", "mINP", "queries", "without"]
    assert finished.stderr == ""


def test_evaluate_json_holds_what_training_measured_last(iics, trained, market_people):
    run_folder, _ = trained
    finished = iics(
        "evaluate", run_folder / "model.safetensors", "market-layout", "--data-dir", market_people, "--json"
    )
    numbers = json.loads(finished.stdout)
    last = json.loads((run_folder / "metrics.jsonl").read_text().splitlines()[-1])
    assert numbers == {name: value for name, value in last["evaluation"].items() if not name.startswith("centred_")}
    assert numbers["num_queries"] == 9
    assert 0 < numbers["mean_ap"] <= 1


def test_evaluate_writes_a_contact_sheet(iics, trained, market_people, tmp_path):
    sheet = tmp_path / "sheet.png"
    finished = iics(
        "evaluate", trained[0], "market-layout", "--data-dir", market_people, "--contact-sheet", sheet, "--json"
    )
    assert finished.code == 0
    with Image.open(sheet) as picture:
        assert picture.width > 500


def test_contact_sheet_of_unknown_kind_is_refused(refusal, trained, market_people, tmp_path):
    sheet = tmp_path / "sheet.foo"
    message = refusal("evaluate", trained[0], "market-layout", "--data-dir", market_people, "--contact-sheet", sheet)
    assert message == f"Contact sheets are written as .png or .jpg; {sheet} ends in .foo."


def test_queries_without_any_match_are_refused(refusal, trained, market_people, tmp_path):
    data_dir = tmp_path / "unmatched"
    shutil.copytree(market_people, data_dir)
    for crop in (data_dir / "bounding_box_test").iterdir():
        crop.rename(crop.with_name(f"1{crop.name}"))  # identities 10007 to 10009
    message = refusal("evaluate", trained[0], "market-layout", "--data-dir", data_dir)
    assert message.startswith("None of 9 queries has a valid match among 18 gallery crops")
    assert "the query shows 3 identities, the gallery 3, and they share none" in message


def test_queries_without_a_match_are_counted(iics, trained, market_people, tmp_path):
    data_dir = tmp_path / "partly unmatched"
    shutil.copytree(market_people, data_dir)
    for crop in (data_dir / "bounding_box_test").glob("0007*"):
        crop.unlink()
    finished = iics("evaluate", trained[0], "market-layout", "--data-dir", data_dir, "--json")
    numbers = json.loads(finished.stdout)
    assert (numbers["num_queries"], numbers["num_unmatched"]) == (9, 3)


def test_embed_writes_normalised_features_and_their_paths(iics, trained, folder_people, tmp_path):
    out = tmp_path / "features.npz"
    one = folder_people / "hall" / "00.png"
    finished = iics("embed", trained[0], folder_people / "door", one, "--out", out)
    assert finished.code == 0
    assert finished.stdout == f"19 features of 256 numbers in {out}\n"
    with np.load(out) as arrays:
        assert arrays["features"].shape == (19, 256)
        assert np.linalg.norm(arrays["features"], axis=1) == pytest.approx(np.ones(19), abs=1e-5)
        door = sorted(path.as_posix() for path in (folder_people / "door").iterdir())
        assert arrays["paths"].tolist() == [*door, one.as_posix()]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--out", "features.npz"), "There is nothing to embed; name image files or folders of them."),
        (("{people}", "--out", "features.csv"), "Features are written as .npz; features.csv ends in .csv."),
        (("{people}", "--out", "features"), "Features are written as .npz; features ends in nothing."),
        (
            ("{people}", "--out", "{tmp}/nowhere/features.npz"),
            "There is no folder {tmp}/nowhere to write features.npz into.",
        ),
        (
            ("{tmp}/nowhere", "--out", "features.npz"),
            "There is nothing at {tmp}/nowhere; give image files (bmp, jpeg, jpg, png, webp) or folders of them.",
        ),
        (("{tmp}", "--out", "features.npz"), "{tmp} holds no image (bmp, jpeg, jpg, png, webp)."),
    ],
)
def test_embed_refuses(refusal, trained, folder_people, tmp_path, arguments, expected):
    filled = [argument.format(people=folder_people, tmp=tmp_path) for argument in arguments]
    assert refusal("embed", trained[0], *filled) == expected.format(tmp=tmp_path)


def test_check_data_reports_a_good_set(iics, market_people):
    finished = iics("check-data", "market-layout", "--data-dir", market_people)
    assert finished.code == 0
    assert "errors: 0, warnings: 0" in finished.stdout


def test_check_data_fails_on_errors(iics, market_people, tmp_path):
    data_dir = tmp_path / "torn"
    shutil.copytree(market_people, data_dir)
    torn = next((data_dir / "query").iterdir())
    torn.write_bytes(torn.read_bytes()[:100])
    finished = iics("check-data", "market-layout", "--data-dir", data_dir)
    assert finished.code == 2
    assert str(torn) in finished.stdout
    assert "errors: 1," in finished.stdout


@pytest.mark.parametrize(
    "command",
    [("train", "--weights=none"), ("evaluate", "model.safetensors"), ("check-data",)],
    ids=lambda command: command[0],
)
@pytest.mark.parametrize("data", ["market-layout", "folder"])
def test_data_without_its_place_is_refused(refusal, command, data):
    assert refusal(*command, data) == f"Where is the data? {data} needs --data-dir FOLDER."


def test_sample_takes_no_place(refusal, tmp_path):
    message = refusal("check-data", "sample", "--data-dir", tmp_path)
    assert message == "The sample ships with the package and takes no --data-dir; leave it out."


def test_missing_model_is_refused(refusal, market_people, tmp_path):
    missing = tmp_path / "model.safetensors"
    message = refusal("evaluate", missing, "market-layout", "--data-dir", market_people)
    assert message == f"No model file at {missing}; a run folder keeps its own as model.safetensors."


def test_folder_that_is_no_run_has_no_model(refusal, market_people):
    message = refusal("evaluate", market_people, "market-layout", "--data-dir", market_people)
    assert message.startswith(f"No model file at {market_people / 'model.safetensors'}")


def test_file_that_is_no_model_is_refused(refusal, market_people, tmp_path):
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"no model at all")
    message = refusal("evaluate", file, "market-layout", "--data-dir", market_people)
    assert message.startswith(f"{file} is no safetensors file or is damaged")


def test_model_of_somebody_else_is_refused(refusal, market_people, tmp_path):
    file = tmp_path / "model.safetensors"
    save_file({"weight": np.zeros(3, dtype=np.float32)}, file)
    message = refusal("evaluate", file, "market-layout", "--data-dir", market_people)
    assert message.startswith(
        f"{file} has no iics header; it is not a model that iics saved. Measure it by: iics evaluate --weights "
    )


def test_device_that_does_not_exist_is_refused(refusal, trained, market_people):
    message = refusal("evaluate", trained[0], "market-layout", "--data-dir", market_people, "--device", "abacus")
    assert message.startswith("Device 'abacus' cannot be used here (")
    assert message.endswith("Use auto or cpu.")
