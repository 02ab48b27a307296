"""A name says what its template says it says, or the template and the name are refused."""

import pytest

from iics.errors import DataError
from iics.readers.name_template import NameTemplate

TEMPLATES = [
    "{camera}/{identity}_{time:%Y%m%d-%H%M%S}_{frame:d}.jpg",
    "{split}/{identity:d}_c{camera:d}s{}_{frame:d}_{}.jpg",
    "{time:%Y-%m-%d}/{camera:alnum}/{time:%H%M%S.%f}_{tracklet}.png",
    "{camera}/{camera}_{shot:d}.jpg",
    "{{x}}/{camera}/{_}.{}",
    "{time:%j-%y}{camera}.jpg",
]


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        (
            "{camera}/{identity}_{time:%Y%m%d-%H%M%S}_{frame:d}.jpg",
            "car park/alice_20240531-143000_0451.jpg",
            {"camera": "car park", "identity": "alice", "time": "2024-05-31T14:30:00"},
        ),
        (
            "{split}/{identity:d}_c{camera:d}s{}_{frame:d}_{}.jpg",
            "query/0002_c01s1_000451_03.jpg",
            {"split": "query", "identity": "2", "camera": "1"},
        ),
        ("{identity:d}_c{camera:d}.jpg", "-1_c2.jpg", {"identity": "-1", "camera": "2"}),
        (
            "{time:%Y-%m-%d}/{camera}/{time:%H%M%S.%f}.jpg",
            "2024-05-31/ünïcode/143000.25.jpg",
            {"camera": "ünïcode", "time": "2024-05-31T14:30:00.250000"},
        ),
        ("{camera}_{time:%Y%j%z}.jpg", "a_2024152+0200.jpg", {"camera": "a", "time": "2024-05-31T00:00:00+02:00"}),
        ("{camera}/{camera}_{}.jpg", "lobby/lobby_x_y.jpg", {"camera": "lobby"}),
        ("{camera:alnum}_{}.jpg", "lobby_x_y.jpg", {"camera": "lobby"}),
        ("{{{camera}}}+(a).jpg", "{lobby}+(a).jpg", {"camera": "lobby"}),
    ],
)
def test_fields_are_read(pattern, name, expected):
    assert NameTemplate(pattern).read(name) == expected


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("{camera}/{}.jpg", "lobby/x/y.jpg"),  # a field ends with its folder
        ("{camera}/{}.jpg", "lobby/x.JPG"),  # letters are as they are written
        ("{camera}/{}.jpg", "lobby/.jpg"),  # no field is empty
        ("{camera}/{}.jpg", "lobby/xajpg"),  # a dot is a dot
        ("{camera}/{frame:d}.jpg", "lobby/0x12.jpg"),
        ("{camera}/{frame:d}.jpg", "lobby/-12.jpg"),
        ("{camera}/{identity:d}.jpg", "lobby/-2.jpg"),
        ("{camera}/{frame:d}.jpg", "lobby/１２.jpg"),  # noqa: RUF001 - digits of another script
        ("{camera:alnum}.jpg", "a_b.jpg"),
        ("{camera}/{time:%Y%m%d}.jpg", "lobby/2024531.jpg"),
        ("{camera}/{camera}_{}.jpg", "lobby/yard_1.jpg"),
        ("{camera}/{}.jpg", "lobby/x.jpg\n"),
    ],
)
def test_other_names_do_not_match(pattern, name):
    assert NameTemplate(pattern).read(name) is None


@pytest.mark.parametrize("pattern", TEMPLATES)
def test_the_example_of_a_template_matches_it(pattern):
    template = NameTemplate(pattern)
    assert template.read(template.example)


@pytest.mark.parametrize(
    ("pattern", "name", "readings"),
    [
        ("{camera}_{identity}.jpg", "a_b_c.jpg", "camera 'a', identity 'b_c' or camera 'a_b', identity 'c'"),
        ("{camera}{frame:d}.jpg", "cam12.jpg", "camera 'cam', frame '12' or camera 'cam1', frame '2'"),
        ("{camera}_{}.jpg", "a_b_c.jpg", "camera 'a', {} 'b_c' or camera 'a_b', {} 'c'"),
    ],
)
def test_a_name_that_can_be_read_in_two_ways_is_refused(pattern, name, readings):
    with pytest.raises(DataError) as caught:
        NameTemplate(pattern).read(name)
    assert str(caught.value).startswith(f"it can be read in two ways: {readings}. Say what a field is made of")


def test_a_date_that_does_not_exist_is_refused():
    with pytest.raises(DataError, match=r"^20240230 is no date and time$"):
        NameTemplate("{camera}/{time:%Y%m%d}.jpg").read("a/20240230.jpg")


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("{cam}/{identity}.jpg", "has no {camera}. Is it {cam}? Rename that, or say --camera-by cam (or none)."),
        ("{camera.jpg", "is no template: "),
        ("camera}.jpg", "is no template: "),
        ("/x/{camera}.jpg", "begins with /. Patterns start in the data's folder"),
        ("{camera!r}.jpg", "has a field with !"),
        ("{camera:s}.jpg", "has the field {camera:s}. After the colon of all but time comes one of alnum, d."),
        ("{camera}/{a.b}.jpg", "has the field {a.b}. Names are made of letters"),
        ("{camera}/{tïme}.jpg", "has the field {tïme}. Names are made of letters"),
        ("{camera}/{time}.jpg", "has the field {time}. Say how times are written, by %Y %y %m"),
        ("{camera}/{time:%Y%B}.jpg", "has the field {time:%Y%B}. Say how times are written"),
        ("{camera}/{time:%Y%}.jpg", "has the field {time:%Y%}. Say how"),
        ("{camera}/{time:%Y/%m/%d}.jpg", "has the field {time:%Y/%m/%d}. Say how"),
        ("{camera}/{time:%H%M}.jpg", "has times without a full date. Add %Y, %m and %d, or give"),
        ("{camera}/{camera:d}.jpg", "says in two ways what camera is made of. Say it where it stands first."),
        (
            "{camera}/{identiy}.jpg",
            "has the field 'identiy', which has no meaning. Did you mean 'identity'? Rename it.",
        ),
        ("{Camera}/x.jpg", "has the field 'Camera', which has no meaning. Did you mean 'camera'?"),
    ],
)
def test_what_is_no_template_is_refused(pattern, message):
    with pytest.raises(DataError) as caught:
        NameTemplate(pattern)
    assert str(caught.value).startswith(f"The pattern {pattern} {message}")
