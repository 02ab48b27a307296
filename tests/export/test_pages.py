"""The examples of docs/export.md and docs/trackers.md run as they stand."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from iics.export.input_form import TOOLS
from iics.export.onnx_file import OPSET

DOCS = Path(__file__).parent.parent.parent / "docs"
EXPORT, TRACKERS = (DOCS / "export.md").read_text(), (DOCS / "trackers.md").read_text()


def examples(page):
    return re.findall(r"```py\n(.*?)```", page, flags=re.DOTALL)


def run(example, **names):
    exec(compile(example, "example", "exec"), names)
    return names


def test_the_page_states_the_opset():
    assert f"ONNX opset {OPSET}," in EXPORT


def test_the_snippet_for_onnxruntime_gives_the_features_of_torch(
    exported, aibn_model, pixels, tmp_path, monkeypatch, capsys
):
    (tmp_path / "model.onnx").write_bytes(exported)
    for name, crop in zip(("a.jpg", "b.jpg"), pixels, strict=False):
        Image.fromarray(crop).resize((60, 140)).save(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    example, _ = examples(EXPORT)
    features = run(example)["features"]
    np.testing.assert_allclose(features, aibn_model.embed(["a.jpg", "b.jpg"]), rtol=0, atol=1e-4)
    assert capsys.readouterr().out.startswith("cosine 0.")


@pytest.mark.slow
def test_the_snippet_for_opencv_gives_the_features_of_torch(for_opencv, aibn_model, pixels, tmp_path, monkeypatch):
    pytest.importorskip("cv2")
    (tmp_path / "model.opencv.onnx").write_bytes(for_opencv)
    for name, crop in zip(("a.jpg", "b.jpg"), pixels, strict=False):
        Image.fromarray(crop).save(tmp_path / name, format="PNG")  # of the model's size: nothing is resized
    monkeypatch.chdir(tmp_path)
    _, example = examples(EXPORT)
    features = run(example.replace("size = 64, 128", "size = 32, 64"))["features"]
    np.testing.assert_allclose(features, aibn_model.embed(["a.jpg", "b.jpg"]), rtol=0, atol=1e-4)


def test_the_page_shows_each_tool_as_it_is_exported_for():
    rows = {row.split("|")[1].strip(): row for row in EXPORT.splitlines() if row.startswith("| `--for ")}
    assert set(rows) == {f"`--for {tool}`" for tool in TOOLS}
    for tool, form in TOOLS.items():
        values = {"0-255": "0 to 255", "0-1": "0 to 1", "imagenet": "of ImageNet"}[form.values]
        assert f"{values} | {form.channels.upper()} |" in rows[f"`--for {tool}`"]


def test_the_tracking_example_follows_two_people(aibn_model, walk, tmp_path, monkeypatch):
    (tmp_path / "runs" / "first").mkdir(parents=True)
    aibn_model.save(tmp_path / "runs" / "first" / "model.safetensors")
    shutil.copy(walk, tmp_path / "lobby.mp4")
    monkeypatch.chdir(tmp_path)
    _, example = examples(TRACKERS)
    tracked = run(example)["tracked"]
    people = [set(detections.tracker_id.tolist()) for detections in tracked]
    assert max(len(ids) for ids in people) == 2
    assert all(len(ids) == len(detections) for ids, detections in zip(people, tracked, strict=True))
    for detections in tracked:
        assert detections.data["features"].shape == (len(detections), 512)
    assert len(set.union(*people)) < 6  # random weights: hardly more numbers than people


def test_the_first_line_of_the_trackers_page_runs(aibn_model):
    import iics

    example, _ = examples(TRACKERS)
    detections = type("Boxes", (), {"xyxy": np.array([[1, 2, 30, 60]])})()
    names = run(example, iics=iics, model=aibn_model, frame=np.zeros((99, 99, 3), np.uint8), detections=detections)
    assert names["features"].shape == (1, 512)


@pytest.mark.parametrize("page", ["export.md", "trackers.md"])
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\((?!https?:)([^)#]+)", (DOCS / page).read_text())
    assert [link for link in links if not (DOCS / link).exists()] == []
