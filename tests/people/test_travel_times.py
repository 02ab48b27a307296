import numpy as np
import pytest

from iics.errors import PeopleError
from iics.people.book import SeenPerson
from iics.people.travel_times import LEAST_LINKS, learned_travel_times, read_travel_times


def seen(gaps, *, certainty=1.0, cameras=("door", "hall")):
    """Return people who go from the first camera to the second, each with a gap of some seconds."""
    found = []
    for person, gap in enumerate(gaps, start=1):
        start = 1000.0 * person
        found.append(SeenPerson(f"t{2 * person}", person, certainty, cameras[0], start, start + 10, ("a",)))
        found.append(
            SeenPerson(f"t{2 * person + 1}", person, 1.0, cameras[1], start + 10 + gap, start + 20 + gap, ("b",))
        )
    return found


WALK = np.linspace(50, 80, LEAST_LINKS)


def test_shortest_time_is_half_of_that_of_the_fastest():
    found = learned_travel_times(seen(WALK))
    assert found.names == ("door", "hall")
    assert found.shortest[0, 1] == pytest.approx(np.quantile(WALK, 0.05) / 2)
    assert found.median[0, 1] == pytest.approx(65)
    assert np.isnan(found.shortest[1, 0])
    assert found.by_cameras() == {("door", "hall"): (pytest.approx(65), LEAST_LINKS)}


def test_cameras_that_people_come_to_at_any_time_have_no_shortest_time():
    assert learned_travel_times(seen(np.linspace(1, 400, 100))).shortest[0, 1] == 0


def test_overlapping_cameras_have_no_shortest_time():
    assert learned_travel_times(seen(np.full(LEAST_LINKS, -5.0))).shortest[0, 1] == 0


def test_few_or_doubtful_links_say_nothing():
    assert np.isnan(learned_travel_times(seen(WALK[:-1])).shortest[0, 1])
    assert not learned_travel_times(seen(WALK, certainty=0.8)).by_cameras()


def test_one_camera_and_no_times_say_nothing():
    assert not learned_travel_times(seen(WALK, cameras=("door", "door"))).by_cameras()
    assert not learned_travel_times([SeenPerson("t1", 1, 1.0, "door", None, None, ("a",))]).by_cameras()
    assert learned_travel_times([]).names == ()


def test_table_gives_each_way_by_itself(tmp_path):
    table = tmp_path / "times.csv"
    table.write_text("from,to,seconds\ndoor,hall,60\nhall,door,45.5\n")
    found = read_travel_times(table, ("door", "hall", "yard"))
    assert (found.shortest[0, 1], found.shortest[1, 0]) == (60, 45.5)
    assert np.isnan(found.shortest[0, 2])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("from,to\ndoor,hall\n", "times.csv has no column seconds: travel times need the columns from, to and seconds"),
        ("from,to,seconds\ndoor,gate,60\n", "line 2: no camera of this gallery is called 'gate'; it has door, hall."),
        (
            "from,to,seconds\ndoor,hall,a minute\n",
            "a travel time is a number of seconds, 0 or more; 'a minute' is none.",
        ),
        ("from,to,seconds\ndoor,hall,-1\n", "'-1' is none."),
        ("from,to,seconds\ndoor,hall,nan\n", "'nan' is none."),
        ("from,to,seconds\ndoor,door,5\n", "line 2: a way leads to another camera, and this one from door to door."),
        ("from,to,seconds\ndoor,hall,1\ndoor,hall,2\n", "the way from door to hall has a time already"),
    ],
)
def test_table_that_cannot_be_read_is_refused(tmp_path, text, told):
    table = tmp_path / "times.csv"
    table.write_text(text)
    with pytest.raises(PeopleError) as error:
        read_travel_times(table, ("door", "hall"))
    assert told in str(error.value)
