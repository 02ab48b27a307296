"""A GPU in six minutes: its tests against the CPU, crops a second of each phase, labels, and a run on the sample.

Run: python -m benchmarks.gpu   (in the folder of the sources; `make gpu` does so, too; --help tells all)

Needs torch, torchvision, timm, numpy, scipy, scikit-learn, numba, Pillow, safetensors, huggingface_hub and filelock, no
network and no installation of this package. docs/performance.md says what to bring along: pytest for the tests, the
ImageNet weights of efficientnet_lite0 for a run that means something. Tables go to standard output as Markdown, and
everything, after each part, into a JSON file.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.from_source import ROOT, use_sources

PARTS = ("tests", "phases", "labels", "run")


def main(arguments: list[str] | None = None) -> int:
    started = time.monotonic()
    asked = parser().parse_args(arguments)
    environment = use_sources()
    from benchmarks import gpu_parts

    device = gpu_parts.chosen_device(asked.device)
    parts: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "tests": lambda: run_tests(str(device), environment, is_quick=asked.quick),
        "phases": lambda: gpu_parts.phases(device, gpu_parts.QUICK if asked.quick else gpu_parts.WHOLE),
        "labels": lambda: gpu_parts.labels(device, gpu_parts.QUICK if asked.quick else gpu_parts.WHOLE),
        "run": lambda: gpu_parts.sample_run(
            device,
            gpu_parts.QUICK if asked.quick else gpu_parts.WHOLE,
            weights=asked.weights,
            ends_at=started + 60 * asked.minutes,
        ),
    }
    results: dict[str, Any] = {"machine": gpu_parts.machine(device), "quick": asked.quick, "parts": {}}
    print(f"<!-- {results['machine']} -->", flush=True)
    for part in PARTS:
        if part in asked.only:
            start = time.monotonic()
            rows = parts[part]()
            results["parts"][part] = {"seconds": round(time.monotonic() - start, 1), "rows": rows}
            print_rows(f"{part}, {time.monotonic() - start:.0f} s in all", rows)
            write(asked.out, results)
    print(f"\n{time.monotonic() - started:.0f} s; numbers in {asked.out}", flush=True)
    return int(any(row.get("failed") for row in results["parts"].get("tests", {"rows": ()})["rows"]))


def parser() -> argparse.ArgumentParser:
    asks = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asks.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="what to do")
    asks.add_argument("--device", default="auto", help="cuda, cuda:1, cpu; auto takes a GPU if there is one")
    asks.add_argument("--quick", action="store_true", help="all of it, so small that a processor does it in minutes")
    asks.add_argument(
        "--weights",
        default="auto",
        help="what the run on the sample starts from: imagenet, random, a file; auto: imagenet if its package is here",
    )
    asks.add_argument(
        "--minutes", type=float, default=5.5, help="the run on the sample ends with the round that began before"
    )
    asks.add_argument("--out", type=Path, default=Path("build/gpu.json"), help="where the numbers go")
    return asks


def run_tests(device: str, environment: Mapping[str, str], *, is_quick: bool) -> list[dict[str, Any]]:
    """Return how the tests marked `gpu` end on a device."""
    if importlib.util.find_spec("pytest") is None:
        return [{"tests": "not run: pytest is not here"}]
    which = "gpu and not slow" if is_quick else "gpu and (slow or not slow)"
    command = [sys.executable, "-m", "pytest", "tests/gpu", "-m", which, "-p", "no:cacheprovider", "-rf", "--tb=short"]
    told = {**environment, "IICS_TEST_DEVICE": device}
    done = subprocess.run(command, cwd=ROOT, env=told, capture_output=True, text=True)
    print(done.stdout[-6000:], done.stderr[-2000:], file=sys.stderr, flush=True)
    summary = done.stdout.strip().splitlines()[-1:] or ["nothing was printed"]
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return [{"tests": summary[0], "exit code": done.returncode, "failed": "; ".join(failed) or done.returncode != 0}]


def print_rows(title: str, rows: list[dict[str, Any]]) -> None:
    """Print rows as a table in Markdown; a column that some row lacks shows a dash there."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    print(f"\n{title}\n\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for row in rows:
        print(f"| {' | '.join(str(row.get(name, '-')) for name in columns)} |", flush=True)


def write(file: Path, results: Mapping[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f"{file.name}.{os.getpid()}")
    temporary.write_text(json.dumps(results, indent=2, default=str))
    temporary.replace(file)


if __name__ == "__main__":
    sys.exit(main())
