"""The audit log: lines that are added, bounded in size, and safe to look at."""

from __future__ import annotations

import json
import os
import stat

import pytest

from iics.errors import WriteError
from iics.page import audit_log
from iics.page.audit_log import AuditLog
from iics.page.visitors import Visitor

ADA = Visitor("7f", "10.0.0.1", user="ada")


def lines(file):
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_a_line_says_who_did_what_and_when(tmp_path):
    file = tmp_path / "audit.jsonl"
    AuditLog(file).note("search", ADA, name="q.png", cameras=["hall"], matches=3)
    start, search = lines(file)
    assert start.keys() == {"at", "event"}
    assert search.pop("at") >= start["at"]
    assert search == {
        "event": "search",
        "user": "ada",
        "visitor": "7f",
        "address": "10.0.0.1",
        "name": "q.png",
        "cameras": ["hall"],
        "matches": 3,
    }


def test_lines_are_added_to_those_there_are(tmp_path):
    for _ in range(2):
        AuditLog(tmp_path / "audit.jsonl")
    assert [line["event"] for line in lines(tmp_path / "audit.jsonl")] == ["start", "start"]


def test_no_character_of_a_name_acts_on_a_terminal_and_all_come_back(tmp_path):
    name = "\x1b[2J\r\n\x00\x7f\x9b Büro \u202e \ud800"
    AuditLog(tmp_path / "audit.jsonl").note("search", ADA, name=name)
    data = (tmp_path / "audit.jsonl").read_bytes()
    assert all(32 <= byte < 127 or byte == 10 for byte in data)
    assert data.count(b"\n") == 2
    assert lines(tmp_path / "audit.jsonl")[1]["name"] == name


def test_it_is_for_its_owner_alone(tmp_path):
    AuditLog(tmp_path / "audit.jsonl")
    assert stat.S_IMODE((tmp_path / "audit.jsonl").stat().st_mode) == 0o600


def test_full_files_make_room_and_the_oldest_go(tmp_path, monkeypatch):
    monkeypatch.setattr(audit_log, "MAX_BYTES", 1000)
    monkeypatch.setattr(audit_log, "FILES_KEPT", 3)
    log = AuditLog(tmp_path / "audit.jsonl")
    for number in range(100):
        log.note("search", ADA, matches=number)
    names = ["audit.jsonl", "audit.jsonl.1", "audit.jsonl.2"]
    assert sorted(file.name for file in tmp_path.iterdir()) == names
    assert all((tmp_path / name).stat().st_size <= 1000 for name in names)
    kept = [line["matches"] for name in reversed(names) for line in lines(tmp_path / name)]
    assert kept == list(range(100 - len(kept), 100))
    assert len(kept) > 10


@pytest.mark.parametrize("kind", ["folder", "pipe", "nowhere"])
def test_what_cannot_be_written_to_is_refused_at_the_start(tmp_path, kind):
    file = tmp_path / "audit.jsonl"
    if kind == "folder":
        file.mkdir()
    elif kind == "pipe":
        os.mkfifo(file)
    else:
        file = tmp_path / "none" / "audit.jsonl"
    with pytest.raises(WriteError, match="Cannot write to the audit log"):
        AuditLog(file)


def test_without_a_file_nothing_is_noted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    AuditLog(None).note("search", ADA)
    assert list(tmp_path.iterdir()) == []
