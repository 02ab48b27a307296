"""`iics train`: the command, and what its arguments say before they are parsed: method, preset, data, help."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Literal, get_args

import tyro

from iics import presets
from iics.cli.fitting import Fitting
from iics.cli.flag_texts import flags_of as flag_texts_of
from iics.cli.given_flags import Given, flags_of, given_flags, looks_like_flag
from iics.cli.help_text import short_help
from iics.cli.method_flags import plain, with_own_flags
from iics.cli.source import DataName, DataSource, SourceFlags
from iics.config import Settings
from iics.errors import SettingsError
from iics.ranges import check_ranges, whole
from iics.subjects import SUBJECTS

PresetName = Literal["market1501", "dukemtmc", "msmt17", "iics", "own-cameras", "own-cameras-offline", "sample"]
_SUPERVISED, _SUBJECT = "--supervised", "--subject"
_CHOSEN = ("--backbone", "--height", "--width", "--rounds")
_PRESET_OF_DATA: dict[str, PresetName] = {
    **dict.fromkeys(get_args(DataName), "own-cameras"),  # the paper has settings for three benchmarks only
    "sample": "sample",
    "market1501": "market1501",
    "dukemtmc": "dukemtmc",
    "msmt17": "msmt17",
}


@dataclass(frozen=True)
class TrainCommand:
    """Train a re-identification model on crops with cameras and no identities.

    Identities, where the data has them, are only used to measure: nothing is learned from them, unless --supervised.
    """

    source: SourceFlags = field(default_factory=DataSource)
    """Which data."""
    out: Path | None = None
    """Run folder to make. By default runs/DATA-DATE-TIME."""
    resume: Path | None = None
    """Go on with the run, or with the runs of several seeds, in this folder; takes data and settings from it. With
    --data-dir, the same data from where it lies now."""
    preset: PresetName | None = None
    """Settings to start from; by default those that fit the data. own-cameras chooses backbone, size, rounds and parts
    of a batch from crops, machine and weights that can be had; own-cameras-offline without a download. Every flag
    below changes one."""
    evaluate: Literal["every-round", "end", "never"] = "every-round"
    """When to measure mAP and CMC, if the data has a query and a gallery: also before training, unless never. With
    never, which similarity means the same person is not measured at the end either."""
    supervised: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Train on the data's identities instead (Table 3); the same as --method supervised."""
    seeds: Annotated[int, whole(1, 100)] = 1
    """Models to train, of seeds --seed, --seed + 1, ..., each in a run folder seed-N of its own below --out; the end
    tells their mean and deviation. The same command, or --resume, goes on where it was stopped."""
    settings: Annotated[Settings, tyro.conf.arg(name="")] = field(default_factory=Settings)
    """Settings of the run."""

    def __post_init__(self) -> None:
        check_ranges(self, prefix="--")


def train_help(arguments: list[str], kind: type[TrainCommand]) -> str:
    """Return the help with the values that would be used for the data and the flags that are given."""
    preset = preset_of(arguments, kind)
    defaults = defaults_of(arguments, kind)
    settings, instead = defaults.settings, {} if preset is None else {"--preset": preset}
    source = f"Values in brackets are those of the preset {preset}"
    fitting = Fitting.of(preset or "own-cameras", settings, given_settings(arguments, kind))
    if fitting is not None:
        fitted = None if preset is None else fitting.without_torch(_source(arguments, kind))
        if fitted is None:
            instead |= dict.fromkeys(_CHOSEN, "chosen at the start")
            settings = presets.OWN_CAMERAS if preset is None else settings
            source = "Name data (iics train cameras --help) to see the values it would be trained with"
        else:
            settings, source = fitted.settings, f"{source}, fitted to {fitted.crops} and {fitted.machine}"
    own_kind = type(defaults.settings.own)
    own = [] if own_kind is type(None) else list(flag_texts_of(own_kind, prefix="own.", place=("own",)))
    # Of its methods' own settings, the command that was made for them has no text.
    base = TrainCommand(source=defaults.source, settings=plain(settings))
    return short_help(TrainCommand, command="train", defaults=base, instead=instead, note=f"{source}.", more=own)


def kind_of(arguments: list[str]) -> type[TrainCommand]:
    """Return the command as its method needs it: some methods have flags of their own.

    Raises:
        SettingsError: If there is no method of the name that is given.
    """
    given = given_flags(arguments, dict(flags_of(TrainCommand)))
    names = [piece.values[0] for piece in given if piece.flag and piece.flag.name == "--method" and piece.values]
    if len(names) != 1:  # parsing tells of repeated flags
        return TrainCommand
    from iics.methods.by_name import own_settings

    own = own_settings(names[0])
    return TrainCommand if own is None else with_own_flags(TrainCommand, own)


def defaults_of(arguments: list[str], kind: type[TrainCommand] = TrainCommand) -> TrainCommand:
    """Return the command with the settings of the preset that the arguments name, or that fits their data.

    --subject changes that preset's defaults, which flags overrule.
    --supervised changes that preset's method here, so that an explicit --method shows by differing from it.
    """
    settings = presets.BY_NAME.get(preset_of(arguments, kind) or "market1501", Settings())
    given = {piece.flag.name: piece.values for piece in _given(arguments, kind) if piece.flag is not None}
    if _SUPERVISED in given:
        settings = replace(settings, method="supervised")
    subject = next(iter(given.get(_SUBJECT, ())), "person")
    if subject != "person" and subject in SUBJECTS:  # of others, parsing tells
        settings = presets.for_subject(settings, subject)
    command = kind()
    values = {each.name: getattr(settings, each.name) for each in fields(settings)}
    return replace(command, settings=replace(command.settings, **{**values, "own": command.settings.own}))


def preset_of(arguments: list[str], kind: type[TrainCommand] = TrainCommand) -> str | None:
    """Return the preset that arguments name, or that fits their data; None if they name neither.

    A word that is no data by name is a path of one's own data.
    """
    given = _given(arguments, kind)
    named = [piece.values[:1] for piece in given if piece.flag is not None and piece.flag.name == "--preset"]
    if named:
        return "".join(named[-1])
    words = [word for piece in given if piece.flag is None for word in piece.words]
    data = [word for word in words if word != "--" and not looks_like_flag(word)]
    if data:
        return _PRESET_OF_DATA.get(data[0], "own-cameras")
    is_placed = any(piece.flag is not None and piece.flag.name == "--data-dir" for piece in given)
    return "own-cameras" if is_placed else None


def given_settings(arguments: list[str], kind: type[TrainCommand] = TrainCommand) -> frozenset[str]:
    """Return the settings that arguments give a value, as their flags name them: "model.backbone", "rounds"."""
    places = [piece.flag.place for piece in _given(arguments, kind) if piece.flag is not None]
    return frozenset(".".join(place[1:]) for place in places if place[0] == "settings")


def unread_flags(arguments: list[str], kind: type[TrainCommand], settings: Settings) -> str:
    """Return a sentence on flags of settings that nothing reads under the method and stages of a run; "" if all are.

    Scripts give several methods the same flags, so that this is no error; but what a method has a flag of its own for
    was meant to change something.

    Raises:
        SettingsError: If one is given and the method's own flag for it is not, or there is no such method.
    """
    from iics.methods.by_name import ignored

    given = [piece.flag for piece in _given(arguments, kind) if piece.flag is not None]
    names = {".".join(flag.place[1:]): flag.name for flag in given if flag.place[0] == "settings"}
    unread = [names[place] for place in ignored(settings, names)]
    by = f"--method {settings.method}" if settings.stages == "both" else f"--stages {settings.stages}"
    there = {flag.name for flag in dict(flags_of(kind)).values()} - {flag.name for flag in given}
    meant = {name: own for name in unread if (own := f"--own.{name.lstrip('-').rpartition('.')[2]}") in there}
    if meant:
        flags = ", ".join(f"{own}, not {name}" for name, own in meant.items())
        raise SettingsError(f"{by} has flags of its own: say {flags}.")
    return f"{by} does not read {', '.join(unread)}." if unread else ""


def fitting_preset(source: DataSource) -> PresetName:
    """Return the preset that fits what a source reads."""
    return _PRESET_OF_DATA[source.data or ""]


def _source(arguments: list[str], kind: type[TrainCommand]) -> DataSource:
    """Return the data that arguments name, as far as that shows without parsing them."""
    given = _given(arguments, kind)
    values = {piece.flag.name: piece.values[0] for piece in given if piece.flag is not None and piece.values}
    words = [word for piece in given if piece.flag is None for word in piece.words if not looks_like_flag(word)]
    data_dir = values.get("--data-dir")
    return DataSource(
        words[0] if words else None,
        Path(data_dir) if data_dir else None,
        values.get("--pattern"),
        values.get("--camera-by"),
        values.get("--classes"),
    )


def _given(arguments: list[str], kind: type[TrainCommand]) -> list[Given]:
    return given_flags(arguments, dict(flags_of(kind)))
