"""Progress in a real notebook: a kernel runs a cell, and what it shows is read."""

import nbclient
import nbformat
import pytest

CELL = """
import torch
torch.set_num_threads(1)
import iics
from iics.config import ClusterSettings, DistanceSettings, ModelSettings, Settings, Stage1Settings, Stage2Settings

model = ModelSettings(backbone="test_efficientnet", weights="none", height=64, width=32)
clusters = ClusterSettings(number=6)
stage1 = Stage1Settings(epochs=1, crops_per_camera=4, clusters=clusters)
stage2 = Stage2Settings(epochs=1, clusters_per_batch=4, crops_per_cluster=4, clusters=clusters)
distance = DistanceSettings(kind="cosine")
settings = Settings(model=model, distance=distance, stage1=stage1, stage2=stage2, rounds=1, device="cpu")
iics.train(iics.load_folder(FOLDER).train, settings=settings, out="run", progress=True);
"""


@pytest.mark.slow
def test_one_line_below_the_cell_tells_of_the_last_step(folder_people, tmp_path):
    cell = nbformat.v4.new_code_cell(CELL.replace("FOLDER", repr(str(folder_people))))
    notebook = nbformat.v4.new_notebook(cells=[cell])
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [str(output.get("data", {}).get("text/plain", output)) for output in notebook.cells[0].outputs]
    (line,) = [text for text in shown if text.startswith("round")]
    assert line.startswith("round 1/1  ")
    assert "images/s" in line
    assert not any("for Jupyter" in text for text in shown)  # rich's own display, without the widgets it needs
    assert (tmp_path / "run" / "report.html").is_file()
