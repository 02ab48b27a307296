#!/usr/bin/env bash
# rich knows that it runs in a notebook (Console().is_jupyter), and its README shows output there. So one would expect a
# progress bar in a cell, or at worst plain lines. rich 15.0.0 shows a live display in a kernel only through ipywidgets,
# which it does not ask for when it is installed. Without it a Progress in a cell shows no bar and no number at any time. Each
# refresh warns instead: once here, and at nearly every refresh in a longer program that was seen. Nothing is raised, so whoever
# filters warnings sees an empty cell until the work is done.
# On a terminal, or with standard error in a file, the same lines show a bar or one line at the end.
# Way out: update a display of IPython (display(..., display_id=True)) yourself, which needs no widgets.
#
# Seen with rich 15.0.0, ipykernel 7.4.0, nbclient 0.11.0, Python 3.11, no ipywidgets:
#   warnings: 1, bars or counts of steps: 0, outputs: 2
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv v
v/bin/pip install -q rich==15.0.0 ipykernel==7.4.0 nbclient==0.11.0
cat > cell.py <<'PY'
import nbclient
import nbformat

CELL = """
import time
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn

assert Console().is_jupyter
with Progress(TextColumn("{task.description}"), MofNCompleteColumn(), auto_refresh=False) as bars:
    task = bars.add_task("counting", total=5)
    for _ in range(5):
        bars.update(task, advance=1)
        bars.refresh()
"""
notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)])
nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
shown = [str(output) for output in notebook.cells[0].outputs]
warned = sum('install "ipywidgets" for Jupyter' in " ".join(text.split()).replace("\\n", "") for text in shown)
counted = sum("counting" in text or "/5" in text for text in shown)
print(f"warnings: {warned}, bars or counts of steps: {counted}, outputs: {len(shown)}")
raise SystemExit(not (warned >= 1 and counted == 0))
PY
v/bin/python cell.py
