"""A gallery in a folder is a server that this machine calls itself: without a loopback interface, one sentence."""

from __future__ import annotations

import socket

import pytest

from iics.errors import GalleryError
from iics.gallery.connection import connect


def test_a_machine_that_cannot_call_itself_is_told_how(tmp_path, monkeypatch):
    def unreachable(*_args, **_flags):
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(socket, "create_connection", unreachable)
    with pytest.raises(GalleryError) as caught:
        connect(str(tmp_path / "people.db"), is_new=True)
    assert "does not answer (Network is unreachable)" in str(caught.value)
    assert str(caught.value).endswith("the loopback interface is: ip link set lo up.")
    assert not (tmp_path / "people.db").exists()
