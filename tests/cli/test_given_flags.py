"""Flags are given once: repeated ones add up or are refused, and none is given without what it means."""

import pytest

from docs_site.command_tables import command_kinds
from iics.cli import flag_texts as documented
from iics.cli.forget import ForgetCommand
from iics.cli.given_flags import MAY_BE_EMPTY, flags_of, with_each_flag_once
from iics.cli.parse import parse
from iics.cli.search import SearchCommand
from iics.cli.train_arguments import TrainCommand
from iics.errors import SettingsError

COMMANDS = command_kinds()
EVERY_FLAG = [(name, flag) for name, kind in COMMANDS.items() for flag in dict(flags_of(kind)).values()]
OF_SEVERAL = sorted({(name, flag.name) for name, flag in EVERY_FLAG if flag.kind == "values"})


def forgetting(*arguments):
    return parse(ForgetCommand, list(arguments), command="forget")


@pytest.mark.parametrize("kind", COMMANDS.values(), ids=COMMANDS)
def test_the_flags_known_before_parsing_are_those_documented(kind):
    names = [name for flag in documented.flags_of(kind) for name in flag.names if name.startswith("--")]
    assert list(dict(flags_of(kind))) == names


def test_the_flags_of_several_values_are_these():
    assert OF_SEVERAL == [
        ("benchmark training", "--only"),
        ("benchmark training", "--options"),
        ("forget", "--camera"),
        ("index", "--splits"),
        ("search", "--camera"),
        ("search", "--not-camera"),
        ("train", "--loggers"),
        ("train", "--norm-stages"),
    ]


@pytest.mark.parametrize(
    ("arguments", "cameras"),
    [
        (["--camera", "a", "b"], ("a", "b")),
        (["--camera", "a", "--camera", "b"], ("a", "b")),
        (["--camera=a", "--camera=b"], ("a", "b")),
        (["--camera", "a", "b", "--yes", "--camera=c"], ("a", "b", "c")),
        (["--camera=--yes", "--camera", "b"], ("--yes", "b")),
        (["--camera", "-5", "--camera", "b"], ("-5", "b")),
    ],
)
def test_values_of_repeated_flags_add_up(arguments, cameras):
    assert forgetting("g.db", *arguments).camera == cameras
    assert forgetting("g.db", *arguments).yes is ("--yes" in arguments)


def test_underscores_are_the_same_flag():
    found = parse(SearchCommand, ["g.db", "q.png", "--not_camera", "a", "--not-camera", "b"], command="search")
    assert found.not_camera == ("a", "b")


def test_what_is_given_by_its_position_may_stand_after_repeated_flags():
    assert forgetting("--camera", "a", "--camera", "b", "--", "g.db").camera == ("a", "b")
    found = parse(SearchCommand, ["--camera", "a", "--top", "3", "--camera", "b", "g.db", "q.png"], command="search")
    assert (found.camera, found.gallery, str(found.query)) == (("a", "b"), "g.db", "q.png")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--camera", "--path", "x"], "--camera needs a value"),
        (["--path", "x", "--camera"], "--camera needs a value"),
        (["--path", "x", "--camera="], "--camera needs a value"),
        (["--path", "x", "--camera", ""], "--camera needs a value"),
        (["--path", "x", "--camera", "a", "--camera"], "--camera needs a value"),
        (["--path", "x", "--since", ""], "--since needs a value"),
        (["--path", "x", "--until= "], "--until needs a value"),
        (["--path", ""], "--path needs a value"),
        (["--path", "x", "--path", "y"], "--path x and --path y are given; give --path once."),
        (["--since=2026-01-01", "--since", "2026-02-01"], "give --since once"),
        (["--contact_sheet=a.png", "--contact-sheet=b.png"], "give --contact-sheet once"),
        (["--yes", "--yes"], "--yes and --yes are given; give --yes once."),
        (["--yes", "--no-yes"], "--yes and --no-yes are given; give --yes once."),
        (["--camera=--yes", "--camera=--path"], "only one such value can be told"),
    ],
)
def test_what_means_less_or_more_than_was_said_is_refused(arguments, message):
    with pytest.raises(SettingsError, match=message):
        forgetting("g.db", *arguments)


def test_a_flag_whose_word_was_taken_by_position_has_none():
    with pytest.raises(SettingsError, match="--camera needs a value"):
        forgetting("--path", "x", "--yes", "--camera", "g.db")


def test_an_empty_argument_is_refused():
    with pytest.raises(SettingsError, match="One of the arguments is empty"):
        forgetting("", "--path", "x")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_flag_of_one_value_or_none_is_refused_twice_in_every_command(refusal, name):
    for flag in {flag.name: flag for other, flag in EVERY_FLAG if other == name}.values():
        once = flag.name if flag.kind == "switch" else f"{flag.name}=1"
        if flag.kind != "values":
            assert refusal(*name.split(), once, once) == f"{once} and {once} are given; give {flag.name} once."


@pytest.mark.parametrize(("name", "flag"), OF_SEVERAL)
def test_a_flag_of_several_values_is_refused_without_any_in_every_command(name, flag):
    flags = dict(flags_of(COMMANDS[name]))
    if flag in MAY_BE_EMPTY:
        assert with_each_flag_once([flag], flags) == [flag]
    else:
        with pytest.raises(SettingsError, match=f"{flag} needs a value"):
            with_each_flag_once([flag], flags)
    assert with_each_flag_once([flag, "a", "--", "b"], flags) == [flag, "a", "--", "b"]
    assert with_each_flag_once([flag, "a", f"{flag}=b", "c"], flags) == [flag, "a", "b", "c"]


@pytest.mark.parametrize(
    ("given", "loggers"), [(["--loggers"], ()), (["--loggers", "wandb", "--loggers=mlflow"], None)]
)
def test_loggers_may_be_none_and_add_up(given, loggers):
    found = parse(TrainCommand, ["sample", *given], command="train").settings.loggers
    assert found == (("wandb", "mlflow") if loggers is None else loggers)


def test_no_loggers_and_some_are_refused():
    with pytest.raises(SettingsError, match="--loggers and --loggers wandb are given"):
        parse(TrainCommand, ["sample", "--loggers", "--loggers", "wandb"], command="train")


def test_flags_that_may_be_empty_are_flags():
    assert {flag.name for _, flag in EVERY_FLAG} >= MAY_BE_EMPTY


def test_help_is_shown_whatever_else_is_given(iics):
    finished = iics("forget", "g.db", "--yes", "--yes", "--help")
    assert finished.code == 0
    assert "--camera" in finished.stdout
