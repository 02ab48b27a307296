"""`iics people` and `iics forget --person`, as users type them, on a gallery of three people and two cameras."""

import csv
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import torch

from iics.gallery.gallery import Gallery
from iics.gallery.stored_values import NUMBER_FIELDS
from iics.model_settings import ModelSettings
from iics.models.reid_model import create_model, load_model
from iics.people.correcting import join
from iics.people.store import PeopleStore

MORNING = datetime(2026, 3, 1, 8, tzinfo=UTC).timestamp()
CAMERAS = ("door", "hall")
NUM_PEOPLE, CROPS_EACH = 3, 2


def feature(person, at):
    """Return a feature of a person: those of one are alike, those of two at right angles."""
    found = np.zeros(256, np.float32)
    found[person], found[100 + at] = 1, 0.2
    return found / np.linalg.norm(found)


def crop(person, place, at, *, camera=None, **others):
    """Return a row: person 1 is seen at the door at 8:10:00 and in the hall from 8:11:00 on."""
    number = CAMERAS.index(place)
    values = dict.fromkeys(NUMBER_FIELDS) | {"digest": "", "archive": "", "camera": camera or place}
    values |= {"crop_id": f"{person}{place}{at}", "path": f"/crops/{person}{place}{at}.png", "identity": person}
    return values | {"time": MORNING + 600 * person + 60 * number + at, "tracklet": 10 * person + number} | others


def crops_of(people=range(NUM_PEOPLE), **others):
    return [crop(person, camera, at, **others) for person in people for camera in CAMERAS for at in range(CROPS_EACH)]


def write(rows, uri="people.db"):
    """Write crops; the feature of each is its person's."""
    with Gallery.open(str(uri)) as gallery:
        people = [int(row["crop_id"][0]) for row in rows]
        features = [feature(person, at) for at, person in enumerate(people)]
        gallery.write(rows, np.stack(features))


@pytest.fixture(scope="module")
def model_files(tmp_path_factory):
    """The gallery's model, and another one."""
    settings = ModelSettings(backbone="test_efficientnet", weights="none", height=64, width=32)
    files = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        files.append(tmp_path_factory.mktemp("model") / "model.safetensors")
        create_model(settings, device=torch.device("cpu")).save(files[-1])
    return files


@pytest.fixture(scope="module")
def galleries(tmp_path_factory, model_files, iics):
    """A folder with the gallery raw.db, and people.db, whose people were linked."""
    folder = tmp_path_factory.mktemp("galleries")
    with Gallery.open_or_create(str(folder / "raw.db"), model=load_model(model_files[0]), model_file=model_files[0]):
        pass
    write(crops_of(), folder / "raw.db")
    shutil.copytree(folder / "raw.db", folder / "people.db")
    finished = iics("people", folder / "people.db")
    assert finished.code == 0, finished.stderr
    return folder


@pytest.fixture
def home(galleries, tmp_path, monkeypatch):
    """A folder with a copy of people.db, in which commands are run."""
    shutil.copytree(galleries / "people.db", tmp_path / "people.db")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def table(file="people.csv"):
    return list(csv.DictReader(Path(file).read_text().splitlines()))


def persons_in_table():
    return {row["sighting"]: int(row["person"]) for row in table()}


def persons(iics):
    """Return the person of each tracklet, as the table tells it."""
    assert iics("people", "people.db", "--no-update", "--table", "people.csv").code == 0
    return persons_in_table()


def said(finished):
    """Return a command's lines after it went well."""
    assert finished.code == 0, finished.stderr
    return finished.stdout.splitlines()


PERSONS = {"t0": 1, "t1": 1, "t10": 2, "t11": 2, "t20": 3, "t21": 3}
ALL_THREE = "3 people, 3 of them seen by several cameras: 6 sightings (12 crops) of 2 cameras."


def test_people_are_linked_across_cameras_and_numbered_in_order_of_time(home, iics):
    lines = said(iics("people", "people.db", "--table", "people.csv"))
    assert lines == ["Nothing is new.", ALL_THREE]
    assert {(row["person"], row["camera"], row["tracklet"]) for row in table()} == {
        ("1", "door", "0"),
        ("1", "hall", "1"),
        ("2", "door", "10"),
        ("2", "hall", "11"),
        ("3", "door", "20"),
        ("3", "hall", "21"),
    }
    assert table()[0]["from"] == "2026-03-01T08:00:00.000+00:00"
    assert table()[0]["to"] == "2026-03-01T08:00:01.000+00:00"


def test_new_crops_join_the_people_that_there_are_or_found_new_ones(home, iics):
    later = [crop(person, "door", 7, tracklet=100 + person, time=MORNING + 9000 + person) for person in (1, 3)]
    write(later)
    lines = said(iics("people", "people.db", "--table", "people.csv"))
    assert lines[:2] == ["Sightings: 2 new.", "1 person new."]
    assert persons_in_table() == {**PERSONS, "t101": 2, "t103": 4}


def test_another_share_of_wrong_links_links_everybody_again_and_stays(home, iics):
    lines = said(iics("people", "people.db", "--wrong-links", "0.3"))
    assert lines[0] == "No sighting is new; people were linked again."
    assert lines[-1] == ALL_THREE
    assert said(iics("people", "people.db", "--wrong-links", "0.3")) == ["Nothing is new.", ALL_THREE]
    assert said(iics("people", "people.db")) == ["Nothing is new.", ALL_THREE]


def test_a_gallery_without_people_says_what_finds_them(galleries, refusal):
    message = refusal("people", galleries / "raw.db", "--no-update")
    assert message.startswith(f"The gallery {galleries / 'raw.db'} has no people yet; `iics people")


def test_people_are_told_of_where_the_model_is_gone(home, iics, refusal, model_files):
    away = model_files[0].with_name("away")
    model_files[0].rename(away)
    try:
        assert "name it by --model" in refusal("people", "people.db")
        assert said(iics("people", "people.db", "--no-update")) == [ALL_THREE]
        assert said(iics("people", "people.db", "--model", away))[-1] == ALL_THREE
    finally:
        away.rename(model_files[0])


def test_another_model_is_refused_and_nothing_is_lost(home, iics, refusal, model_files):
    message = refusal("people", "people.db", "--model", model_files[1])
    assert "cannot be compared with them. Use that model, or another gallery." in message
    assert set(persons(iics).values()) == {1, 2, 3}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--table", "people.xlsx"], "A table is written as .csv or .parquet; people.xlsx ends in .xlsx."),
        (["--table", "missing/people.csv"], "There is no folder "),
        (["--report", "people.pdf"], "A report is written as .html; people.pdf ends in .pdf."),
        (["--corrections", "missing/c.csv"], "There is no folder "),
        (["--corrections", "people.html"], "Corrections are written as .csv; people.html ends in .html."),
        (["--corrections", "people.csv", "--table", "./people.csv"], "--table would be written over the file of --co"),
        (["--table", "people.csv", "--apply", "people.csv"], "--table would be written over the file of --apply, peo"),
        (["--corrections", "a.csv", "--travel-times", "a.csv"], "--corrections would be written over the file of --"),
        (["--apply", "missing.csv"], "Cannot read missing.csv: No such file or directory. Give a CSV file."),
        (["--wrong-links", "1.5"], "--wrong-links must be "),
        (["--wrong-links", "0"], "--wrong-links must be "),
        (["--keep-days", "-1"], "--keep-days must be "),
        (["--time-zone", "Europe/Berlin"], "--time-zone is the zone of times in --table and --report; give one"),
        (["--table", "a.csv", "--time-zone", "Europe/Berln"], "--time-zone needs the name of a time zone, e.g. Europe"),
        (["--no-update", "--wrong-links", "0.1"], "--no-update links nothing, so "),
        (["--no-update", "--travel-times", "on"], "--no-update links nothing, so "),
        (["--undo", "7"], "There is no correction 7; nothing was corrected yet."),
    ],
)
def test_flags_that_cannot_be_followed_are_refused(home, refusal, flags, message):
    assert refusal("people", "people.db", *flags).startswith(message)


def test_report_and_parquet_are_written(home, iics):
    pytest.importorskip("pyarrow")
    said(iics("people", "people.db", "--table", "people.parquet", "--report", "people.html"))
    assert "<dt>people</dt><dd>3</dd>" in (home / "people.html").read_text()
    assert (home / "people.parquet").read_bytes()[:4] == b"PAR1"


def correct(*lines, header="number,kind,first,second,undone", file="corrections.csv"):
    Path(file).write_text("\n".join([header, *lines]) + "\n")
    return file


@pytest.mark.slow
def test_corrections_go_out_into_a_file_and_come_back(home, iics):
    lines = said(iics("people", "people.db", "--apply", correct(",different,t1,t0,", ",same,t1,t20 t21,")))
    assert "Corrections: 2 new, 0 undone, 0 known." in lines
    assert persons(iics) == {**PERSONS, "t1": 3}
    said(iics("people", "people.db", "--corrections", "out.csv"))
    lines = table("out.csv")
    assert [(line["number"], line["kind"], line["first"], line["undone"]) for line in lines] == [
        ("1", "different", "t1", ""),
        ("2", "same", "t1", ""),
    ]
    assert "Corrections: 0 new, 0 undone, 2 known." in said(iics("people", "people.db", "--apply", "out.csv"))
    text = (home / "out.csv").read_text().splitlines()
    (home / "out.csv").write_text("\n".join([*text[:2], text[2] + "yes"]) + "\n")
    assert "Corrections: 0 new, 1 undone, 1 known." in said(iics("people", "people.db", "--apply", "out.csv"))
    found = persons(iics)
    assert found["t1"] not in (found["t0"], found["t21"])


@pytest.mark.slow
def test_a_split_survives_reruns_and_undoing_takes_it_back(home, iics):
    said(iics("people", "people.db", "--apply", correct(",different,t1,t0,")))
    split = persons(iics)
    assert split["t1"] == 4
    for _ in range(2):
        assert said(iics("people", "people.db"))[0] == "Nothing is new."
    assert persons(iics) == split
    assert "Correction 1 is undone." in said(iics("people", "people.db", "--undo", "1"))
    assert persons(iics)["t1"] == 1


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([",same,t0,t10,", ",different,t10,t0,"], "contradicts correction 1"),
        ([",same,t0,t10,", ",same,t10,t20,", ",different,t0,t20,"], "contradicts corrections 1, 2"),
        ([",different,t0,t10,", ",same,t0,t10,"], "contradicts correction 1"),
        ([",same,t0,t999,"], "have no sighting t999"),
        ([",same,t0,t0,"], "The sighting t0 is on both sides"),
    ],
)
def test_a_file_of_corrections_that_cannot_be_followed_changes_nothing(home, iics, refusal, lines, message):
    before = persons(iics)
    assert message in refusal("people", "people.db", "--apply", correct(*lines))
    assert persons(iics) == before


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (",like,t0,t1,", "has the kind 'like'; it must be same or different."),
        (",same,t0,,", "needs sightings in first and second"),
        ("one,same,t0,t10,", "has the number 'one'"),
        (f"{'9' * 5000},same,t0,t10,", "has the number '99999"),
        (",same,t0,t10,t11,yes", "6 values, but there are 5 columns."),
        (",same,t0,t10,perhaps", "has 'perhaps' in undone"),
    ],
)
def test_a_line_that_is_no_correction_is_refused_before_a_gallery_is_opened(tmp_path, refusal, line, message):
    file = correct(line, file=tmp_path / "corrections.csv")
    assert message in refusal("people", tmp_path / "missing.db", "--apply", file)


def test_files_that_are_no_corrections_are_refused(home, refusal):
    strange = correct("1,2", header="a,b")
    assert "need the columns kind, first and second" in refusal("people", "people.db", "--apply", strange)
    assert "corrections.csv has no row below its column names" in refusal("people", "people.db", "--apply", correct())
    file = correct("same,different,t0,t10", header="kind,kind,first,second")
    assert "have two columns kind; leave one." in refusal("people", "people.db", "--apply", file)
    (home / "latin.csv").write_bytes("kind,first,second,by\nsame,t0,t1,J\xfcrgen\n".encode("latin-1"))
    assert "UTF-8" in refusal("people", "people.db", "--apply", "latin.csv")


@pytest.mark.slow
def test_a_correction_of_a_crop_that_was_deleted_is_told_and_kept(home, iics, caplog):
    said(iics("people", "people.db", "--apply", correct(",different,t0,t10,")))
    said(iics("forget", "people.db", "--tracklet", "10", "--yes"))
    said(iics("people", "people.db", "--corrections", "out.csv"))
    assert "Correction 1 (different) names the sighting t10, whose crops are no longer in the gallery" in caplog.text
    assert [line["number"] for line in table("out.csv")] == ["1"]


def test_a_renamed_camera_keeps_its_people(home, iics, caplog):
    write([crop(person, "hall", at, camera="foyer") for person in range(NUM_PEOPLE) for at in range(CROPS_EACH)])
    said(iics("people", "people.db", "--table", "people.csv"))
    assert persons_in_table() == PERSONS
    assert {row["camera"] for row in table()} == {"door", "foyer"}
    assert "foyer" in caplog.text


def test_a_camera_renamed_for_a_part_of_its_crops_is_refused_and_nothing_is_lost(home, iics, refusal):
    before = persons(iics)
    write([crop(0, "hall", 0, camera="foyer")])
    message = refusal("people", "people.db")
    assert "has crops of the cameras foyer and hall" in message
    assert persons(iics) == before


def test_times_of_a_recording_and_dates_together_are_told(home, iics, caplog):
    write([crop(1, "hall", 7, tracklet=70, time=12.0)])
    said(iics("people", "people.db"))
    assert "count from the start of a recording" in caplog.text


def test_times_out_of_order_are_told(home, iics, caplog):
    write([crop(1, "hall", at, tracklet=70, time=MORNING + at * 200_000) for at in (7, 8)])
    said(iics("people", "people.db"))
    assert "its times are out of order, or two tracklets share its number" in caplog.text


def test_an_earlier_sighting_that_comes_late_joins_without_a_number_changing(home, iics):
    write([crop(2, "hall", 7, tracklet=70, time=MORNING - 5000)])
    said(iics("people", "people.db"))
    assert persons(iics) == {**PERSONS, "t70": 3}


@pytest.mark.slow
def test_old_crops_are_forgotten_with_their_people_and_crops_without_a_date_stay(home, iics):
    write([crop(4, "door", 0, tracklet=80, time=12.0), crop(5, "door", 0, tracklet=81, time=2_000_000_000.0)])
    said(iics("people", "people.db"))
    lines = said(iics("people", "people.db", "--keep-days", "1"))
    assert lines[:2] == [
        "Older than 1 day: 12 crops forgotten, 3 people with them.",
        "1 crop without a date stays: nothing says how old it is.",
    ]
    assert set(persons(iics)) == {"t80", "t81"}


@pytest.mark.slow
def test_the_limit_of_days_stays_with_the_gallery_until_it_is_ended(home, iics):
    said(iics("people", "people.db", "--keep-days", "36500"))
    assert said(iics("people", "people.db"))[0] == "Kept for 36500 days: no crop is older."
    ended = said(iics("people", "people.db", "--keep-days", "0"))
    assert ended == ["Crops are kept without a limit of days.", "Nothing is new.", ALL_THREE]
    assert said(iics("people", "people.db")) == ["Nothing is new.", ALL_THREE]


def test_a_limit_is_kept_though_the_rest_of_the_command_is_refused(home, iics, refusal):
    refusal("people", "people.db", "--keep-days", "36500", "--undo", "7")
    assert said(iics("people", "people.db", "--no-update"))[0] == "Kept for 36500 days: no crop is older."


@pytest.mark.slow
def test_people_that_are_animals_are_told_as_animals(iics, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = ModelSettings(backbone="test_efficientnet", weights="none", height=64, width=64, subject="animal")
    create_model(settings, device=torch.device("cpu")).save(tmp_path / "model.safetensors")
    with Gallery.open_or_create("zoo.db", model=load_model("model.safetensors"), model_file=Path("model.safetensors")):
        pass
    write(crops_of(), "zoo.db")
    assert said(iics("people", "zoo.db"))[-1] == ALL_THREE.replace("people", "animals")
    assert "No crop of animal 2 is left; no other animal gets the number." in said(
        iics("forget", "zoo.db", "--person", "2", "--yes")
    )
    (tmp_path / "model.safetensors").write_bytes(b"damaged")
    assert said(iics("people", "zoo.db", "--no-update"))[-1].startswith("2 people, 2 of them")


def json_of(finished):
    assert finished.code == 0, finished.stderr
    return json.loads(finished.stdout)


def test_json_tells_what_was_done_and_found(home, iics):
    write(crops_of([4, 5]))
    told = json_of(iics("people", "people.db", "--json", "--table", "people.csv", "--measure", "--keep-days", "36500"))
    assert told["measured"].pop("bcubed") == {"precision": 1.0, "recall": 1.0, "f": 1.0}
    assert told == {
        "gallery": "people.db",
        "people": 5,
        "seen_by_several_cameras": 5,
        "sightings": 10,
        "crops": 20,
        "cameras": 2,
        "doubtful_links": 0,
        "changes": {
            "new_sightings": 4,
            "changed_sightings": 0,
            "gone_sightings": 0,
            "new_people": 2,
            "merged_people": 0,
            "split_people": 0,
            "rule": told["changes"]["rule"],
        },
        "corrections": {"counting": 0, "new": 0, "undone": 0},
        "limit": {
            "days": 36500.0,
            "forgotten_crops": 0,
            "forgotten_people": [],
            "crops_without_date": 0,
            "out_of_files": True,
        },
        "measured": {
            "identities": 4,
            "crops": 16,
            "people": 4,
            "pairs": {"precision": 1.0, "recall": 1.0, "f": 1.0},
            "idf1": 1.0,
        },
        "written": {"table": "people.csv", "report": None, "corrections": None},
        "warnings": [],
    }
    assert told["changes"]["rule"]


def test_json_tells_of_corrections_and_of_what_they_led_to(home, iics):
    applied = ["--apply", correct(",different,t1,t0,", ",same,t10 t11,t20 t21,"), "--corrections", "out.csv"]
    told = json_of(iics("people", "people.db", "--json", *applied))
    assert told["corrections"] == {"counting": 2, "new": 2, "undone": 0}
    assert (told["changes"]["split_people"], told["changes"]["merged_people"]) == (1, 1)
    assert told["written"]["corrections"] == "out.csv"
    told = json_of(iics("people", "people.db", "--json", "--no-update", "--undo", "1"))
    assert told["corrections"] == {"counting": 1, "new": 0, "undone": 1}
    assert (told["changes"], told["measured"], told["limit"]) == (None, None, None)


def test_times_are_told_in_the_zone_that_is_wanted(home, iics):
    zone = ["--time-zone", "Asia/Kolkata", "--table", "people.csv", "--report", "people.html"]
    said(iics("people", "people.db", "--no-update", *zone))
    assert table()[0]["from"] == "2026-03-01T13:30:00.000+05:30"
    page = (home / "people.html").read_text()
    assert "(Asia/Kolkata)" in page
    assert "03-01 13:30" in page
    assert "UTC" not in page


@pytest.mark.slow
def test_a_person_is_forgotten_with_all_crops_and_the_number_is_not_given_again(home, iics, refusal):
    finished = iics("forget", "people.db", "--person", "2", "--yes")
    lines = said(finished)
    assert lines[0] == "4 crops to forget (2 of door, 2 of hall):"
    assert "4 crops forgotten; 8 crops left." in lines
    assert "No crop of person 2 is left; no other person gets the number." in lines
    assert refusal("forget", "people.db", "--person", "2", "--yes").endswith(
        "is forgotten; the number is not given again."
    )
    write(crops_of([1]))
    said(iics("people", "people.db"))
    assert set(persons(iics).values()) == {1, 3, 4}


@pytest.mark.slow
def test_forgetting_is_told_as_json(home, iics, refusal):
    assert "add --yes" in refusal("forget", "people.db", "--person", "2", "--json")
    told = json_of(iics("forget", "people.db", "--person", "2", "--json", "--yes"))
    assert told == {
        "gallery": "people.db",
        "forgotten_crops": 4,
        "by_camera": {"door": 2, "hall": 2},
        "forgotten_people": [2],
        "crops_left": 8,
        "out_of_files": True,
    }


def test_a_number_that_was_never_given_is_refused(home, refusal):
    assert "have no person 9: numbers go from 1 to 3." in refusal("forget", "people.db", "--person", "9", "--yes")
    assert "--person must be " in refusal("forget", "people.db", "--person", "0", "--yes")


@pytest.mark.slow
def test_an_old_number_leads_to_the_person_that_it_was_merged_into(home, iics):
    with Gallery.open("people.db") as gallery:
        join(PeopleStore.open(gallery), ["t0"], ["t20"])
    assert said(iics("forget", "people.db", "--person", "3", "--yes"))[0] == "8 crops to forget (4 of door, 4 of hall):"


@pytest.mark.slow
def test_flags_of_forget_narrow_a_person_down(home, iics):
    lines = said(iics("forget", "people.db", "--person", "1", "--camera", "hall", "--yes"))
    assert lines[0] == "2 crops to forget (2 of hall):"
    assert not any(line.startswith("No crop of person") for line in lines)
    assert set(persons(iics)) == {"t0", "t10", "t11", "t20", "t21"}


@pytest.mark.slow
def test_crops_that_are_forgotten_by_camera_are_out_of_the_people_at_once(home, iics):
    said(iics("forget", "people.db", "--camera", "hall", "--yes"))
    assert persons(iics) == {"t0": 1, "t10": 2, "t20": 3}


def test_forgetting_in_a_gallery_without_people_says_so(galleries, refusal):
    assert "has no people yet" in refusal("forget", galleries / "raw.db", "--person", "1", "--yes")


def test_people_are_measured_against_known_identities(home, iics, refusal):
    said(iics("people", "people.db", "--apply", correct(",different,t1,t0,")))  # two of four crops of person 0 are lost
    write(
        [crop(person, camera, at, identity=person + 1) for person in range(3) for camera in CAMERAS for at in range(2)]
    )
    assert said(iics("people", "people.db", "--measure"))[-5:] == [
        "Beside 3 known identities, whose 12 crops are of 4 people, in %:",
        "         precision  recall     F",
        "pairs        100.0    77.8  87.5",  # 14 of 18 pairs
        "B-cubed      100.0    83.3  90.9",  # 8 crops find all of theirs, 4 find half
        "IDF1                        83.3",
    ]


def test_without_identities_nothing_can_be_measured_and_files_are_written_nevertheless(home, refusal):
    write(crops_of(identity=None))
    message = refusal("people", "people.db", "--measure", "--table", "people.csv")
    assert "has a known identity, so nothing can be measured" in message
    assert persons_in_table() == PERSONS


def test_corrections_may_be_written_into_the_file_that_was_applied(home, iics):
    file = correct(",different,t1,t0,")
    said(iics("people", "people.db", "--no-update", "--apply", file, "--corrections", file))
    assert [line["number"] for line in table(file)] == ["1"]


def ways(*lines, header="from,to,seconds"):
    Path("ways.csv").write_text("\n".join([header, *lines]) + "\n")
    return "ways.csv"


def test_sightings_nearer_in_time_than_a_given_way_takes_are_two_people(galleries, iics, tmp_path, monkeypatch):
    shutil.copytree(galleries / "raw.db", tmp_path / "people.db")
    monkeypatch.chdir(tmp_path)
    said(iics("people", "people.db", "--travel-times", ways("door,hall,300")))  # from the door to the hall it took 59
    assert len(set(persons(iics).values())) == 6


@pytest.mark.parametrize(
    ("lines", "header", "message"),
    [
        (["door,cellar,5"], "from,to,seconds", "no camera of this gallery is called 'cellar'; it has door, hall."),
        (["door,hall,-5"], "from,to,seconds", "'-5' is none"),
        (["door,hall,soon"], "from,to,seconds", "'soon' is none"),
        (["door,hall,5", "door,hall,6"], "from,to,seconds", "the way from door to hall has a time already"),
        (["door,hall"], "from,to", "has no column seconds"),
    ],
)
def test_a_table_of_travel_times_that_cannot_be_followed_is_refused(home, refusal, lines, header, message):
    assert message in refusal("people", "people.db", "--travel-times", ways(*lines, header=header))


def test_a_table_of_travel_times_that_is_missing_is_refused(home, refusal):
    assert "ways.csv" in refusal("people", "people.db", "--travel-times", "ways.csv")
