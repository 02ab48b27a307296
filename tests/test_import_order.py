"""Data moves one way, and so do imports: a module imports from its own step or an earlier one."""

import ast
import graphlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import iics

PACKAGE = Path(iics.__file__).parent
# What every step may use: it imports nothing of the package but itself.
GROUND = {
    "errors",
    "home_folder",
    "arrays",
    "atomic",
    "computing_settings",
    "config",
    "csv_text",
    "device",
    "kernels",
    "measure",
    "memory",
    "model_settings",
    "natural_order",
    "plausible_times",
    "presets",
    "ranges",
    "regular_file",
    "shown_name",
    "shown_picture",
    "subjects",
    "privacy",
    "video_frames",
    "video_pictures",
    "settings_json",
    "tracklet_settings",
    "zip_member",
}
STEPS = [
    {"crops"},
    {"data_splits"},
    {"file_keys", "pictures"},
    {"readers"},
    {"pixels"},
    {"data_check"},
    {"similarity"},
    {"clustering"},
    {"labelling"},
    {"layers"},
    {"models"},
    {"video"},
    {"training"},
    {"methods"},
    {"evaluation"},
    {"speed"},
    {"runs"},
    {"reports"},
    {"progress_display"},
    {"measuring"},
    {"judged_run"},
    {"given_to_train"},
    {"trained_run"},
    {"trained_seeds"},
    {"gallery"},
    {"people"},
    {"page"},
    {"export"},
    {"paper"},
    {"cli"},
]
# The lazy surface of the package and the command `python -m iics`.
SURFACE = {"iics", "iics.__main__"}
APART = {("training", "evaluation"), ("evaluation", "training")}


def module_name(file):
    parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(file): file for file in sorted(PACKAGE.rglob("*.py"))}


def step_of(module):
    part = module.split(".")[1]
    return -1 if part in GROUND else next(at for at, parts in enumerate(STEPS) if part in parts)


def imported_by(module):
    """Return the modules of ours that a module imports anywhere: at the top, in functions, for type checking."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively, line {node.lineno}"
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return {name for name in found if name in MODULES} - SURFACE


INNER_MODULES = [module for module in MODULES if module not in SURFACE]


def test_every_module_belongs_to_one_step():
    parts = [*GROUND, *(part for step in STEPS for part in step)]
    assert len(parts) == len(set(parts))
    assert {module.split(".")[1] for module in INNER_MODULES} <= set(parts)


@pytest.mark.parametrize("module", INNER_MODULES)
def test_module_imports_only_from_earlier_steps(module):
    later = {name for name in imported_by(module) if step_of(name) > step_of(module)}
    assert not later, f"{module} imports from a later step: {', '.join(sorted(later))}"


@pytest.mark.parametrize("module", INNER_MODULES)
def test_training_and_evaluation_do_not_know_each_other(module):
    pairs = {(module.split(".")[1], name.split(".")[1]) for name in imported_by(module)}
    assert not pairs & APART


def test_no_two_modules_import_each_other():
    order = graphlib.TopologicalSorter({module: imported_by(module) - {module} for module in INNER_MODULES})
    assert len(list(order.static_order())) == len(INNER_MODULES)


def test_reports_read_records_and_import_nothing_that_trains():
    reached = {module for module in INNER_MODULES if module.split(".")[1] == "reports"}
    while new := {name for module in reached for name in imported_by(module)} - reached:
        reached |= new
    assert not {name for name in reached if name.split(".")[1] in ("training", "methods")}
    assert "iics.runs.record" in reached


def test_the_way_from_raw_features_to_pseudo_labels_is_six_files_each_further_down():
    page = (PACKAGE.parent.parent / "docs" / "method.md").read_text()
    text = page.partition("**From raw features to pseudo-labels**")[2].partition("Similarities, distances")[0]
    rows = re.findall(r"^\d\. `([^`]+)\.py`, `(\w+)`", text, flags=re.MULTILINE)
    way = [f"iics.{path.replace('/', '.')}" for path, _ in rows]
    assert 2 <= len(way) <= 6
    assert way[0] == "iics.methods.iics.stage2"
    assert [step_of(module) for module in way] == sorted(map(step_of, way), reverse=True)
    known = set()
    for module, (_, name) in zip(way, rows, strict=True):
        assert not known or module in known, f"no file before {module} names it, by itself or in a dictionary by name"
        assert re.search(rf"^(def|class) {name}\b", MODULES[module].read_text(), flags=re.MULTILINE)
        named = imported_by(module)
        known |= named.union(*(imported_by(other) for other in named if other.endswith(".by_name")))


def test_the_scan_sees_imports():
    assert "iics.methods.by_name" in imported_by("iics.runs.run")
    assert "iics.evaluation.ranked_features" in imported_by("iics.evaluation.ranked_results")
    assert "iics.evaluation.ranked_results" in imported_by("iics.cli.evaluate")  # for type checking, or in a function


def test_importing_the_package_imports_nothing_heavy():
    heavy = ("torch", "numpy", "timm", "sklearn", "scipy", "numba", "PIL", "rich", "tyro")
    script = f"import sys, iics; print([name for name in {heavy} if name in sys.modules])"
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert finished.stdout == "[]\n"


@pytest.mark.parametrize("name", iics.__all__)
def test_public_name_resolves(name):
    assert getattr(iics, name) is not None
    assert name in dir(iics)


def test_name_that_does_not_exist_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'iics' has no attribute 'trian'"):
        iics.trian  # noqa: B018
