"""Nothing reports about who uses the package: the switches, the Python interface, and that the counting counts."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from iics.privacy import REPORTING_OFF

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/privacy.md").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
REQUIREMENTS = {
    re.match(r"[\w-]+", requirement)[0]
    for part in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    for requirement in part
}


def variables_after_import(**environment):
    """Return the variables of a process that has imported the package."""
    others = {name: value for name, value in os.environ.items() if name not in REPORTING_OFF}
    script = f"import iics, os; print([os.environ.get(name) for name in {list(REPORTING_OFF)}])"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env={**others, **environment}, capture_output=True, text=True, check=True)
    return dict(zip(REPORTING_OFF, eval(done.stdout), strict=True))


def test_importing_the_package_switches_reporting_off():
    assert variables_after_import() == REPORTING_OFF


def test_a_variable_that_is_set_is_kept_whatever_its_value():
    values = ["0", "", "True", "false", "true"]
    chosen = dict(zip(REPORTING_OFF, values, strict=True))
    assert variables_after_import(**chosen) == chosen


def test_pages_of_gradio_report_nothing(watched_process, tmp_path):
    pytest.importorskip("gradio")
    script = (
        "import iics, gradio, huggingface_hub\n"
        "assert not gradio.Blocks().analytics_enabled\n"
        "assert huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY\n"
    )
    done = watched_process.watch(["-c", script], tmp_path)
    assert (done.code, done.lookups, done.connections, done.left_at_home) == (0, [], [], set()), done.stderr


def test_look_ups_and_connections_are_counted_and_refused(watched_process, tmp_path):
    script = (
        "import contextlib, pathlib, socket\n"
        "with contextlib.suppress(PermissionError):\n"
        "    socket.getaddrinfo('collector.invalid', 443)\n"
        "with contextlib.suppress(PermissionError):\n"
        "    socket.create_connection(('192.0.2.1', 443))\n"
        "socket.getaddrinfo('localhost', 80)\n"
        "(pathlib.Path.home() / 'device').write_text('1234')\n"
    )
    done = watched_process.watch(["-c", script], tmp_path)
    assert done.code == 0, done.stderr
    assert done.lookups == ["collector.invalid", "192.0.2.1"]  # the second by create_connection
    assert done.left_at_home == {"device"}


def test_look_ups_of_compiled_code_are_counted(watched_process, tmp_path):
    if not watched_process.sees_compiled_libraries():
        pytest.skip("strace is not installed or may not trace here")
    script = (
        "from ctypes import CDLL, byref, c_void_p\n"
        "CDLL(None).getaddrinfo(b'collector.invalid', b'443', None, byref(c_void_p()))\n"
    )
    done = watched_process.watch(["-c", script], tmp_path)
    assert done.code == 0, done.stderr
    assert done.lookups
    assert all(lookup.startswith("name server ") for lookup in done.lookups)


def test_onnxruntime_left_alone_is_noticed(watched_process, tmp_path):
    """What is switched off is still there: where it has gone, so should its switch."""
    pytest.importorskip("onnxruntime")
    done = watched_process.watch(["-c", "import onnxruntime"], tmp_path, ORT_DISABLE_TELEMETRY="0")
    assert any("onnxruntime" in name for name in done.left_at_home)


@pytest.mark.parametrize("name", sorted(REQUIREMENTS - {"iics"}))
def test_the_page_says_what_a_dependency_sends(name):
    assert re.search(rf"^\|[^|]*\b{re.escape(name)}\b[^|]*\|", PAGE, flags=re.MULTILINE)


@pytest.mark.parametrize("variable", REPORTING_OFF)
def test_the_page_names_a_variable_with_its_value(variable):
    assert f"`{variable}={REPORTING_OFF[variable]}`" in PAGE


def test_programs_of_the_pages_that_use_onnxruntime_switch_its_reporting_off_first():
    pages = [file.read_text() for file in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]]
    blocks = [block for page in pages for block in re.findall(r"```py(?:thon)?\n(.*?)```", page, flags=re.DOTALL)]
    using = [block for block in blocks if "import onnxruntime" in block]
    assert using
    for block in using:
        assert (
            0 <= block.find('os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")') < block.index("import onnxruntime")
        )
