import json
import shutil

import pytest
import torch

from iics.cli.model_file import load_model_or_run
from iics.errors import RunFolderError
from iics.models.reid_model import load_model
from iics.runs.run_files import check_is_run


def test_a_folder_of_runs_names_one_of_them(tmp_path):
    (tmp_path / "runs" / "first").mkdir(parents=True)
    (tmp_path / "runs" / "first" / "settings.json").write_text("{}")
    with pytest.raises(RunFolderError, match=r"runs holds runs, and one model is needed\. Name one .*runs/first\.$"):
        load_model_or_run(tmp_path / "runs", device="cpu")
    with pytest.raises(RunFolderError, match=r"runs is no run folder but holds runs\. Name one .*runs/first\.$"):
        check_is_run(tmp_path / "runs")


def test_training_ends_with_a_report(trained):
    out, finished = trained
    assert f"Report:         {out}/report.html" in finished.stdout
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "round 1 of 1." in page
    assert "Ranked lists" in page
    assert "by pair of cameras" in page


def test_training_leaves_the_accuracy_of_every_pair_of_cameras(iics, trained, market_people):
    out, _ = trained
    kept = json.loads((out / "camera_pairs.json").read_text())
    asked = "market-layout", "--data-dir", market_people, "--protocol=camera-pairs", "--json"
    measured = json.loads(iics("evaluate", out, *asked).stdout)
    assert (kept["cameras"], kept["rank1"]) == (measured["cameras"], measured["rank1"])


def test_a_report_can_be_written_anew_and_elsewhere(iics, trained, tmp_path):
    out, _ = trained
    run = shutil.copytree(out, tmp_path / "run")
    (run / "report.html").unlink()
    assert iics("report", run).stdout == f"{run}/report.html\n{run}/model.md\n"
    assert iics("report", run, "--out", tmp_path / "page.html").stdout == f"{tmp_path}/page.html\n"
    assert (run / "report.html").read_bytes() == (tmp_path / "page.html").read_bytes()


@pytest.mark.slow
def test_pictures_can_be_written_as_files(iics, trained, tmp_path):
    out, _ = trained
    finished = iics("report", out, "--out", tmp_path / "page.html", "--figures", tmp_path / "figures")
    assert f"{tmp_path}/figures/accuracy-by-round.pdf\n" in finished.stdout
    assert (tmp_path / "figures" / "alpha-1-is-batch-0-instance-normalisation.svg").is_file()


def test_a_run_folder_with_another_runs_model_is_not_measured(refusal, iics, trained, market_people, tmp_path):
    out, _ = trained
    run = shutil.copytree(out, tmp_path / "run")
    model = load_model(run / "model.safetensors")
    with torch.no_grad():
        next(model.backbone.parameters()).add_(0.1)
    model.save(run / "model.safetensors")
    asked = "market-layout", "--data-dir", market_people
    told = refusal("evaluate", run, *asked)
    assert told.startswith(f"{run}/model.safetensors is not the model of this run's last checkpoint")
    shutil.rmtree(run / "checkpoints")
    assert iics("evaluate", run, *asked).code == 0


def test_other_folders_are_refused(refusal, tmp_path):
    message = refusal("report", tmp_path)
    assert message == f"{tmp_path} is no run folder: it has no settings.json. Start a run with iics train."


def test_metrics_that_lack_rounds_and_another_runs_settings_are_refused(refusal, iics, trained, tmp_path):
    out, _ = trained
    run = shutil.copytree(out, tmp_path / "run")
    (run / "metrics.jsonl").unlink()
    assert refusal("report", run).startswith(f"{run}/metrics.jsonl is not this run's: its rounds are not those of the")
    shutil.copy(out / "metrics.jsonl", run)
    settings = json.loads((run / "settings.json").read_text())
    (run / "settings.json").write_text(json.dumps({**settings, "seed": 1}))
    assert refusal("report", run).startswith(f"{run}/settings.json is not what this run began with")
    shutil.rmtree(run / "checkpoints")
    shutil.copy(out / "settings.json", run)
    assert iics("report", run).code == 0
