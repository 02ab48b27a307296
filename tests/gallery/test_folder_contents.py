"""Folders of galleries that were damaged, by each file and in several ways: a sentence, and never nobody."""

import shutil

import pytest

from iics.errors import GalleryError
from iics.gallery import folder_contents
from iics.gallery.connection import connect, disconnect
from iics.gallery.filters import GalleryFilters
from iics.gallery.folder_contents import CONTENTS, check_contents, record_contents
from iics.gallery.gallery import Gallery


@pytest.fixture(scope="module")
def whole(tmp_path_factory, model, angles, stored_row):
    """The folder of a gallery with two data files, a list of deleted rows and an index of each data file."""
    folder = tmp_path_factory.mktemp("whole") / "people.db"
    with Gallery.open_or_create(str(folder), model=model) as gallery:
        for start in (0, 30):
            numbers = range(start, start + 30)
            gallery.write([stored_row(str(number)) for number in numbers], angles([float(k) for k in numbers]))
            gallery.flush()
        gallery.write([stored_row("0", camera="b")], angles([0.0]))
    return folder


def cut(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(file):
    file.write_bytes(b"")


def zero(file):
    file.write_bytes(bytes(file.stat().st_size))


def flip(place):
    def flip_a_bit(file):
        content = bytearray(file.read_bytes())
        content[int(place * (len(content) - 1))] ^= 4
        file.write_bytes(content)

    return flip_a_bit


WAYS = {"cut": cut, "empty": empty, "zero": zero, "delete": lambda file: file.unlink()} | {
    f"flip_{place}": flip(place) for place in (0.0, 0.2, 0.5, 0.8, 1.0)
}
CROPS = 60


def num_found(folder):
    with Gallery.open(str(folder)) as gallery:
        return len(gallery.crops(GalleryFilters()))


def test_a_folder_that_was_left_whole_opens(whole):
    assert num_found(whole) == CROPS


@pytest.mark.parametrize("way", WAYS)
def test_a_damaged_file_is_named(whole, tmp_path, way):
    files = [file.relative_to(whole) for file in sorted(whole.rglob("*")) if file.is_file() and file.name != "LOCK"]
    assert len(files) >= 9
    for number, name in enumerate(files):
        folder = tmp_path / f"{number}.db"
        shutil.copytree(whole, folder)
        WAYS[way](folder / name)
        before = (folder / name).exists() and (folder / name).read_bytes()
        if name.name == CONTENTS and way == "delete":
            check_contents(folder)  # as a gallery of an older version: what its manifest names is there
            continue
        with pytest.raises(GalleryError, match=f"The gallery .*/{number}.db is damaged: .*{name.name}"):
            check_contents(folder)
        assert ((folder / name).exists() and (folder / name).read_bytes()) == before


def test_a_damaged_folder_is_not_opened_and_loses_nothing(whole, tmp_path, model):
    folder = tmp_path / "people.db"
    shutil.copytree(whole, folder)
    manifest = next(folder.rglob("manifest.json"))
    good = manifest.read_bytes()
    manifest.write_bytes(good[:100])
    for open_gallery in (Gallery.open, lambda uri: Gallery.open_or_create(uri, model=model)):
        with pytest.raises(GalleryError, match="Restore the folder from a backup"):
            open_gallery(str(folder))
    manifest.write_bytes(good)
    assert num_found(folder) == CROPS


@pytest.mark.parametrize("name", ["manifest.json", "schema.json", "data_000001_000030.parquet"])
def test_without_notes_what_the_manifest_names_must_be_there(whole, tmp_path, name):
    for number, damage in enumerate((cut, empty, zero, WAYS["delete"])):
        folder = tmp_path / f"{number}.db"
        shutil.copytree(whole, folder)
        (folder / CONTENTS).unlink()
        damage(next(folder.rglob(name)))
        with pytest.raises(GalleryError, match=f"is damaged: .*{name}"):
            check_contents(folder)


def test_a_collection_whose_folder_is_gone_is_named(whole, tmp_path):
    folder = tmp_path / "people.db"
    shutil.copytree(whole, folder)
    shutil.rmtree(folder / "collections" / "iics")
    with pytest.raises(GalleryError, match="its folder collections/iics is gone"):
        Gallery.open(str(folder))


def test_the_schema_of_another_models_gallery_is_not_taken_for_its_own(whole, tmp_path, model, angles, stored_row):
    folder, other = tmp_path / "people.db", tmp_path / "others.db"
    shutil.copytree(whole, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("iics.gallery.opening.model_fingerprint", lambda _: "0" * 16)
        with Gallery.open_or_create(str(other), model=model) as gallery:
            gallery.write([stored_row("0")], angles([0.0]))
    shutil.copy(next(other.rglob("schema.json")), next(folder.rglob("schema.json")))
    with pytest.raises(GalleryError, match=r"schema\.json is not as it was written: it is of another gallery"):
        Gallery.open(str(folder))


def test_a_collection_made_anew_for_another_model_by_others_opens(whole, tmp_path, model, angles, stored_row):
    folder = tmp_path / "people.db"
    shutil.copytree(whole, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("iics.gallery.connection.record_contents", lambda _: None)  # as a server, or a killed process
        patch.setattr("iics.gallery.opening.model_fingerprint", lambda _: "0" * 16)
        client = connect(str(folder), is_new=False)
        client.drop_collection("iics")
        with Gallery.open_or_create(str(folder), model=model) as gallery:
            gallery.write([stored_row(str(number)) for number in range(30)], angles([float(k) for k in range(1, 31)]))
            gallery.flush()
        disconnect(client, str(folder))
    assert num_found(folder) == 30


def test_an_older_manifest_is_not_taken_for_the_last(whole, tmp_path):
    folder = tmp_path / "people.db"
    shutil.copytree(whole, folder)
    shutil.copy(next(folder.rglob("manifest.json.prev")), next(folder.rglob("manifest.json")))
    with pytest.raises(GalleryError, match=r"manifest\.json is older than the files it names"):
        Gallery.open(str(folder))


def test_a_manifest_that_was_being_written_is_not_damage(whole, tmp_path):
    folder = tmp_path / "people.db"
    shutil.copytree(whole, folder)
    manifest = next(folder.rglob("manifest.json"))
    shutil.copy(manifest, f"{manifest}.tmp")
    shutil.copy(manifest, f"{manifest}.prev")
    assert num_found(folder) == CROPS


def test_what_others_wrote_since_the_notes_is_read(whole, tmp_path, model, angles, stored_row, monkeypatch):
    folder = tmp_path / "people.db"
    shutil.copytree(whole, folder)
    with monkeypatch.context() as patch:
        patch.setattr(
            "iics.gallery.connection.record_contents", lambda folder: None
        )  # as a server, or a killed process
        with Gallery.open_or_create(str(folder), model=model) as gallery:
            gallery.write([stored_row("new")], angles([80.0]))
            gallery.delete(["1"])
    assert num_found(folder) == CROPS
    check_contents(folder)


def test_notes_are_taken_anew_only_after_a_change(whole, monkeypatch):
    monkeypatch.setattr(folder_contents, "write_atomically", lambda *_: pytest.fail("nothing has changed"))
    record_contents(whole)


def test_a_beginning_that_was_killed_is_no_dead_end(tmp_path, model):
    folder = tmp_path / "people.db"
    (folder / "collections" / "iics").mkdir(parents=True)
    with Gallery.open_or_create(str(folder), model=model) as gallery:
        assert gallery.num_crops == 0
