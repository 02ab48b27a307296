"""Filters name cameras that a gallery has."""

import pytest

from iics.errors import GalleryError
from iics.gallery.filters import GalleryFilters
from iics.gallery.known_cameras import check_cameras, nearest_first


def check(filters, names):
    check_cameras(filters, where="The gallery", is_known=lambda name: name in names, names=lambda: names)


def test_known_cameras_pass_without_asking_for_all_names():
    filters = GalleryFilters(cameras=("a",), not_cameras=("b",))
    check_cameras(filters, where="", is_known=lambda name: name in "ab", names=lambda: pytest.fail("asked"))


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        (
            GalleryFilters(cameras=("loby",)),
            "The gallery has no camera 'loby'. Its cameras, nearest first: lobby, yard.",
        ),
        (GalleryFilters(not_cameras=("Yard",)), "has no camera 'Yard'. Its cameras, nearest first: yard, lobby."),
        (GalleryFilters(cameras=("yard", "x"), not_cameras=("y",)), "has no camera 'x' and no camera 'y'. Its"),
        (GalleryFilters(cameras=("",)), "has no camera ''. Its cameras"),
    ],
)
def test_an_unknown_camera_is_told_with_the_nearest_first(filters, message):
    with pytest.raises(GalleryError) as refused:
        check(filters, ["lobby", "yard"])
    assert message in str(refused.value)


def test_of_many_cameras_the_nearest_are_told():
    with pytest.raises(GalleryError, match=r"nearest first: cam299, .* and 980 more\.$"):
        check(GalleryFilters(cameras=("cam2999",)), [f"cam{number}" for number in range(1000)])


def test_cameras_that_are_equally_near_keep_their_order():
    assert nearest_first("cam", ["cam2", "cam10", "CAM", "cam1"]) == ["CAM", "cam2", "cam1", "cam10"]


def test_an_empty_gallery_is_told_as_one():
    with pytest.raises(GalleryError, match=r"no camera 'a'. It holds no crops\.$"):
        check(GalleryFilters(cameras=("a",)), [])
