"""`iics train`: from crops to a model, a table before / after, and a picture of ranked results."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import tyro

from iics import presets
from iics.cli.fitting import Fitting
from iics.cli.flag_texts import flags_of as flag_texts_of
from iics.cli.given_flags import Given, flags_of, given_flags, looks_like_flag
from iics.cli.help_text import short_help, wants_help
from iics.cli.method_flags import plain, with_own_flags
from iics.cli.parse import parse
from iics.cli.resume_training import display, resume, resume_hint
from iics.cli.source import DataName, DataSource, SourceFlags
from iics.cli.train_summary import print_end, print_start
from iics.config import Settings
from iics.errors import SettingsError, WeightsError
from iics.home_folder import expanded
from iics.ranges import check_ranges, whole
from iics.subjects import SUBJECTS

if TYPE_CHECKING:
    from iics.crops import DataSplits
    from iics.runs.fitted_settings import FittedSettings
    from iics.training.distributed import Processes

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


def main(arguments: list[str]) -> int:
    """Run the command."""
    kind = _kind(arguments)
    if wants_help(arguments):
        print(_help(arguments, kind))
        raise SystemExit(0)
    command = parse(kind, arguments, command="train", default=_defaults(arguments, kind))
    command = replace(command, settings=_of_subject(plain(command.settings), given_settings(arguments, kind)))
    if command.resume is not None:
        return _resume(expanded(command.resume), command.source.data_dir, arguments)
    method = command.settings.method
    if command.supervised and method != "supervised":
        raise SettingsError(f"--supervised is --method supervised, and --method {method} another; leave one out.")
    source = command.source.by_name().absolute()
    if source.data is None:
        raise SettingsError(
            "What shall be trained on? Name a folder of cameras (iics train cameras), a table of crops (.csv, "
            f".parquet), one of {', '.join(get_args(DataName))}, or --resume RUN."
        )
    from iics.runs.run_folder import RunFolder
    from iics.training.distributed import joined_processes

    with joined_processes() as processes:
        if command.out is not None and command.seeds == 1:  # before data is read and the machine probed
            out = expanded(command.out)
            processes.from_first(lambda: RunFolder.check_new(out))
        given = given_settings(arguments, kind)
        command = replace(command, settings=_for_backbone(command.settings, given, is_first=processes.is_first))
        fitting = Fitting.of(preset_of(arguments), command.settings, given)
        fitted = None if fitting is None else processes.from_first(fitting.network)
        _check_settings(command.settings if fitted is None else fitted.settings)
        splits = source.load()
        if fitting is not None and fitted is not None:
            command = replace(command, settings=_fitted(fitting, fitted, splits, processes))
        return _train(command, splits, source, processes, preset=preset_of(arguments) or "")


def _of_subject(settings: Settings, given: frozenset[str]) -> Settings:
    """Return settings whose input has the shape of its subject, a square if but one side is given.

    Raises:
        SettingsError: If flags say that mirror images show another one, and ask for them in training.
    """
    probability = settings.augment.mirror_probability
    if not settings.model.mirror and probability > 0 and "augment.mirror_probability" in given:
        raise SettingsError(
            f"--augment.mirror-probability {probability:g} mirrors crops in training, and --no-mirror, the "
            "default of animals and others, says that a mirror image shows another one. Leave it out, or say --mirror."
        )
    subject = settings.model.subject
    return settings if subject == "person" else presets.for_subject(settings, subject, keeping=given)


def _for_backbone(settings: Settings, given: frozenset[str], *, is_first: bool) -> Settings:
    """Return settings whose norm and last stride the backbone can have, where flags named it and not them; say so."""
    if "model.backbone" not in given:
        return settings
    from iics.models.backbone_spec import backbone_spec

    model, spec = settings.model, backbone_spec(settings.model.backbone)
    if spec.usual_norm != "aibn" and "model.norm" not in given:
        model = replace(model, norm=spec.usual_norm)
        if is_first:
            which = "batch norms" if spec.usual_norm == "own" else "batch norms in its later half"
            norms = ", ".join(spec.structure.other_norms) or "none"
            text = f"{model.backbone} has no {which}: its own norms stay ({norms}); --norm {model.norm}."
            print(text, file=sys.stderr)
    if spec.usual_last_stride == 2 and "model.last_stride" not in given:
        model = replace(model, last_stride=2)
        if is_first:
            print(f"The last stage of {model.backbone} cannot keep its resolution: --last-stride 2.", file=sys.stderr)
    return replace(settings, model=model)


def _fitted(fitting: Fitting, fitted: FittedSettings, splits: DataSplits, processes: Processes) -> Settings:
    """Return the settings of a preset that fits itself; say what was chosen, what it takes, what would be better."""
    crops = splits.to_train_on()
    fitted = fitting.length(fitted, crops)
    if processes.is_first:
        for line in fitting.lines(fitted, splits, is_alone=processes.count == 1):
            print(line, file=sys.stderr)
    return fitted.settings


def _check_settings(settings: Settings) -> None:
    """Refuse names of nothing, and weights that cannot be had, before data is read: that may take minutes."""
    from iics.methods.trainable import check_choices
    from iics.models.reid_model import starting_problem

    check_choices(settings)
    problem = starting_problem(with_absolute_weights(settings).model)
    if problem is not None:
        raise WeightsError(problem)


def _train(command: TrainCommand, splits: DataSplits, source: DataSource, processes: Processes, *, preset: str) -> int:
    from iics.trained_run import train_on

    crops = splits.to_train_on()
    default = processes.from_first(lambda: Path("runs") / f"{source.data}-{datetime.now():%Y%m%d-%H%M%S}")
    out = expanded(command.out or default)
    settings = with_absolute_weights(command.settings)
    values = {**source.to_values(), "evaluate": command.evaluate, "preset": preset}
    if processes.is_first:
        print_start(command.settings, command.seeds, crops, out, processes)
    if command.seeds > 1:
        from iics.cli.train_seeds import print_seed, print_seeds
        from iics.trained_seeds import train_seeds_on

        with resume_hint(out, processes), display(processes) as progress:
            runs = train_seeds_on(
                splits,
                settings=settings,
                num_seeds=command.seeds,
                out=out,
                evaluate=command.evaluate,
                source=values,
                before_seed=print_seed,
                progress=progress,
            )
        if processes.is_first:
            print_seeds(runs)
        return 0
    with resume_hint(out, processes), display(processes) as progress:
        run = train_on(splits, settings=settings, out=out, evaluate=command.evaluate, source=values, progress=progress)
    if processes.is_first:
        print_end(run)
    return 0


def _resume(run_path: Path, data_dir: Path | None, arguments: list[str]) -> int:
    given = given_flags(arguments, dict(flags_of(TrainCommand)))
    taken = ("--resume", "--data-dir")
    others = [word for piece in given if piece.flag is None or piece.flag.name not in taken for word in piece.words]
    if others:
        raise SettingsError(f"--resume takes data and settings from the run; leave out {' '.join(others)}.")
    return resume(run_path, data_dir)


def _help(arguments: list[str], kind: type[TrainCommand]) -> str:
    """Return the help with the values that would be used for the data and the flags that are given."""
    preset = preset_of(arguments, kind)
    defaults = _defaults(arguments, kind)
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


def _kind(arguments: list[str]) -> type[TrainCommand]:
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


def _defaults(arguments: list[str], kind: type[TrainCommand] = TrainCommand) -> TrainCommand:
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


def _given(arguments: list[str], kind: type[TrainCommand]) -> list[Given]:
    return given_flags(arguments, dict(flags_of(kind)))


def fitting_preset(source: DataSource) -> PresetName:
    """Return the preset that fits what a source reads."""
    return _PRESET_OF_DATA[source.data or ""]


def with_absolute_weights(settings: Settings) -> Settings:
    """Return settings whose weights file, and folder of a backbone, are found from any folder, as resuming needs it."""
    model = settings.model
    if model.weights not in ("imagenet", "none"):
        model = replace(model, weights=str(expanded(model.weights).absolute()))
    kind, colon, folder = model.backbone.partition(":")
    if kind == "local-dir":
        model = replace(model, backbone=f"{kind}{colon}{expanded(folder).absolute()}")
    return replace(settings, model=model)
