"""What `iics train` prints before it starts, and when it is done."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from iics.config import Settings
from iics.progress_display import count_of, format_seconds
from iics.shown_name import shown

if TYPE_CHECKING:
    from iics.crops import CropSet
    from iics.runs.rounds import TrainingRun
    from iics.training.distributed import Processes


def print_start(settings: Settings, num_seeds: int, crops: CropSet, out: Path, processes: Processes) -> None:
    """Say on standard error what is trained, on what, and where it goes."""
    print(
        f"{len(crops)} crops of {count_of(crops.num_cameras, 'camera')} ({shown(crops.name)}); "
        f"{settings.model.backbone} at {settings.model.height}x{settings.model.width}, "
        f"{count_of(settings.rounds, 'round')}{' on identities' if settings.method == 'supervised' else ''}"
        f"{'' if num_seeds == 1 else f' for each of {num_seeds} seeds'}, "
        f"{f'{processes.count} processes' if processes.count > 1 else 'one process'}; "
        f"{'run folder' if num_seeds == 1 else 'folder of runs'} {out}",
        file=sys.stderr,
    )


def print_end(run: TrainingRun) -> None:
    """Print what came of it and where it lies."""
    from iics.models.score_meaning import summary_lines
    from iics.reports.model_card import MODEL_CARD
    from iics.runs.record import RoundRecord

    records = [RoundRecord.of(values) for values in run.history]
    before, after = records[0], records[-1]
    if after.scores and before.number == 0:
        table = Table(title="Query against gallery, in %")
        for heading in ("", "mAP", "rank-1", "rank-5", "rank-10", "mINP"):
            table.add_column(heading, justify="right" if heading else "left")
        trained = f"after {count_of(after.number, 'round')}"
        rows = [("before training", before.scores), (trained, after.scores)]
        for kind in ("centred", "plain"):  # the one that the run is not judged by
            of_kind = {name.removeprefix(f"{kind}_"): v for name, v in after.scores.items() if name.startswith(kind)}
            rows += [(f"{trained}, {kind}", of_kind)] if of_kind else []
        for name, scores in rows:
            cells = [scores.get(key) for key in ("mean_ap", "rank1", "rank5", "rank10", "mean_inp")]
            table.add_row(name, *("-" if cell is None else f"{100 * cell:.1f}" for cell in cells))
        Console().print(table)
    if run.model.header.match_thresholds is not None:
        print("\n".join(summary_lines(run.model.header.match_thresholds, are_own_crops=True)))
    print(f"Trained for {format_seconds(sum(record.all_seconds for record in records))}; start and report come on top.")
    print(f"Model:          {run.folder / 'model.safetensors'}")
    print(f"Model card:     {run.folder / MODEL_CARD}")
    print(f"Metrics:        {run.folder / 'metrics.jsonl'}")
    for name, file in (("Ranked results: ", "contact_sheet.png"), ("Report:         ", "report.html")):
        if (run.folder / file).exists():
            print(f"{name}{run.folder / file}")
