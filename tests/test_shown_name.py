"""Names hold any character; what is shown of them is one line that steers no terminal and turns no letters."""

import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from iics import cli
from iics.crops import CropSet
from iics.data_check.camera_sheet import camera_sheets
from iics.data_check.findings import DataReport, SplitReport
from iics.errors import DataError, IicsError
from iics.evaluation.camera_bias import camera_bias
from iics.evaluation.camera_pairs import CameraPairs
from iics.paper.figures import TsnePanel, tsne_figure
from iics.pixels.drawing import camera_caption
from iics.reports.model_card import escaped
from iics.reports.picture import camera_pairs_figure
from iics.reports.plot_style import drawable_name, figure_bytes
from iics.runs.loggers import flatten
from iics.runs.record import RoundRecord
from iics.shown_name import shown

HOSTILE = (
    "south\nentrance",
    "\x1b]0;mine\x07\x1b[31m",
    "[red]$x^$",
    "exit\u202egnp.exe",
    "a\x00b",
    "\udcff\u2028",
    "$",
)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("lobby", "lobby"),
        ("Eingang Süd 東口 🚪", "Eingang Süd 東口 🚪"),
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("exit\u202egnp.exe", r"exit\u202egnp.exe"),
        ("nul\x00", r"nul\x00"),
        ("c1 \x9b31m", r"c1 \x9b31m"),
        ("line\u2028end", r"line\u2028end"),
        ("not utf-8: \udcff", r"not utf-8: \udcff"),
    ],
)
def test_what_has_no_picture_is_escaped(name, line):
    assert shown(name) == line


@given(st.text(alphabet=st.characters(exclude_categories=[])))
def test_any_name_becomes_one_line_of_text_and_stays_so(name):
    line = shown(name)
    assert len(line.splitlines()) <= 1
    assert shown(line) == line
    line.encode()
    assert all(each.isprintable() or each in "\u200c\u200d\u00a0\u3000" for each in line)


@pytest.mark.parametrize("name", HOSTILE)
def test_errors_show_the_names_they_hold(name):
    assert str(DataError(f"Cannot read {name}.")) == f"Cannot read {shown(name)}."
    assert str(IicsError()) == ""


def test_log_lines_show_names_and_keep_the_lines_of_a_traceback(capsys):
    formatter = cli._OneLine("%(levelname)s: %(message)s")
    record = logging.LogRecord("iics", logging.WARNING, "", 0, "camera %s", ("a\n\x1b[2J",), None)
    assert formatter.format(record) == r"WARNING: camera a\n\x1b[2J"
    record.exc_text = "Traceback\n  line"
    assert formatter.format(record).endswith("\nTraceback\n  line")


@pytest.fixture
def crops(tmp_path):
    paths = tuple(tmp_path / f"{number}.png" for number in range(2 * len(HOSTILE)))
    for path in paths:
        Image.new("RGB", (16, 32), "red").save(path)
    cameras = np.arange(len(paths)) % len(HOSTILE)
    return CropSet(paths, cameras, HOSTILE, name="a\nb")


def test_cameras_of_any_name_are_drawn(crops):
    (sheet,) = camera_sheets(crops)
    assert sheet.width > 0
    assert [camera_caption(name) for name in ("7", "a\nb")] == ["camera 7", r"a\nb"]


def test_figures_draw_any_name_as_it_is():
    count = len(HOSTILE)
    panel = TsnePanel("x", np.random.default_rng(0).random((count, 2)), np.arange(count))
    figures = (
        camera_pairs_figure(np.full((count, count), 0.5), cameras=HOSTILE, title="a\nb$", note="\x1b$x^$"),
        tsne_figure([panel], camera_names=HOSTILE, data="\x00$", seed=0),
    )
    for figure in figures:
        assert figure_bytes(figure, "png").startswith(b"\x89PNG")
    assert drawable_name("a\nb") == r"a\nb"


def test_tables_of_cameras_have_a_line_a_camera():
    names = ("a\nb", "\x1b[31m")
    split = SplitReport("train", 2, names, (1, 1), None, 0, 0, None)
    text = str(DataReport("x\ny", (split,), (), ("bad\nname",)))
    assert r"a\nb" in text
    assert "\x1b" not in text
    assert r"Warning: bad\nname" in text
    zeros = np.zeros((2, 2))
    lines = str(CameraPairs(names, zeros, zeros, zeros.astype(np.int64))).splitlines()
    assert len(lines) == 3 * 4 + 2


def test_camera_bias_shows_names():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(40, 4))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    paths = tuple(f"{number}.png" for number in range(40))
    bias = camera_bias(features.astype(np.float32), CropSet(paths, np.arange(40) % 2, ("a\nb", "\x1b[31m")))
    assert all(len(line.splitlines()) <= 1 and "\x1b" not in line for line in bias.lines())


def test_markdown_and_loggers_show_names():
    assert escaped("a\n<b>\x1b") == r"a\\n\<b\>\\x1b"
    record = RoundRecord.of({"round": 1, "stage1": {"a\nb": 1}})
    assert (r"stage1/a\nb", 1.0) in list(flatten(record))
