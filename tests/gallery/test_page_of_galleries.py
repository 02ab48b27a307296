"""The program on docs/gallery.md runs."""

import re
import shutil
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "gallery.md").read_text()


def test_the_program_runs(folder_people, model, tmp_path, monkeypatch, capsys):
    (example,) = re.findall(r"```py\n(.*?)```", PAGE, flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(folder_people, "cameras")
    Path("cameras/hall").rename("cameras/lobby")
    shutil.copy(next((tmp_path / "cameras" / "door").iterdir()), "person.jpg")
    Path("runs/first").mkdir(parents=True)
    model.save("runs/first/model.safetensors")
    exec(compile(example, "gallery.md", "exec"), {})
    indexed, match = capsys.readouterr().out.splitlines()
    assert indexed == "IndexResult(num_new=54, num_changed=0, num_updated=0, num_known=0, failures=())"
    similarity, camera, path = match.split(maxsplit=2)
    assert (float(similarity) > 0.99, camera) == (True, "door")
    assert Path(path).parent == tmp_path / "cameras" / "door"
