"""`iics train`: from crops to a model, a table before / after, and a picture of ranked results."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from iics import presets
from iics.cli.fitting import Fitting
from iics.cli.given_flags import flags_of, given_flags
from iics.cli.help_text import wants_help
from iics.cli.method_flags import plain
from iics.cli.parse import parse
from iics.cli.resume_training import display, resume, resume_hint
from iics.cli.source import DataName, DataSource
from iics.cli.train_arguments import (
    TrainCommand,
    defaults_of,
    given_settings,
    kind_of,
    preset_of,
    train_help,
    unread_flags,
)
from iics.cli.train_summary import print_end, print_start
from iics.config import Settings
from iics.errors import SettingsError, WeightsError
from iics.home_folder import expanded

if TYPE_CHECKING:
    from iics.data_splits import DataSplits
    from iics.runs.fitted_settings import FittedSettings
    from iics.training.distributed import Processes


def main(arguments: list[str]) -> int:
    """Run the command."""
    kind = kind_of(arguments)
    if wants_help(arguments):
        print(train_help(arguments, kind))
        raise SystemExit(0)
    command = parse(kind, arguments, command="train", default=defaults_of(arguments, kind))
    command = replace(command, settings=_of_subject(plain(command.settings), given_settings(arguments, kind)))
    if command.resume is not None:
        return _resume(expanded(command.resume), command.source.data_dir, arguments)
    method = command.settings.method
    if command.supervised and method != "supervised":
        raise SettingsError(f"--supervised is --method supervised, and --method {method} another; leave one out.")
    unread = unread_flags(arguments, kind, command.settings)
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
        if unread and processes.is_first:
            print(unread, file=sys.stderr)
        given = given_settings(arguments, kind)
        command = replace(command, settings=_for_backbone(command.settings, given, is_first=processes.is_first))
        fitting = Fitting.of(preset_of(arguments), command.settings, given)
        fitted = None if fitting is None else processes.from_first(fitting.network)
        _check_settings(command.settings if fitted is None else fitted.settings)
        splits = source.load()
        if fitting is not None and fitted is not None:
            command = replace(command, settings=_fitted(fitting, fitted, splits, processes))
        return _train(command, splits, source, processes, preset=preset_of(arguments) or "")


def with_absolute_weights(settings: Settings) -> Settings:
    """Return settings whose weights file, and folder of a backbone, are found from any folder, as resuming needs it."""
    model = settings.model
    if model.weights not in ("imagenet", "none"):
        model = replace(model, weights=str(expanded(model.weights).absolute()))
    kind, colon, folder = model.backbone.partition(":")
    if kind == "local-dir":
        model = replace(model, backbone=f"{kind}{colon}{expanded(folder).absolute()}")
    return replace(settings, model=model)


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
    from iics.methods.by_name import method_of, with_own_settings
    from iics.models.reid_model import starting_problem

    method_of(settings).check_choices(with_own_settings(settings))
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
