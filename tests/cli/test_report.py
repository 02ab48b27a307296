import json
import shutil


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


def test_other_folders_are_refused(refusal, tmp_path):
    message = refusal("report", tmp_path)
    assert message == f"{tmp_path} is no run folder: it has no settings.json. Start a run with iics train."
