"""The examples of examples/ for docs/extending.md: each whole, under what its first line says."""

from __future__ import annotations

import ast
from pathlib import Path

EXAMPLES = Path(__file__).parent.parent / "examples"
SHOWN = ("new_similarity.py", "new_loss.py", "new_method/method.py", "new_method/train.py", "train_from_python.py")


def examples() -> str:
    """Return a section for each example."""
    return "\n".join(_section(name) for name in SHOWN)


def _section(name: str) -> str:
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    module = ast.parse(text)
    title = (ast.get_docstring(module) or "").splitlines()[0]
    code = "".join(text.splitlines(keepends=True)[module.body[0].end_lineno :]).strip("\n")
    return f"### {name}\n\n{title}\n\n```py\n{code}\n```\n"
