"""Tables of any contents: read, or refused with the file named. CSV, Parquet, marks, the table of a cropped video."""

import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iics.evaluation.marks import MARK_COLUMNS, read_marks
from iics.readers.csv_table import load_csv
from iics.readers.parquet_table import load_parquet
from iics.video.crop_table import read_table

CALM = settings(derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
NASTY = (
    *(
        "",
        " ",
        "\x00",
        "\x1b[2J",
        "a\nb",
        "a\rb",
        '"',
        "'",
        "\u202e",
        "\ufeff",
        "[red]",
        "$",
        "=1+1",
        "nan",
        "inf",
        "-0",
    ),
    *(
        "9" * 5000,
        "-" + "9" * 5000,
        "1e999999",
        "9" * 19,
        "0x10",
        "1_000",
        "١٢",
        "1e400",
        "NULL",
        "2024-13-45",
        "train",
    ),
    *(
        "x" * 140_000,
        "a.png",
        "b.jpg",
        "../a.png",
        "/dev/zero",
        "~nobody/a.png",
        "a.png/",
        ".",
        "..",
        "\\a.png",
        "a" * 300,
    ),
)
COLUMNS = ("path", "camera", "identity", "time", "tracklet", "split", "left", "top", "width", "height", "note", "pat")

cells = st.one_of(st.sampled_from(NASTY), st.text(max_size=8), st.integers().map(str), st.floats().map(str))


@st.composite
def csv_tables(draw):
    """A table with the columns that are needed, its cells and its bytes then spoilt in several ways."""
    columns = ["path", "camera", *draw(st.lists(st.sampled_from(COLUMNS), max_size=2))]
    rows = [
        [draw(st.sampled_from(("a.png", "b.jpg"))), draw(cells), *(draw(cells) for _ in columns[2:])]
        for _ in range(draw(st.integers(0, 4)))
    ]
    separator = draw(st.sampled_from((",", ";", "\t", ",", "|")))
    quote = draw(st.sampled_from(('"', "", '"', '""')))
    end = draw(st.sampled_from(("\n", "\r\n", "\r", "\n", "\u2028")))
    text = end.join(separator.join(f"{quote}{cell}{quote}" for cell in row) for row in [columns, *rows])
    encoded = text.encode(
        draw(st.sampled_from(("utf-8", "utf-8", "utf-8-sig", "utf-8", "utf-16", "utf-16-le", "latin-1"))), "replace"
    )
    return draw(spoilt(st.just(encoded))) if draw(st.booleans()) else encoded


@st.composite
def spoilt(draw, contents):
    """Bytes as they are, cut off, or with some replaced."""
    data = bytearray(draw(contents))
    for _ in range(draw(st.integers(0, 3))):
        if data:
            at = draw(st.integers(0, len(data) - 1))
            data[at : at + draw(st.integers(0, 4))] = draw(st.binary(max_size=4))
    return bytes(data[: draw(st.integers(0, len(data)))]) if draw(st.booleans()) else bytes(data)


parquet_values = {
    "text": st.text(max_size=8),
    "bytes": st.binary(max_size=8),
    "whole": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(),
    "list": st.lists(st.integers(0, 9), max_size=3),
    "bool": st.booleans(),
    "moment": st.datetimes(),
    "date": st.dates(),
    "nothing": st.none(),
    "struct": st.fixed_dictionaries({"x": st.integers(0, 9)}),
    "time": st.times(),
    "number": st.decimals(-(10**9), 10**9, places=2),
}


@st.composite
def parquet_tables(draw):
    """A Parquet file whose columns are of any type, sometimes of text that is no UTF-8, then spoilt."""
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    count = draw(st.integers(0, 3))
    names = ["path", "camera", *draw(st.lists(st.sampled_from(COLUMNS[2:]), max_size=3))]
    columns = []
    for at, name in enumerate(names):
        kind = draw(st.sampled_from(sorted(parquet_values)))
        if name == "path" and draw(st.booleans()):
            values = ["a.png", "b.jpg", "a.png"][:count]
        else:
            values = [draw(st.one_of(st.none(), parquet_values[kind])) for _ in range(count)]
        column = arrow.array(values)
        if kind == "bytes" and at % 2:
            column = arrow.StringArray.from_buffers(len(column), *column.cast(arrow.binary()).buffers()[1:])
        columns.append(column)
    content = io.BytesIO()
    parquet.write_table(arrow.Table.from_arrays(columns, names=names), content)
    return draw(spoilt(st.just(content.getvalue()))) if draw(st.booleans()) else content.getvalue()


@st.composite
def mark_tables(draw):
    """A table of marks, its cells and then its bytes spoilt."""
    good = ("2024-01-01T00:00:00", "0" * 64, "q.png", "1", "a.png", "hall", "right", "1", "0.5", "abc")
    rows = [[draw(st.one_of(st.just(cell), cells)) for cell in good] for _ in range(draw(st.integers(0, 2)))]
    text = "\n".join(",".join(row) for row in [MARK_COLUMNS, *rows])
    return draw(spoilt(st.just(text.encode(errors="replace"))))


READERS = {
    "csv": (load_csv, csv_tables()),
    "parquet": (load_parquet, parquet_tables()),
    "marks": (read_marks, mark_tables()),
    "video": (lambda path: read_table(path, known=""), csv_tables()),
}


def _check(answers, folder, name, content):
    file = folder / f"malformed.{name}"
    file.write_bytes(content)
    answers.ask(lambda: READERS[name][0](file), names=file.name)


@pytest.mark.parametrize("name", READERS)
@settings(CALM, max_examples=40)
@given(data=st.data())
def test_a_table_is_read_or_refused_by_name(answers, pictures, name, data):
    _check(answers, pictures, name, data.draw(READERS[name][1]))


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_many_tables_are_read_or_refused_by_name(told, pictures, name):
    @settings(CALM, max_examples=1500)
    @given(content=READERS[name][1])
    def check(content):
        _check(told, pictures, name, content)

    check()
    assert told.counts["sentences"] > 500


CSV_CASES = {
    "nul in a path": b"path,camera\na\x00.png,hall\n",
    "utf-16": "path,camera\na.png,hall\n".encode("utf-16"),
    "utf-16 without mark": "path,camera\na.png,hall\n".encode("utf-16-le"),
    "thousands of digits as a box": b"path,camera,left,top,width,height\na.png,h," + b"9" * 5000 + b",0,1,1\n",
    "a huge field": b"path,camera\na.png," + b"x" * 200_000,
    "an open quote": b'path,camera\n"a.png,hall\n',
    "a missing cell": b"path,camera\na.png\n",
    "a column twice": b"path,camera,camera\na.png,hall,hall\n",
    "nothing": b"",
    "column names alone": b"path,camera\n",
    "a pipe as a separator": b"path|camera\na.png|hall\n",
    "a path of a device": b"path,camera\n/dev/zero,hall\n",
    "a folder as a path": b"path,camera\n.,hall\n",
    "a long path": b"path,camera\n" + b"a" * 5000 + b",hall\n",
    "thousands of digits as a time": b"path,camera,time\na.png,hall," + b"9" * 5000 + b"\n",
    "an identity below -1": b"path,camera,identity\na.png,hall,-2\n",
}


@pytest.mark.parametrize("case", CSV_CASES)
def test_a_csv_file_that_cannot_be_meant_is_refused(answers, pictures, case):
    file = pictures / "case.csv"
    file.write_bytes(CSV_CASES[case])
    assert answers.ask(lambda: load_csv(file), names="case.csv")


@pytest.mark.parametrize("column", ["camera", "identity", "tracklet"])
def test_names_of_thousands_of_digits_are_names(pictures, column):
    file = pictures / "digits.csv"
    columns = {"camera": "hall", column: "9" * 5000}
    file.write_text(
        f"path,{','.join(columns)}\na.png,{','.join(columns.values())}\nb.jpg,{','.join(columns.values())}\n"
    )
    assert len(load_csv(file).train) == 2


@pytest.mark.parametrize("end", ["\r", "\r\n"])
def test_lines_may_end_in_a_carriage_return(pictures, end):
    file = pictures / "ends.csv"
    file.write_bytes(f"path,camera{end}a.png,hall{end}b.jpg,yard{end}".encode())
    assert load_csv(file).train.camera_names == ("hall", "yard")


def test_text_of_parquet_that_is_no_utf8_is_refused_by_name(answers, pictures):
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    file = pictures / "latin.parquet"
    paths = arrow.array(["a.png"])
    _, *buffers = arrow.array([b"M\xfcnchen"]).buffers()
    parquet.write_table(
        arrow.Table.from_arrays([paths, arrow.StringArray.from_buffers(1, *buffers)], names=["path", "camera"]), file
    )
    assert answers.ask(lambda: load_parquet(file), names=file).startswith("Cannot read")


def test_a_table_of_billions_of_rows_is_refused_before_it_is_read(answers, pictures):
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    file = pictures / "rows.parquet"
    count = 2**23 + 1
    same = arrow.DictionaryArray.from_arrays(arrow.repeat(arrow.scalar(0, arrow.int8()), count), arrow.array(["a.png"]))
    parquet.write_table(arrow.table({"path": same, "camera": same}), file)
    assert "8,388,609 rows, at most 8,388,608 are read" in answers.ask(lambda: load_parquet(file), names=file)
