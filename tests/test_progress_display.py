import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from itertools import pairwise

import pytest
import torch

from iics.progress_display import Pace, PlainLines, count_display, format_seconds, training_display
from iics.training.progress import ProgressEvent

COLUMNS = 200


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock():
    return Clock()


def step(done, total=100, *, phase="stage 1: train", round_number=1, num_rounds=4, num_images=32, loss=None):
    stage, _, work = phase.rpartition(": ")
    return ProgressEvent(
        round_number=round_number,
        num_rounds=num_rounds,
        stage=stage,
        work=work,
        done=done,
        total=total,
        num_images=num_images,
        loss=loss,
    )


def test_speed_is_unknown_after_one_step(clock):
    pace = Pace(clock)
    pace.add(step(1))
    assert pace.speed() == ""


def test_speed_counts_the_images_since_the_first_step_of_the_phase(clock):
    pace = Pace(clock)
    clock.now += 60  # clustering, before the phase
    for done in (1, 2, 3):
        pace.add(step(done))
        clock.now += 2
    assert pace.speed() == "16 images/s"  # two steps of 32 images in 4 seconds


def test_speed_starts_again_with_a_phase_and_with_a_round(clock):
    pace = Pace(clock)
    for event in (step(1), step(2), step(1, phase="stage 2: train")):
        pace.add(event)
        clock.now += 1
    assert pace.speed() == ""
    pace.add(step(1, phase="stage 2: train", round_number=2))
    assert pace.speed() == ""


def test_time_left_is_unknown_in_the_first_round(clock):
    pace = Pace(clock)
    pace.add(step(1))
    clock.now += 100
    pace.add(step(100))
    assert pace.time_left(step(100)) == ""


def test_time_left_is_that_of_the_rounds_to_come_less_what_this_one_took(clock):
    pace = Pace(clock)
    pace.add(step(1))
    clock.now += 100
    pace.add(step(1, round_number=2))
    clock.now += 30
    later = step(2, round_number=2)
    pace.add(later)
    assert pace.time_left(later) == "4 min 30 s left"  # 3 rounds of 100 s, 30 s done


def test_time_left_is_never_negative(clock):
    pace = Pace(clock)
    pace.add(step(1, num_rounds=2))
    clock.now += 10
    pace.add(step(1, round_number=2, num_rounds=2))
    clock.now += 25
    late = step(2, round_number=2, num_rounds=2)
    pace.add(late)
    assert pace.time_left(late) == "0 s left"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (200, "3 min 20 s"),
        (3599.6, "1 h 0 min"),
        (7530, "2 h 5 min"),
    ],
)
def test_durations_read_as_people_write_them(seconds, text):
    assert format_seconds(seconds) == text


def lines_of(events, clock, seconds_each):
    stream = io.StringIO()
    lines = PlainLines(stream, Pace(clock), clock)
    for event in events:
        lines.show(event)
        clock.now += seconds_each
    return stream.getvalue().splitlines()


def test_quick_phase_is_one_line_at_its_end(clock):
    assert lines_of([step(done, 4, loss=1.5) for done in (1, 2, 3, 4)], clock, 1.0) == [
        "round 1/4  stage 1: train  4/4  loss 1.500  32 images/s"
    ]


def test_phase_of_one_batch_is_a_line(clock):
    assert lines_of([step(54, 54, phase="stage 1: features")], clock, 1.0) == ["round 1/4  stage 1: features  54/54"]


def test_phase_of_one_unit_is_a_line_once_it_has_begun_and_ended(clock):
    events = [step(0, 1, phase="stage 2: cluster", num_images=0), step(1, 1, phase="stage 2: cluster", num_images=0)]
    assert lines_of(events, clock, 5.0) == ["round 1/4  stage 2: cluster  1/1"]


def test_long_phase_is_a_line_every_half_minute_at_most(clock):
    lines = lines_of([step(done) for done in range(1, 101)], clock, 7.0)
    done = [int(re.search(r"(\d+)/100", line)[1]) for line in lines]
    assert done[-1] == 100
    gaps = [(after - before) * 7 for before, after in pairwise(done)]
    assert set(gaps[:-1]) == {35}  # the first step of 7 s after 30 s
    assert gaps[-1] <= 35  # the end is a line in any case


def test_round_0_reads_as_before_training(clock):
    event = step(27, 27, phase="evaluate", round_number=0)
    assert lines_of([event], clock, 1.0) == ["before training  evaluate  27/27"]


def test_stream_that_is_no_terminal_gets_plain_lines():
    stream = io.StringIO()
    with training_display(stream) as show:
        show(step(5, 5))
    assert stream.getvalue() == "round 1/4  stage 1: train  5/5\n"


def test_counting_is_silent_where_there_is_no_terminal():
    stream = io.StringIO()
    with count_display("features", 10, stream) as count:
        count(10)
    assert stream.getvalue() == ""


def test_standard_error_is_looked_up_when_the_display_starts(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    with training_display() as show:
        show(step(5, 5))
    assert stream.getvalue() != ""


def test_widest_live_line_fits_a_terminal_of_80_columns(clock, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("iics.progress_display.Pace", lambda: Pace(clock))
    stream = Terminal()
    with training_display(stream) as show:
        for round_number in (12, 13):
            for done, num_images, seconds in ((1, 128, 10), (32621, 12340, 1390)):
                event = step(
                    done,
                    32621,
                    phase="stage 1: features",
                    round_number=round_number,
                    num_rounds=40,
                    num_images=num_images,
                )
                show(event)
                clock.now += seconds
    last = re.split("[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", stream.getvalue()))[-2]
    assert re.fullmatch(r"round 13/40  stage 1: features +━+ 32621/32621 1234 images/s 10 h 53 min left *", last), last
    assert len(last) <= 80


def test_live_line_of_a_training_phase_shows_the_latest_loss_in_80_columns(clock, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("iics.progress_display.Pace", lambda: Pace(clock))
    stream = Terminal()
    with training_display(stream) as show:
        for round_number in (12, 13):
            for done, num_images, loss, seconds in ((1, 128, 99.99, 10), (2444, 12340, 38.666, 1390)):
                show(step(done, 2444, round_number=round_number, num_rounds=40, num_images=num_images, loss=loss))
                clock.now += seconds
    last = re.split("[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", stream.getvalue()))[-2]
    assert re.fullmatch(r"round 13/40  stage 1: loss 38\.67 +━+ 2444/2444 1234 images/s 10 h 53 min left *", last), last
    assert len(last) <= 80


def run_in_terminal(*arguments):
    """Run `iics` with standard error on a pseudo-terminal; return exit code, output and what was sent there."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "iics", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
        env={**os.environ, "TERM": "xterm", "OMP_NUM_THREADS": "1"},
    )
    os.close(theirs)
    sent = b""
    while True:
        try:
            block = os.read(ours, 65536)
        except OSError:  # Linux says so when the other end is closed
            break
        if not block:
            break
        sent += block
    os.close(ours)
    stdout, _ = process.communicate()
    return process.returncode, stdout, sent.decode()


def screen_after(sent):
    """Return the lines that a terminal shows in the end."""
    lines, row, column = [""], 0, 0
    for piece in re.findall(r"\x1b\[[0-9;?]*[a-zA-Z]|\r|\n|[^\x1b\r\n]+", sent):
        if piece == "\r":
            column = 0
        elif piece == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif piece.startswith("\x1b["):
            if piece.endswith("A"):
                row -= int(piece[2:-1])
            elif piece == "\x1b[2K":
                lines[row] = ""
            else:
                assert piece[-1] in "mhl", f"unknown control sequence {piece!r}"
        else:
            lines[row] = lines[row].ljust(column)[:column] + piece + lines[row][column + len(piece) :]
            column += len(piece)
    return [line.rstrip() for line in lines if line.strip()]


def test_what_is_told_beside_a_live_line_stays_whole_and_the_cursor_comes_back(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    with training_display() as show:
        show(step(1, loss=2.5))
        sys.stderr.write("WARNING: Camera 9 has 1 crop(s).\n")
        show(step(2, loss=2.25))
    sent = stream.getvalue()
    assert "round 1/4  stage 1: loss 2.25" in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", sent)
    assert screen_after(sent) == ["WARNING: Camera 9 has 1 crop(s)."]
    assert sent.rindex("\x1b[?25h") > sent.rindex("\x1b[?25l")


@pytest.mark.slow
def test_terminal_shows_a_live_line_and_leaves_whole_lines_behind(market_people, tiny_flags, tmp_path):
    crop = tmp_path / "market" / "bounding_box_train" / "0001_c9s1_000001_00.png"
    for split in ("bounding_box_train", "query", "bounding_box_test"):
        (tmp_path / "market" / split).mkdir(parents=True)
        for file in (market_people / split).iterdir():
            (tmp_path / "market" / split / file.name).symlink_to(file)
    crop.symlink_to(next((market_people / "bounding_box_train").iterdir()))
    out = tmp_path / "run"
    code, stdout, sent = run_in_terminal(
        "train",
        "market-layout",
        "--data-dir",
        tmp_path / "market",
        "--out",
        out,
        *tiny_flags.but("--rounds=1", "--backbone=efficientnet_lite0"),  # the smallest is done before a line is drawn
        "--evaluate=never",
        "--engine.precision=float32",
    )
    assert code == 0, sent
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", sent)
    assert re.search(r"round 1/1  stage 1: loss \d+\.\d\d +━+ +\d+/\d+ \d+ images/s", plain)
    assert re.search(r"round 1/1  stage 2: loss \d+\.\d\d ", plain)
    threads = "1 thread" if torch.get_num_threads() == 1 else f"{torch.get_num_threads()} threads"
    assert screen_after(sent) == [
        "55 crops of 4 cameras (market-layout train); efficientnet_lite0 at 64x32, 1 round, one process; "
        f"run folder {out}",
        f"INFO: Computing on cpu, float32, channels_last, not compiled, {threads}.",
        "WARNING: Camera 9 has 1 crop(s); stage 1 needs at least 2, so it sits out.",
        "INFO: Looking at 55 crops for the report, by the trained model and by the one",
        "before training.",
    ]
    assert sent.rindex("\x1b[?25h") > sent.rindex("\x1b[?25l")  # the cursor is back
    assert "\x1b" not in stdout
