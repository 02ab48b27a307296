"""Records what must not change: `python -m tests.golden.record OUT.json [--iics PROGRAM] [--only CASE ...] [--jobs N]`.

OUT.json is written anew after every case; with `--go-on` the cases that it has are kept. Compare two of them with
`python -m tests.golden.compare`.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from tests.golden.cases import CASES
from tests.golden.commands import CommandError, Commands
from tests.golden.small_data import make_small_data

_VERSIONS = (
    "import importlib.metadata as m, json;"
    "print(json.dumps({n: m.version(n) for n in ('torch', 'timm', 'numpy', 'scikit-learn', 'onnx', 'onnxruntime')}))"
)


def main() -> int:
    """Record cases; 1 if one failed."""
    chosen = _arguments()
    out = chosen.out.absolute()
    out.parent.mkdir(parents=True, exist_ok=True)
    work = (chosen.keep or Path(tempfile.mkdtemp(prefix="golden-"))).absolute()
    work.mkdir(parents=True, exist_ok=True)
    commands = Commands(work.resolve(), chosen.iics.absolute())
    try:
        make_small_data(commands.work, commands.python)
        num_failed = _record(commands, chosen.only or list(CASES), out, jobs=chosen.jobs, go_on=chosen.go_on)
    finally:
        if not chosen.keep:
            shutil.rmtree(work)
    return 1 if num_failed else 0


def _record(commands: Commands, names: list[str], out: Path, *, jobs: int, go_on: bool) -> int:
    """Record cases, so many at once, and return how many failed."""
    versions = subprocess.run([commands.python, "-c", _VERSIONS], check=True, capture_output=True, text=True)
    record: dict[str, Any] = {"machine": {"processor": _processor(), **json.loads(versions.stdout)}, "cases": {}}
    if go_on and out.exists():
        known = json.loads(out.read_text())["cases"]
        record["cases"] = {name: facts for name, facts in known.items() if "failed" not in facts}
    names = [name for name in names if name not in record["cases"]]
    num_failed = 0
    with ThreadPoolExecutor(jobs) as pool:
        started = {pool.submit(_facts, name, commands): name for name in names}
        for number, done in enumerate(as_completed(started), start=1):
            facts, said = done.result()
            record["cases"][started[done]] = facts
            num_failed += "failed" in facts
            part = out.with_name(out.name + ".part")
            part.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
            part.replace(out)
            print(f"{number}/{len(names)} {started[done]}: {said}", file=sys.stderr, flush=True)  # noqa: T201
    return num_failed


def _facts(name: str, commands: Commands) -> tuple[Any, str]:
    """Return what a case says, and for the user what became of it."""
    start = time.monotonic()
    try:
        facts, said = CASES[name](commands), "recorded"
    except (CommandError, OSError, ValueError, subprocess.TimeoutExpired) as error:
        facts, said = {"failed": type(error).__name__}, f"FAILED: {error}"
    return facts, f"{said}, {time.monotonic() - start:.0f} s"


def _processor() -> str:
    """Return the processor's name: other ones may round otherwise."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, metavar="OUT.json")
    parser.add_argument("--iics", type=Path, default=Path(sys.executable).with_name("iics"), help="program to record")
    parser.add_argument("--only", nargs="+", choices=list(CASES), metavar="CASE", help="of " + ", ".join(CASES))
    parser.add_argument("--jobs", type=int, default=1, help="cases at once; each has one thread (default: 1)")
    parser.add_argument("--go-on", action="store_true", help="keep the cases that OUT.json has, record the others")
    parser.add_argument("--keep", type=Path, help="work folder to keep; by default a temporary one")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
