"""Pages that are partly made from the code say what the code says now."""

from __future__ import annotations

import re

import pytest

from docs_site.command_tables import command_kinds, takes_settings
from docs_site.generated import BEGIN, END, PARTS, page_from_code, page_now
from iics.cli.parse import parse
from iics.presets import BY_NAME

SETTINGS_PAGE, COMMANDS_PAGE = page_now("settings.md"), page_now("commands.md")


@pytest.mark.parametrize("name", PARTS)
def test_the_page_is_up_to_date(name):
    assert page_now(name) == page_from_code(name), f"docs/{name} went stale; `make docs-pages` writes it anew."


def test_a_page_without_its_marks_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("docs_site.generated.PAGES", tmp_path)
    (tmp_path / "settings.md").write_text(f"# Settings\n{BEGIN}\n")
    with pytest.raises(ValueError, match=rf"docs/settings.md needs the lines .* {re.escape(repr(END))} once each"):
        page_from_code("settings.md")


@pytest.mark.parametrize(("name", "kind"), command_kinds().items())
def test_options_of_the_pages_are_those_of_the_help_text(name, kind, capsys):
    with pytest.raises(SystemExit) as stopped:
        parse(kind, ["--help-all"], command=name)
    assert stopped.value.code == 0
    lines = capsys.readouterr().out.replace(", --", "\n --").splitlines()
    helped = {found[1] for line in lines if (found := re.match(r"\W{1,3}(--[a-z][\w.-]*)", line))}
    section = COMMANDS_PAGE.split(f"## iics {name}\n")[1].split("\n## ")[0]
    shown = section + (SETTINGS_PAGE if takes_settings(kind) else "")
    cells = re.findall(r"^\| (.*?)<br>", shown, flags=re.MULTILINE)
    assert {flag for cell in cells for flag in re.findall(r"`(--.*?)`", cell)} == helped - {"--help"}


def test_settings_of_presets_stand_beside_the_default():
    assert len(BY_NAME) == 7
    own = "own-cameras, own-cameras-offline"
    assert f"| `--stage1.epochs`<br>1 to 1000 | `2`<br>msmt17: `12`<br>{own}: `1` |" in SETTINGS_PAGE
    assert "| `fixed`<br>iics, own-cameras, sample, own-cameras-offline: `auto` |" in SETTINGS_PAGE
    assert f"| `fixed`<br>iics, sample: `auto`<br>{own}: `density` |" in SETTINGS_PAGE
