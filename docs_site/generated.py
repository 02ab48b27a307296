"""The parts of pages that are made from the code, and where in a page they stand.

They are kept in the pages, not made when the site is built: so a code host shows them too, and a change of a default is
seen in review. A test compares them with the code; `make docs-pages` writes them anew.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from docs_site.command_tables import command_tables
from docs_site.examples import examples
from docs_site.python_names import public_names
from docs_site.settings_tables import settings_tables

PAGES = Path(__file__).parent.parent / "docs"
PARTS: dict[str, Callable[[], str]] = {
    "settings.md": settings_tables,
    "commands.md": command_tables,
    "python.md": public_names,
    "extending.md": examples,
}
BEGIN = "<!-- Made from the code by `make docs-pages`; what is changed here is lost. -->"
END = "<!-- End of what is made from the code. -->"


def page_now(name: str) -> str:
    """Return a page as it lies in docs/."""
    return (PAGES / name).read_text(encoding="utf-8")


def page_from_code(name: str) -> str:
    """Return a page with the part between the marks made anew.

    Raises:
        ValueError: If the page does not hold each mark once.
    """
    page = page_now(name)
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        raise ValueError(f"docs/{name} needs the lines {BEGIN!r} and {END!r} once each.")
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n\n{PARTS[name]().strip()}\n\n{END}{after}"
