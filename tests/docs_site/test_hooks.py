"""Links that code hosts follow lead to the same place on the site."""

from __future__ import annotations

import pytest

from docs_site.hooks import FILES, PAGES, ROOT, on_page_markdown


@pytest.mark.parametrize(
    ("link", "on_site"),
    [
        ("[x](../README.md#install)", "[x](readme_page.md#install)"),
        ("[x](../CONTRIBUTING.md)", "[x](contributing.md)"),
        ("[x](../LICENSE)", "[x](LICENSE)"),
        ("[x](../docs/video.md)", "[x](video.md)"),
        ("[x](video.md#personal-data)", "[x](video.md#personal-data)"),
        ("[x](https://example.org/../README.md)", "[x](https://example.org/../README.md)"),
    ],
)
def test_links_to_files_at_the_root_lead_to_their_pages(link, on_site):
    assert on_page_markdown(link) == on_site


def test_the_files_at_the_root_exist():
    assert all((ROOT / name).is_file() for name in (*PAGES, *FILES))
