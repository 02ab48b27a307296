"""`python -m docs_site`: write the parts of docs/ that are made from the code."""

from docs_site.generated import PAGES, PARTS, page_from_code

for name in PARTS:
    (PAGES / name).write_text(page_from_code(name), encoding="utf-8")
