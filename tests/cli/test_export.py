"""`iics export`: what it writes and prints, and how it fails."""

import numpy as np
import pytest
import torch

from iics.export import comparison, onnx_file
from iics.export.input_form import InputForm
from iics.export.onnx_model import OnnxModel
from iics.model_settings import ModelSettings
from iics.models.reid_model import create_model


@pytest.fixture(autouse=True)
def quick_export(exported, monkeypatch):
    """Hand out the file that is there: torch takes seconds for it."""
    monkeypatch.setattr(onnx_file, "export_onnx", lambda model, *, form, card, means_file: exported)
    monkeypatch.setattr(comparison, "_REPEATS", 1)


@pytest.fixture
def run_folder(aibn_model, tmp_path):
    folder = tmp_path / "läufe 1"
    folder.mkdir()
    aibn_model.save(folder / "model.safetensors")
    return folder


def test_a_run_is_exported_beside_its_model(iics, run_folder, exported):
    finished = iics("export", run_folder)
    assert (finished.code, finished.stderr) == (0, "")
    assert (run_folder / "model.onnx").read_bytes() == exported
    assert finished.stdout.startswith(f"{run_folder / 'model.onnx'}: ONNX opset {onnx_file.OPSET}, 44.7 MB, at most ")
    assert "off torch on 5 drawn pictures;\nimages (n, 64, 32, 3) uint8 RGB -> features (n, 512)" in finished.stdout


def test_the_model_card_goes_into_the_file(iics, run_folder, exported, monkeypatch):
    cards = []
    monkeypatch.setattr(
        onnx_file, "export_onnx", lambda model, *, form, card, means_file: cards.append(card) or exported
    )
    (run_folder / "model.md").write_text("# Für wen", encoding="utf-8")
    assert iics("export", run_folder).code == 0
    assert cards == ["# Für wen"]


@pytest.mark.parametrize(
    ("flags", "form", "name"),
    [
        (["--for", "boxmot"], InputForm("float32-nchw", "imagenet"), "model.boxmot.onnx"),
        (["--for", "ultralytics"], InputForm("float32-nchw", "0-1"), "model.ultralytics.onnx"),
        (["--for", "deepstream"], InputForm("float32-nchw", "0-255"), "model.deepstream.onnx"),
        (
            ["--for", "opencv", "--no-mirror"],
            InputForm("float32-nchw", "0-255", "bgr", mirror=False),
            "model.opencv-no-mirror.onnx",
        ),
        (["--for", "boxmot", "--values", "0-1"], InputForm("float32-nchw", "0-1"), "model.boxmot.onnx"),
        (["--input", "float32-nchw"], InputForm("float32-nchw", "0-255"), "model.float32-nchw-0-255-rgb.onnx"),
        (["--channels", "bgr"], InputForm(channels="bgr"), "model.uint8-nhwc-0-255-bgr.onnx"),
    ],
)
def test_a_tool_or_flags_choose_what_the_file_takes(iics, run_folder, exported, monkeypatch, flags, form, name):
    forms = []
    monkeypatch.setattr(
        onnx_file, "export_onnx", lambda model, *, form, card, means_file: forms.append(form) or exported
    )
    finished = iics("export", run_folder, *flags)
    assert (finished.code, forms) == (0, [form]), finished.stderr
    assert finished.stdout.startswith(f"{run_folder / name}: ONNX opset")
    assert (run_folder / name).is_file()
    assert not (run_folder / "model.onnx").exists()
    line = f"images {form.describe(64, 32)} -> features (n, 512) float32, L2-normalised"
    assert finished.stdout.splitlines()[1] == line + ("" if form.mirror else ", without mirror images")


def test_fractions_in_whole_numbers_are_refused(refusal, run_folder):
    assert refusal("export", run_folder, "--values", "0-1") == (
        "uint8 pixels are whole numbers from 0 to 255, not 0-1; for 0-1 take --input float32-nchw."
    )
    assert "take --input float32-nchw." in refusal("export", run_folder, "--for", "boxmot", "--input", "uint8-nhwc")


def test_a_transformer_is_refused_for_opencv_which_does_not_read_it(refusal, tmp_path):
    settings = ModelSettings(backbone="test_vit", weights="none", norm="own", height=64, width=32)
    create_model(settings, device=torch.device("cpu")).save(tmp_path / "model.safetensors")
    message = refusal("export", tmp_path / "model.safetensors", "--for", "opencv")
    assert message.startswith(
        "OpenCV's network module does not read transformers (4.14 was tried), and test_vit is one."
    )
    assert not (tmp_path / "model.opencv.onnx").exists()


@pytest.mark.slow
def test_data_adds_a_table_of_torch_and_both_files(iics, run_folder, market_people, tmp_path):
    out = tmp_path / "small.onnx"
    finished = iics("export", run_folder, "market-layout", "--data-dir", market_people, "--out", out, "--int8")
    assert finished.code == 0, finished.stderr
    rows = [line.split("│")[1:-1] for line in finished.stdout.splitlines() if line.startswith("│")]
    names = [row[0].strip() for row in rows]
    assert names == ["torch", "ONNX float32", "ONNX int8"]
    mean_aps = [float(row[2]) for row in rows]
    assert mean_aps[0] == mean_aps[1]
    assert rows[1][4].strip() == "1.0000"
    small = OnnxModel(tmp_path / "small.int8.onnx", threads=1)
    assert small.embed(np.zeros((1, 64, 32, 3), np.uint8)).shape == (1, 512)


def test_data_without_identities_are_compared_without_map(iics, run_folder, folder_people):
    finished = iics("export", run_folder, "folder", "--data-dir", folder_people)
    assert finished.code == 0, finished.stderr
    row = next(line for line in finished.stdout.splitlines() if line.startswith("│ ONNX float32"))
    assert [cell.strip() for cell in row.split("│")][3:5] == ["-", "-"]


def test_a_file_that_was_there_is_replaced(iics, run_folder, exported):
    (run_folder / "model.onnx").write_bytes(b"old")
    assert iics("export", run_folder).code == 0
    assert (run_folder / "model.onnx").read_bytes() == exported


def test_a_graph_that_computes_something_else_is_not_written(refusal, run_folder, monkeypatch):
    monkeypatch.setattr(onnx_file, "TOLERANCE", 1e-12)
    assert "The exported graph does not compute what the model does" in refusal("export", run_folder)
    assert not (run_folder / "model.onnx").exists()


def test_eight_bits_need_data(refusal, run_folder):
    assert refusal("export", run_folder, "--int8").startswith("Eight bits are calibrated on crops: name data")


def test_flags_of_data_without_its_name_are_refused(refusal, run_folder):
    assert refusal("export", run_folder, "--pattern", "{camera}/{}.png").startswith("Which data? Name a folder of ")


def test_an_empty_folder_of_crops_is_named(refusal, run_folder, tmp_path):
    (tmp_path / "nothing").mkdir()
    message = refusal("export", run_folder, "folder", "--data-dir", tmp_path / "nothing", "--int8")
    assert "nothing" in message
    assert not (run_folder / "model.onnx").exists()


def test_another_ending_is_refused(refusal, run_folder):
    out = run_folder / "model.pt"
    assert refusal("export", run_folder, "--out", out) == f"ONNX files end in .onnx; {out} ends in .pt."


def test_a_folder_that_is_not_there_is_named(refusal, run_folder):
    message = refusal("export", run_folder, "--out", run_folder / "gone" / "model.onnx")
    assert message == f"There is no folder {run_folder / 'gone'} to write model.onnx into."


def test_a_folder_in_the_files_place_is_named(refusal, run_folder):
    (run_folder / "model.onnx").mkdir()
    assert refusal("export", run_folder).startswith(f"Cannot write {run_folder / 'model.onnx'}: ")


def test_a_model_that_is_not_there_is_named(refusal, tmp_path):
    assert refusal("export", tmp_path).startswith(f"No model file at {tmp_path / 'model.safetensors'}")


def test_a_damaged_model_is_named(refusal, run_folder):
    file = run_folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    assert refusal("export", file).startswith(f"{file} is no safetensors file or is damaged")


def test_a_model_card_that_is_no_text_is_named(refusal, run_folder):
    (run_folder / "model.md").write_bytes(b"\xff\xfe\x00")
    assert refusal("export", run_folder).startswith(f"The model card {run_folder / 'model.md'} cannot be read")


def test_a_missing_package_is_named_before_anything_is_read(refusal, run_folder, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert refusal("export", run_folder) == "Exporting needs the package onnx: pip install 'iics[export]'."
