"""A path below a home folder that nobody knows is refused by name, wherever it is given."""

from pathlib import Path

import pytest

import iics
from iics.errors import DataError
from iics.gallery.connection import checked_folder
from iics.gallery.filters import GalleryFilters
from iics.home_folder import expanded
from iics.readers.folders import image_files

NOBODYS = "~no-such-user/crops"


def test_a_home_folder_takes_the_place_of_its_sign(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    assert expanded("~/crops") == Path("/home/ada/crops")
    assert expanded(Path("a/~/crops")) == Path("a/~/crops")


@pytest.mark.parametrize(
    "take",
    [
        image_files,
        iics.load_folder,
        iics.load_csv,
        iics.load_market_layout,
        lambda path: iics.load_pattern(path, "{camera}/{}.png"),
        lambda path: checked_folder(f"{path}.db", is_new=False),
        lambda path: GalleryFilters(path=path).expression(),
    ],
)
def test_an_unknown_home_folder_is_named(take):
    with pytest.raises(DataError, match=r"^~no-such-user/crops\S* begins with ~, and the home folder .* Set HOME, or"):
        take(NOBODYS)


def test_every_path_is_expanded_in_one_place():
    package = Path(iics.__file__).parent
    # The second asks whether there is a home at all, the third has an error of its own, the fourth meets a text.
    allowed = {"home_folder.py", "cli/homeless.py", "pixels/cache_folder.py", "readers/table.py"}
    found = {str(file.relative_to(package)) for file in package.rglob("*.py") if "expanduser" in file.read_text()}
    assert found == allowed
