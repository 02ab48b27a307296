"""Compares two records, to the last bit: `python -m tests.golden.compare BEFORE.json AFTER.json [--only CASE ...]`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_SHOWN = 160


def differences(before: Any, after: Any, place: str = "") -> Iterator[str]:
    """Return a line for each place where two values of JSON differ.

    Numbers are equal only if they are written alike: 1 is not 1.0 and no tolerance is given; NaN is NaN.
    """
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            where = f"{place} > {key}" if place else str(key)
            if key not in after:
                yield f"{where}: only before: {_shown(before[key])}"
            elif key not in before:
                yield f"{where}: only after: {_shown(after[key])}"
            else:
                yield from differences(before[key], after[key], where)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from differences(one, other, f"{place}[{index}]")
    elif json.dumps(before) != json.dumps(after):
        yield f"{place}: {_shown(before)} -> {_shown(after)}"


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text)} characters)"


def failed(record: dict[str, Any]) -> list[str]:
    """Return the cases of a record that say nothing, because a command failed."""
    return [name for name, facts in record["cases"].items() if isinstance(facts, dict) and "failed" in facts]


def main() -> int:
    """Print the differences; 1 if there are any, or a case failed in both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--only", nargs="+", metavar="CASE", help="compare only these")
    chosen = parser.parse_args()
    before, after = (json.loads(file.read_text()) for file in (chosen.before, chosen.after))
    for line in differences(before["machine"], after["machine"], "machine"):
        print(f"Warning: not recorded alike: {line}", file=sys.stderr)  # noqa: T201
    if chosen.only:
        for record in (before, after):
            record["cases"] = {name: record["cases"][name] for name in chosen.only}
    lines = [f"{name}: failed when it was recorded" for name in sorted({*failed(before), *failed(after)})]
    lines += differences(before["cases"], after["cases"])
    for line in lines:
        print(line)  # noqa: T201
    print(f"{len(lines)} differences in {len(before['cases'].keys() | after['cases'].keys())} cases.", file=sys.stderr)  # noqa: T201
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
