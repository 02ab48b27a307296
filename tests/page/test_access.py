"""Nobody from elsewhere gets in without a password."""

import pytest

from iics.errors import SettingsError
from iics.page.access import Access, read_password


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_this_machine_needs_no_password(host):
    assert Access(host).is_local


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "cameras.example", ""])
def test_any_other_address_needs_user_and_password(host):
    with pytest.raises(SettingsError, match="needs a log-in: add --user NAME"):
        Access(host)
    with pytest.raises(SettingsError, match="--user needs a password"):
        Access(host, user="ada")
    assert not Access(host, user="ada", password="long enough").is_local


def test_a_password_without_a_user_is_refused():
    with pytest.raises(SettingsError, match="nobody it belongs to"):
        Access(password="long enough")


def test_a_short_password_is_refused():
    with pytest.raises(SettingsError, match="has 7 characters; it needs at least 8"):
        Access(user="ada", password="1234567")


def test_the_password_is_not_printed():
    assert "long enough" not in repr(Access(user="ada", password="long enough"))


@pytest.mark.parametrize(
    ("user", "password", "is_right"),
    [
        ("ada", "längst genug", True),
        ("ada", "längst genuG", False),
        ("ad", "längst genug", False),
        ("", "", False),
        ("ada", "\ud800", False),
    ],
)
def test_only_the_right_pair_logs_in(user, password, is_right):
    assert Access("0.0.0.0", user="ada", password="längst genug").is_right(user, password) is is_right


def test_nobody_logs_in_where_there_is_no_user():
    assert not Access().is_right("", "")


@pytest.mark.parametrize("proxy", ["*", "proxy.example", "10.0.0.1/8", "127.0.0.1, 127.0.0.2", " "])
def test_a_trusted_proxy_is_an_address_or_a_network(proxy):
    with pytest.raises(SettingsError, match="--trusted-proxy must be an address or a network, such as 127"):
        Access(trusted_proxy=proxy)
    assert Access(trusted_proxy="10.0.0.0/8").trusted_proxy == "10.0.0.0/8"


@pytest.mark.parametrize("hours", [0, -1, 169, float("nan"), float("inf")])
def test_a_log_in_ends_after_some_hours_and_within_a_week(hours):
    with pytest.raises(SettingsError, match=r"--session-hours must be a number from 0\.01 to 168"):
        Access(session_hours=hours)


def test_the_password_comes_from_a_file_or_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("IICS_PASSWORD", "from the environment")
    (tmp_path / "password").write_text("from a file\n")
    assert read_password(tmp_path / "password") == "from a file"
    assert read_password(None) == "from the environment"
    monkeypatch.delenv("IICS_PASSWORD")
    assert read_password(None) == ""


@pytest.mark.parametrize("text", ["", "\n", "one\ntwo\n"])
def test_a_password_file_holds_one_line(tmp_path, text):
    (tmp_path / "password").write_text(text)
    with pytest.raises(SettingsError, match="must hold the password as its only line"):
        read_password(tmp_path / "password")


def test_a_missing_password_file_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"Cannot read a password from .*none"):
        read_password(tmp_path / "none")
