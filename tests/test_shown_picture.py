"""Pixels are those that a viewer shows: turned, on white, scaled to 8 bits, in sRGB; the same for files and objects."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from iics.crops import CropSet
from iics.data_check.scan import scan_crops
from iics.errors import DataError
from iics.models.images_to_embed import resize_picture
from iics.page.query_picture import read_query
from iics.pixels.crop_images import CropImages, decode_image
from iics.pixels.crop_reader import CropReader
from iics.pixels.pixel_file import cache_key
from iics.readers.box_columns import BoxColumns
from iics.readers.boxes import boxes_within_frames
from iics.shown_picture import VERSION, as_shown, shown_size

UPRIGHT = np.arange(24, dtype=np.uint8).reshape(6, 4) * 10
# How EXIF 2.32 says that the stored rows and columns lie, as the way back from the picture upright.
STORED = {
    1: UPRIGHT,
    2: UPRIGHT[:, ::-1],
    3: UPRIGHT[::-1, ::-1],
    4: UPRIGHT[::-1],
    5: UPRIGHT.T,
    6: UPRIGHT.T[::-1],  # a phone held upright: the stored rows are the columns, from the left
    7: UPRIGHT.T[::-1, ::-1],
    8: UPRIGHT.T[:, ::-1],
}


def encoded(image, kind, **options):
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def turned_file(orientation, kind="PNG", **options):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(Image.fromarray(np.repeat(STORED[orientation][..., None], 3, axis=2)), kind, exif=exif, **options)


def colour(image):
    return as_shown(image).getpixel((0, 0))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("WEBP", {"lossless": True})])
def test_every_orientation_is_turned_upright_and_its_size_known_from_the_header(orientation, kind, options):
    data = turned_file(orientation, kind, **options)
    np.testing.assert_array_equal(np.asarray(decode_image(data))[..., 0], UPRIGHT)
    assert shown_size(Image.open(io.BytesIO(data))) == (4, 6)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_jpegs_of_every_orientation_are_turned_as_pillow_turns_them(orientation):
    data = turned_file(orientation, "JPEG", quality=95)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    np.testing.assert_array_equal(np.asarray(decode_image(data)), np.asarray(expected))


def test_what_was_shown_once_is_not_turned_again_and_the_picture_stays_as_it_was():
    picture = Image.open(io.BytesIO(turned_file(6)))
    once = as_shown(picture)
    np.testing.assert_array_equal(np.asarray(as_shown(once)), np.asarray(once))
    assert (picture.size, once.size, as_shown(ImageOps.exif_transpose(picture)).size) == ((6, 4), (4, 6), (4, 6))


def test_a_picture_object_an_upload_and_a_file_are_the_same_pixels():
    for data in (turned_file(6), turned_file(8, "JPEG"), encoded(Image.new("RGBA", (9, 12), (9, 8, 7, 90)), "PNG")):
        as_file = resize_picture(decode_image(data), 16, 8)
        np.testing.assert_array_equal(resize_picture(Image.open(io.BytesIO(data)), 16, 8), as_file)
    big = turned_file(6, "PNG")
    upload = encoded(Image.open(io.BytesIO(big)).resize((60, 40)), "PNG", exif=Image.open(io.BytesIO(big)).info["exif"])
    assert read_query("phone.png", upload).image.size == (40, 60)


@pytest.mark.parametrize("exif", [b"", b"Exif\0\0", b"nonsense", b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x09\0\0"])
@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")  # Pillow's own
def test_an_exif_that_says_nothing_turns_nothing(exif):
    picture = Image.fromarray(UPRIGHT)
    picture.info["exif"] = exif
    assert as_shown(picture).size == shown_size(picture) == (4, 6)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_there_is_not_turns_nothing(orientation):
    picture, exif = Image.fromarray(UPRIGHT), Image.Exif()
    exif[0x0112] = orientation
    picture.info["exif"] = exif.tobytes()
    assert as_shown(picture).size == (4, 6)


def test_a_box_is_cut_where_it_was_drawn_on_the_picture_as_it_is_shown_and_that_is_told(tmp_path, caplog):
    path = tmp_path / "phone.png"
    path.write_bytes(turned_file(6))
    columns = {"left": ["1"], "top": ["3"], "width": ["3"], "height": ["3"]}  # outside of the 6 x 4 that are stored
    boxes = boxes_within_frames(columns, BoxColumns(tuple(columns), "corner and size"), [path], ["row 1"], name="phone")
    crops = CropSet((path,), [0], ("lobby",), boxes=boxes)
    with CropReader(crops) as reader:
        cut = np.asarray(CropImages(crops, reader)[0].image)[..., 0]
    np.testing.assert_array_equal(cut, UPRIGHT[3:6, 1:4])
    (record,) = caplog.records
    assert record.getMessage().startswith("phone: 1 of 1 frames are turned upright by their EXIF orientation; boxes ")


def test_a_check_tells_the_sizes_that_are_shown(tmp_path):
    path = tmp_path / "phone.jpg"
    path.write_bytes(turned_file(6, "JPEG"))
    assert scan_crops(CropSet((path,), [0], ("lobby",))).sizes.tolist() == [[4, 6]]


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        (Image.new("RGBA", (2, 2), (0, 200, 0, 0)), (255, 255, 255)),
        (Image.new("RGBA", (2, 2), (0, 200, 0, 255)), (0, 200, 0)),
        (Image.new("RGBA", (2, 2), (0, 200, 0, 51)), (204, 244, 204)),
        (Image.new("LA", (2, 2), (0, 0)), (255, 255, 255)),
        (Image.new("LA", (2, 2), (7, 255)), (7, 7, 7)),
        (Image.new("PA", (2, 2), (0, 0)), (255, 255, 255)),
        (Image.new("1", (2, 2), 1), (255, 255, 255)),
        (Image.new("L", (2, 2), 7), (7, 7, 7)),
        (Image.new("CMYK", (2, 2), (0, 255, 255, 0)), (255, 0, 0)),
        (Image.new("YCbCr", (2, 2), (255, 128, 128)), (255, 255, 255)),
        (Image.new("I;16", (2, 2), 65535), (255, 255, 255)),
        (Image.new("I;16B", (2, 2), 0x1234), (0x12, 0x12, 0x12)),
        (Image.fromarray(np.full((2, 2), 30000, np.uint16)), (117, 117, 117)),
    ],
    ids=lambda value: value.mode if isinstance(value, Image.Image) else None,
)
def test_modes_become_the_colours_that_are_seen_on_white(picture, expected):
    assert colour(picture) == expected
    if picture.mode in ("RGBA", "LA", "1", "L", "I;16"):
        assert decode_image(encoded(picture, "PNG")).getpixel((0, 0)) == expected


def test_palettes_with_transparency_lie_on_white():
    palette = Image.new("RGB", (2, 2), (55, 105, 155)).convert("P", palette=Image.Palette.ADAPTIVE)
    assert decode_image(encoded(palette, "PNG")).getpixel((0, 0)) == (55, 105, 155)
    assert decode_image(encoded(palette, "PNG", transparency=b"\x00")).getpixel((0, 0)) == (255, 255, 255)
    assert decode_image(encoded(palette, "PNG", transparency=b"\x33")).getpixel((0, 0)) == (215, 225, 235)


def png(depth, kind, rows, *chunks):
    """A PNG of rows of bytes, for what Pillow does not write."""
    header = struct.pack(
        ">IIBBBBB", len(rows[0]) * 8 // (depth * {0: 1, 2: 3, 6: 4}[kind]), len(rows), depth, kind, 0, 0, 0
    )
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = [(b"IHDR", header), *chunks, (b"IDAT", data), (b"IEND", b"")]
    framed = [
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


def test_sixteen_bits_a_channel_are_scaled_whatever_the_channels():
    deep = struct.pack(">3H", 0x1234, 0x5678, 0xFFFF)
    assert decode_image(png(16, 2, [deep])).getpixel((0, 0)) == (0x12, 0x56, 0xFF)
    assert decode_image(png(16, 6, [deep + b"\xff\xff"])).getpixel((0, 0)) == (0x12, 0x56, 0xFF)
    assert decode_image(png(16, 0, [b"\x12\x34\x12\x35"])).getpixel((0, 0)) == (0x12, 0x12, 0x12)


def test_a_grey_that_stands_for_nothing_lies_on_white():
    shown = decode_image(png(16, 0, [b"\x12\x34\x12\x35"], (b"tRNS", b"\x12\x34")))
    assert [shown.getpixel((x, 0)) for x in (0, 1)] == [(255, 255, 255), (0x12, 0x12, 0x12)]
    shown = decode_image(png(8, 0, [b"\x12\x13"], (b"tRNS", b"\0\x12")))
    assert [shown.getpixel((x, 0)) for x in (0, 1)] == [(255, 255, 255), (0x13, 0x13, 0x13)]


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_of_an_animation_the_first_frame_is_taken(kind):
    first, second = Image.new("RGB", (4, 4), "red"), Image.new("RGB", (4, 4), "blue")
    data = encoded(first, kind, save_all=True, append_images=[second], lossless=True)
    assert decode_image(data).getpixel((1, 1)) == (255, 0, 0)


def test_of_a_jpeg_of_several_pictures_the_first_is_taken_and_turned():
    first, second = Image.new("RGB", (60, 40), "white"), Image.new("RGB", (60, 40), "black")
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(first, "MPO", save_all=True, append_images=[second], exif=exif)
    assert Image.open(io.BytesIO(data)).format == "MPO"
    assert (decode_image(data).size, decode_image(data).getpixel((9, 9))) == ((40, 60), (255, 255, 255))


def test_inks_of_a_jpeg_become_colours():
    red, green, blue = decode_image(encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG")).getpixel((8, 8))
    assert red > 250
    assert max(green, blue) < 6


def profile_with_red_and_green_exchanged(name="xRGB"):
    """sRGB's profile with two of its tags exchanged, under another name."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    at = {tag: data.index(tag, 128) + 4 for tag in (b"rXYZ", b"gXYZ")}
    red, green = (bytes(data[start : start + 8]) for start in at.values())
    data[at[b"rXYZ"] : at[b"rXYZ"] + 8], data[at[b"gXYZ"] : at[b"gXYZ"] + 8] = green, red
    return bytes(data).replace("sRGB".encode("utf-16-be"), name.encode("utf-16-be"))


def test_a_colour_profile_is_followed_once():
    data = encoded(Image.new("RGB", (2, 2), (250, 0, 0)), "PNG", icc_profile=profile_with_red_and_green_exchanged())
    shown = decode_image(data)
    np.testing.assert_allclose(shown.getpixel((0, 0)), (0, 250, 0), atol=2)
    assert colour(shown) == shown.getpixel((0, 0))


@pytest.mark.parametrize(
    "profile", [b"nonsense", profile_with_red_and_green_exchanged("sRGB")], ids=["damaged", "sRGB"]
)
def test_a_damaged_profile_and_that_of_srgb_change_nothing(profile):
    data = encoded(Image.new("RGB", (2, 2), (250, 1, 2)), "PNG", icc_profile=profile)
    assert decode_image(data).getpixel((0, 0)) == (250, 1, 2)


def test_a_profile_of_other_pixels_changes_nothing():
    data = encoded(Image.new("L", (2, 2), 77), "PNG", icc_profile=profile_with_red_and_green_exchanged())
    assert decode_image(data).getpixel((0, 0)) == (77, 77, 77)


@pytest.mark.parametrize("mode", ["I", "F", "LAB", "La"])
def test_what_cannot_be_shown_is_refused_by_name(mode):
    with pytest.raises(DataError) as caught:
        resize_picture(Image.new(mode, (5, 9)), 16, 8)
    assert str(caught.value) == (
        f"A picture of 5 x 9 pixels cannot be used: pixel mode {mode} has no one way to be shown; convert it to RGB or "
        "grey of 8 or 16 bits."
    )


def test_a_torn_picture_is_refused_as_an_object_as_it_is_as_a_file():
    torn = encoded(Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 32, 3), np.uint8)), "JPEG")[:-300]
    with pytest.raises(DataError, match=r"^truncated$"):
        decode_image(torn)
    with pytest.raises(DataError, match=r"^A picture of 32 x 64 pixels cannot be used: truncated\.$"):
        resize_picture(Image.open(io.BytesIO(torn)), 16, 8)


def test_pixels_kept_before_pictures_were_turned_are_not_used_again(monkeypatch):
    now = cache_key([b"a"], height=8, width=4)
    monkeypatch.setattr("iics.pixels.pixel_file.VERSION", VERSION - 1)
    assert cache_key([b"a"], height=8, width=4) != now
