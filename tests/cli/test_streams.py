"""Commands in processes of their own, whose streams are cut off, closed, full, or show few letters."""

import os
import subprocess
import sys

import pytest

from iics.cli import COMMANDS, run
from iics.cli.streams import EXIT_CUT_OFF, exit_code

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}


def in_shell(line, *, cwd=None, **environment):
    """Run a line of bash in which $IICS is the command; return code, output and errors."""
    return subprocess.run(
        ["bash", "-c", line],
        env={**os.environ, "IICS": f"{sys.executable} -m iics", **environment},
        cwd=cwd,
        capture_output=True,
        text=True,
        errors="surrogateescape",
    )


@pytest.mark.parametrize("both", ["", "2>&1"])
def test_a_reader_that_leaves_ends_a_command_quietly(both):
    # `true` is gone before Python has started; what is written meets a pipe that nobody reads.
    finished = in_shell(f"( sleep 0.5; $IICS --help {both} ) | true; echo ${{PIPESTATUS[0]}}")
    assert (finished.stdout, finished.stderr) == (f"{EXIT_CUT_OFF}\n", "")


def test_help_of_every_command_is_cut_off_quietly(monkeypatch):
    reader, writer = os.pipe()
    os.close(reader)
    script = (
        "import sys\nfrom iics.cli import COMMANDS, run\nfrom iics.cli.streams import exit_code\n"
        "def each(_):\n    for name in COMMANDS:\n        try: run([name, '--help'])\n"
        "        except SystemExit: pass\n        try: sys.stdout.flush()\n"
        "        except BrokenPipeError: pass\n        else: sys.exit(f'{name} wrote nothing')\n"
        "    raise BrokenPipeError\nsys.exit(exit_code(each, []))"
    )
    finished = subprocess.run([sys.executable, "-c", script], stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (finished.returncode, finished.stderr) == (EXIT_CUT_OFF, "")
    assert len(COMMANDS) > 10


def test_a_table_that_nobody_reads_ends_with_the_same_code():
    script = (
        "import sys\nfrom rich.console import Console\nfrom iics.cli.streams import exit_code\n"
        "sys.exit(exit_code(lambda _: Console().print('a table') or 0, []))"
    )
    finished = in_shell(f'( sleep 0.5; {sys.executable} -c "{script}" ) | true; echo ${{PIPESTATUS[0]}}')
    assert (finished.stdout, finished.stderr) == (f"{EXIT_CUT_OFF}\n", "")


def test_a_broken_pipe_of_something_else_stays_a_fault():
    def command(_):
        raise BrokenPipeError("of a worker")

    with pytest.raises(BrokenPipeError, match="of a worker"):
        exit_code(command, [])


@pytest.mark.parametrize(
    ("redirection", "code"), [("--version >&-", 0), ("nonsense 2>&-", 2), ("--help <&- >&- 2>&-", 0)]
)
def test_closed_streams_change_no_exit_code(redirection, code):
    finished = in_shell(f"$IICS {redirection}")
    assert finished.returncode == code
    assert "Traceback" not in finished.stdout + finished.stderr


def test_a_file_that_is_opened_does_not_become_a_closed_stream(folder_people, tmp_path):
    line = f"$IICS check-data folder --data-dir {folder_people} --contact-sheet sheet.png >&- 2>&-"
    assert in_shell(line, cwd=tmp_path).returncode == 0
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")


def test_a_full_disk_is_told_in_a_sentence():
    finished = in_shell("$IICS --help > /dev/full")
    assert finished.returncode == 2
    assert finished.stderr == "iics: error: Cannot write the output: No space left on device.\n"


def test_an_ascii_terminal_gets_names_and_tables(folder_people, tmp_path):
    camera = tmp_path / "cameras" / "straße"
    camera.mkdir(parents=True)
    (tmp_path / "cameras" / "door").symlink_to(folder_people / "door")
    for file in (folder_people / "hall").iterdir():
        (camera / file.name).symlink_to(file)
    finished = in_shell("$IICS check-data folder --data-dir cameras", cwd=tmp_path, **ASCII)
    assert finished.returncode == 0
    assert "stra" in finished.stdout
    assert (finished.stdout + finished.stderr).isascii()
    assert "Traceback" not in finished.stderr
    finished = in_shell("$IICS forget --help; $IICS forget --no-such-flag", **ASCII)
    assert (finished.stdout + finished.stderr).isascii()
    assert "Traceback" not in finished.stderr


def test_bytes_that_are_no_letters_are_shown(capfd):
    finished = in_shell("$IICS $'caf\\xe9'")
    assert "unknown command 'caf\\udce9'" in finished.stderr
    finished = in_shell("$IICS embed $'caf\\xe9.safetensors' x --out f.npz")
    assert finished.returncode == 2
    assert "Traceback" not in finished.stderr


def test_a_home_folder_that_is_not_known_is_asked_for(capsys):
    assert run(["check-data", "folder", "--data-dir", "~no-such-user/cameras"]) == 2
    assert capsys.readouterr().err == (
        "iics: error: ~no-such-user/cameras begins with ~, and the home folder that it stands for is not known. Set "
        "HOME, or write the path in full.\n"
    )
