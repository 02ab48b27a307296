"""`iics benchmark`: time what training and evaluation compute here. Each kind is a module, imported when asked for."""

from __future__ import annotations

import importlib

from iics.errors import SettingsError

KINDS = {
    "pseudo-labels": "the steps from features to pseudo-labels, on synthetic crops",
    "evaluation": "from features to mAP and CMC, on synthetic crops",
    "training": "loading, the steps of both stages and the extraction of features",
}


def main(arguments: list[str]) -> int:
    """Run the benchmark that the first of its names among the arguments asks for."""
    kind = next((argument for argument in arguments if argument in KINDS), None)
    if kind is None:
        if not {"-h", "--help", "--help-all"}.isdisjoint(arguments):
            print(_usage())
            return 0
        given = f"got {' '.join(arguments)}" if arguments else "got nothing"
        raise SettingsError(f"What shall be timed? iics benchmark needs one of {', '.join(KINDS)}, {given}.")
    rest = list(arguments)
    rest.remove(kind)
    module = importlib.import_module(f"iics.cli.benchmark_{kind.replace('-', '_')}")
    code: int = module.main(rest)
    return code


def _usage() -> str:
    kinds = "\n".join(f"  {name:<14} {text}" for name, text in KINDS.items())
    return (
        "usage: iics benchmark KIND ...\n\nTime what training and evaluation compute here.\n\n"
        f"kinds:\n{kinds}\n\nEach answers --help."
    )
