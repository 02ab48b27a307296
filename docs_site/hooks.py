"""Hooks of MkDocs: equations, and the files at the root that pages link to.

A page says `../CONTRIBUTING.md`, as a code host needs it; on the site that file is a page beside the others.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))  # MkDocs loads this file by its path, and does not know the folder around it

from docs_site.equations import math_block  # noqa: E402

PAGES = {"README.md": "readme_page.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
FILES = ("LICENSE", "CITATION.cff")


def on_config(config: MkDocsConfig) -> None:
    """Let a block ```math be an equation."""
    config.mdx_configs["pymdownx.superfences"] = {
        "custom_fences": [{"name": "math", "class": "equation", "format": math_block}]
    }


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add the files at the root."""
    for name, page in PAGES.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=re.sub(r"\]\((?!https?:|#)", "](../", text)))
    for name in FILES:
        files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Let links to files at the root, and from there into docs/, lead to their place on the site."""
    markdown = markdown.replace("](../docs/", "](")
    return re.sub(r"\]\(\.\./([^)#]+)", lambda link: f"]({PAGES.get(link[1], link[1])}", markdown)
