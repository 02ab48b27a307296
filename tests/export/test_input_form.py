"""What exported files take: each form worked by hand, said in metadata and read back."""

import itertools
import json
from typing import get_args

import numpy as np
import pytest

from iics.errors import ExportError
from iics.export.input_form import AS_DECODED, TOOLS, Channels, InputForm, Tool, Values

FLOATS = [
    InputForm("float32-nchw", values, channels, mirror)
    for values, channels, mirror in itertools.product(get_args(Values), get_args(Channels), (True, False))
]
FORMS = [*FLOATS, AS_DECODED, InputForm(channels="bgr"), InputForm(mirror=False)]


@pytest.fixture
def crop():
    """One crop of 2 x 1 pixels: red over dark blue. Shape (1, 2, 1, 3)."""
    return np.array([[[[255, 0, 0]], [[0, 0, 51]]]], dtype=np.uint8)


@pytest.mark.parametrize(
    ("values", "channels", "expected"),
    [
        ("0-255", "rgb", [[255, 0], [0, 0], [0, 51]]),
        ("0-255", "bgr", [[0, 51], [0, 0], [255, 0]]),
        ("0-1", "rgb", [[1, 0], [0, 0], [0, 0.2]]),
        ("0-1", "bgr", [[0, 0.2], [0, 0], [1, 0]]),
        ("imagenet", "rgb", [[2.2489, -2.1179], [-2.0357, -2.0357], [-1.8044, -0.9156]]),
        ("imagenet", "bgr", [[-1.8044, -0.9156], [-2.0357, -2.0357], [2.2489, -2.1179]]),
    ],
)
def test_float_pixels_have_colours_first_in_range_and_order(crop, values, channels, expected):
    given = InputForm("float32-nchw", values, channels).given(crop)
    assert (given.dtype, given.flags.c_contiguous) == (np.float32, True)
    np.testing.assert_allclose(given, np.array(expected)[None, :, :, None], atol=1e-4)


def test_pixels_as_decoded_go_in_as_they_are(crop):
    assert AS_DECODED.given(crop) is crop
    np.testing.assert_array_equal(InputForm(channels="bgr").given(crop)[0, 1, 0], [51, 0, 0])


@pytest.mark.parametrize("form", FORMS)
def test_what_the_file_says_is_read_back(form):
    said = json.loads(json.dumps(form.metadata(64, 32) | {"in_the_graph": {"mirror_averaged": form.mirror}}))
    assert InputForm.from_metadata(said) == form
    assert (said["height"], said["width"]) == (64, 32)


def test_mean_and_deviation_are_told_in_the_order_of_the_channels():
    red_first = InputForm("float32-nchw", "imagenet").metadata(64, 32)
    assert (red_first["mean"], red_first["std"]) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert InputForm("float32-nchw", "imagenet", "bgr").metadata(64, 32)["mean"] == (0.406, 0.456, 0.485)
    assert "mean" not in TOOLS["ultralytics"].metadata(64, 32)


def test_files_of_before_there_was_a_choice_are_read():
    said = {"channels": "RGB", "layout": "NHWC", "dtype": "uint8", "in_the_graph": {"mirror_averaged": True}}
    assert InputForm.from_metadata(said) == AS_DECODED


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dtype": "float16"}, "layout is float16-nchw; known are uint8-nhwc, float32-nchw"),
        ({"layout": "NHWC"}, "layout is float32-nhwc; known are uint8-nhwc, float32-nchw"),
        ({"values": "-1-1"}, "values is -1-1; known are 0-255, 0-1, imagenet"),
        ({"channels": "grey"}, "channels is grey; known are rgb, bgr"),
    ],
)
def test_a_form_that_is_not_known_is_refused(change, message):
    said = TOOLS["boxmot"].metadata(64, 32) | change
    with pytest.raises(ExportError) as caught:
        InputForm.from_metadata(said)
    assert str(caught.value) == f"The exported file says that its {message}. Was it written by a newer iics?"


@pytest.mark.parametrize("values", ["0-1", "imagenet"])
def test_whole_numbers_hold_no_fractions(values):
    with pytest.raises(ExportError) as caught:
        InputForm(values=values)
    assert str(caught.value) == (
        f"uint8 pixels are whole numbers from 0 to 255, not {values}; for {values} take --input float32-nchw."
    )


def test_every_tool_takes_float_pixels_and_keeps_the_mirror():
    assert set(TOOLS) == set(get_args(Tool))
    assert all(not form.is_uint8 and form.mirror for form in TOOLS.values())


@pytest.mark.parametrize(
    ("form", "text"),
    [
        (AS_DECODED, "(n, 64, 32, 3) uint8 RGB"),
        (TOOLS["opencv"], "(n, 3, 64, 32) float32 BGR, 0 to 255"),
        (TOOLS["ultralytics"], "(n, 3, 64, 32) float32 RGB, 0 to 1"),
        (TOOLS["boxmot"], "(n, 3, 64, 32) float32 RGB, normalised by ImageNet's mean and standard deviation"),
    ],
)
def test_a_form_is_described_in_a_line(form, text):
    assert form.describe(64, 32) == text
