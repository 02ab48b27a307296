"""Flags of any value: each is understood, or refused in a sentence with exit code 2 that shows it without effect."""

import dataclasses
import io
import sys
import typing
from contextlib import redirect_stderr, redirect_stdout

import pytest

from iics.cli import run
from iics.config import Settings

VALUES = (
    *("", " ", "nan", "inf", "-inf", "-0", "1e400", "1e-400", "9" * 20, "9" * 5000, "-1", "0x10", "1_0", "1/2"),
    *(
        "\x1b[31m",
        "a\nb",
        "\u202e1",
        "\udcff",
        "[red]x",
        "$x^$",
        "None",
        "{}",
        "a" * 300,
        "~nobody-here/x",
        "/dev/zero",
    ),
)

OF_EACH = 4


def _flags(kind, prefix=""):
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        inner = hints[field.name]
        name = field.name.replace("_", "-")
        if dataclasses.is_dataclass(inner):
            yield from _flags(inner, "" if name == "model" else f"{prefix}{name}.")
        else:
            yield f"--{prefix}{name}"


def _run(*arguments):
    stdout, stderr = io.StringIO(), io.StringIO()
    with redirect_stdout(stdout), redirect_stderr(stderr):
        try:
            code = run(arguments)
        except SystemExit as stopped:
            code = stopped.code
    return code, stdout.getvalue() + stderr.getvalue()


def _check(arguments):
    """Run a command on a table that does not exist: whatever the flag's value, it ends with code 2."""
    code, text = _run(*arguments)
    assert code == 2, (arguments, code, text)
    assert "Traceback" not in text
    assert text.strip()
    assert not any(not each.isprintable() for line in text.split("\n") for each in line), repr(text)


TRAIN = ("train", "csv", "--data-dir", "nowhere/crops.csv")
OTHERS = {
    "--data-dir": ("check-data", "csv"),
    "--pattern": ("check-data", "pattern", "--data-dir", "nowhere"),
    "--contact-sheet": ("check-data", "csv", "--data-dir", "nowhere/crops.csv"),
    "--batch-size": ("embed", "nowhere/model", "nowhere/a.png", "--out", "f.npz"),
    "--device": ("embed", "nowhere/model", "nowhere/a.png", "--out", "f.npz"),
    "--out": ("embed", "nowhere/model", "nowhere/a.png"),
    "--min-height": ("crop", "nowhere.mp4", "--camera", "a", "--out", "nowhere/out"),
    "--camera": ("crop", "nowhere.mp4", "--out", "nowhere/out"),
    "--start": ("crop", "nowhere.mp4", "--camera", "a", "--out", "nowhere/out"),
    "--weights": ("evaluate", "csv", "--data-dir", "nowhere/crops.csv"),
    "--every": ("watch", "nowhere", "--gallery", "g.db", "--model", "nowhere/model"),
}


@pytest.mark.parametrize("value", VALUES, ids=lambda value: ascii(value)[:12])
def test_a_number_of_any_text_is_refused(value):
    for flag in ("--rounds", "--stage2.mu", "--seed", "--device", "--stages"):
        _check([*TRAIN, f"{flag}={value}"])


@pytest.mark.parametrize("flag", OTHERS)
def test_flags_of_other_commands_are_refused(flag, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for value in ("\x1b[31m", "9" * 5000, "a\nb", "", "a" * 300, "\u202e\udcff"):
        _check([*OTHERS[flag], f"{flag}={value}"])


@pytest.mark.slow
def test_every_flag_of_training_is_refused_for_such_texts(capsys):
    flags = list(_flags(Settings))
    for at, flag in enumerate(flags):
        for nth in range(OF_EACH):  # other texts for each flag: all of them for every flag take minutes
            _check([*TRAIN, f"{flag}={VALUES[(at * OF_EACH + nth) % len(VALUES)]}"])
    with capsys.disabled():
        sys.stdout.write(f"\nflags: {len(flags) * OF_EACH} inputs, as many sentences, 0 tracebacks, 0 hangs\n")
