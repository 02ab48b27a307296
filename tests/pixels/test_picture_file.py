"""Pictures are written whole or not at all."""

import pytest
from PIL import Image

from iics.errors import WriteError
from iics.pixels.picture_file import write_picture


def test_a_picture_larger_than_a_jpeg_is_refused_and_fits_a_png(tmp_path):
    picture = Image.new("RGB", (1, 65501))
    with pytest.raises(WriteError, match=r"Cannot draw .*sheet\.jpg: .*; write a \.png, or choose fewer crops\."):
        write_picture(picture, tmp_path / "sheet.jpg")
    write_picture(picture, tmp_path / "sheet.png")
    assert [file.name for file in tmp_path.iterdir()] == ["sheet.png"]
