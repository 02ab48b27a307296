"""`iics label`: people say of pairs of crops whether they are one person; thresholds, rank-1 and marks follow."""

from __future__ import annotations

import json
import threading
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from iics.cli.app import stopping
from iics.cli.model_file import load_model_or_run, path_of_model
from iics.cli.parse import parse
from iics.cli.source import DataSource, SourceFlags
from iics.errors import DataError, EvaluationError, RunFolderError, check_setting
from iics.home_folder import expanded
from iics.progress_display import count_display
from iics.ranges import BATCH, SEED, check_ranges, number, whole

if TYPE_CHECKING:
    from iics.crops import CropSet
    from iics.page.labelling import Labelling
    from iics.pixels.digests import Digests


NUM_PAIRS = 50


@dataclass(frozen=True)
class LabelCommand:
    """Tell a model which similarity means the same person, by answering fifty times: is this the same person?

    For crops without identities. The page shows pairs of crops of two cameras (of one, if one took all); answer by key
    or tap, stop and go on as you like. From the answers follow thresholds, written into the model file as
    `iics evaluate --calibrate` does, an estimate of rank-1 across cameras with its interval, and marks for
    `iics evaluate --marks` (docs/thresholds.md).
    """

    model: tyro.conf.Positional[Path]
    """Run folder, or model file."""
    source: SourceFlags = field(default_factory=DataSource)
    """Which data; by default what the run was trained on."""
    pairs: Annotated[int, whole(20, 500)] | None = None
    """Pairs to draw; 50 by default. What was drawn before is gone on with."""
    seed: Annotated[int, SEED] | None = None
    """Of the draw; 0 by default."""
    answers: Path | None = None
    """Instead of the page: take the answers from this table, filled in by a program or by hand."""
    draw_only: bool = False
    """Write the table of pairs, to be filled in, and end."""
    json: bool = False
    """Print the result as JSON; with --answers."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Annotated[int, whole(1, 65535)] = 7860
    """Port to listen on."""
    user: str = ""
    """Who may log in; the password comes from --password-file or the environment variable IICS_PASSWORD."""
    password_file: Path | None = None
    """File that holds the password as its only line."""
    session_hours: Annotated[float, number(0.01, 168)] = 12.0
    """Hours after which a log-in ends."""
    trusted_proxy: str = ""
    """Address or network of a proxy before the page, whose X-Forwarded-For is believed; nobody's is without it."""
    audit_log: Path | None = None
    """File of who logged in, who failed to, and who answered what; lines of JSON."""
    batch_size: Annotated[int, BATCH] = 128
    """Crops that go through the network at once."""
    device: str = "auto"
    """Device to compute on: auto, cpu, cuda."""

    def __post_init__(self) -> None:
        check_ranges(self, prefix="--")
        check_setting(
            self.answers is None or not self.draw_only,
            "--draw-only writes a table and --answers reads one; call iics label once with each.",
        )
        check_setting(
            self.answers is None or (self.pairs is None and self.seed is None),
            "--answers names pairs that were drawn before; leave out --pairs and --seed.",
        )
        check_setting(not self.json or self.answers is not None, "--json prints the result of --answers FILE.")


def main(arguments: list[str]) -> int:
    """Run the command."""
    command = parse(LabelCommand, arguments, command="label")
    has_page = command.answers is None and not command.draw_only
    page = _Page(command) if has_page else None
    labelling, is_drawn = _labelling(command)
    if command.answers is not None:
        return _apply(command, labelling, expanded(command.answers))
    if is_drawn:
        labelling.check(labelling.book.pairs(), labelling.book.file)
    else:
        labelling.draw(num_pairs=command.pairs or NUM_PAIRS, seed=command.seed or 0)
    if page is not None:
        return page.serve(labelling)
    table = labelling.book.file
    print(f"{table}: fill in the column answer (yes, no, unsure); then --answers {table} in place of --draw-only.")
    return 0


def _apply(command: LabelCommand, labelling: Labelling, file: Path) -> int:
    from iics.evaluation.answers import read_answers

    pairs = read_answers(file)
    labelling.check(pairs, file)
    result = labelling.finish(pairs)
    text = f"{result}\nWritten into {labelling.model_file} and {labelling.marks_file}."
    print(json.dumps(asdict(result), indent=2) if command.json else text)
    return 0


class _Page:
    """The page, made ready before features are computed, so that what is amiss with it is said first."""

    def __init__(self, command: LabelCommand) -> None:
        from iics.page.access import Access, read_password
        from iics.page.audit_log import AuditLog
        from iics.page.server import check_gradio

        password = read_password(command.password_file) if command.user or command.password_file else ""
        self._access = Access(
            command.host, command.port, command.user, password, command.session_hours, command.trusted_proxy
        )
        check_gradio()
        self._audit = AuditLog(None if command.audit_log is None else expanded(command.audit_log))

    def serve(self, labelling: Labelling) -> int:
        """Serve it until Ctrl-C, and tell what the answers say."""
        from iics.page.label_page import label_page
        from iics.page.server import page_server

        with stopping(), page_server() as serve:
            address = serve(lambda: label_page(labelling, self._audit), self._access, self._audit)
            print(f"{address}  (answers are kept in {labelling.book.file}; Ctrl-C ends it)", flush=True)
            threading.Event().wait()
        try:
            result = labelling.finish(labelling.book.pairs())
        except EvaluationError as error:
            print(f"\nThe model stays as it was. {error} The same command goes on.")
            return 0
        print(f"\n{result}\nWritten into {labelling.model_file} and {labelling.marks_file}.")
        return 0


def _labelling(command: LabelCommand) -> tuple[Labelling, bool]:
    """Return what is asked about, and whether its pairs were drawn before."""
    from iics.evaluation.drawn_pairs import check_enough
    from iics.models.extraction_memory import check_extraction_fits
    from iics.models.fingerprint import model_fingerprint
    from iics.page.answers_book import AnswersBook
    from iics.page.labelling import Labelling
    from iics.pixels.digests import file_digests
    from iics.pixels.images import checked_num_threads

    path = expanded(command.model)
    run = path if path.is_dir() else None
    file = path_of_model(path)
    stem = "" if run else f"{file.stem}_"
    book = AnswersBook(file.with_name(f"{stem}label_answers.csv"))
    is_drawn = book.file.exists()
    if is_drawn and (command.pairs is not None or command.seed is not None):
        raise DataError(
            f"{book.file} holds the {len(book.pairs())} pairs that were drawn before. Leave out --pairs and --seed to "
            "go on with them, or move the file away to draw anew."
        )
    model = load_model_or_run(path, device=command.device)
    crops = _crops(command.source, run)
    if not is_drawn and command.answers is None:
        check_enough(crops, command.pairs or NUM_PAIRS)
    digests = file_digests(crops, num_threads=checked_num_threads(None))
    is_of_run = run is not None and _is_of_run(run, crops, digests, is_named=command.source.data is not None)
    check_extraction_fits(model, len(crops), batch_size=command.batch_size)
    with count_display("features", len(crops)) as progress:
        if run is not None and is_of_run:
            from iics.page.run_features import run_features

            features = run_features(run, model, crops, batch_size=command.batch_size, progress=progress)
        else:
            features = model.embed(crops, batch_size=command.batch_size, progress=progress)
    labelling = Labelling(
        book,
        crops,
        features,
        digests=digests,
        model=model_fingerprint(model),
        model_file=file,
        marks_file=file.with_name(f"{stem}label_marks.csv"),
        is_trained_on=True if is_of_run else None,
    )
    return labelling, is_drawn


def _crops(named: DataSource, run: Path | None) -> CropSet:
    """Return the crops to ask about: those that were named, or those of the run."""
    if named != DataSource():
        return named.load().to_look_at()
    if run is None:
        raise DataError("Which crops? A model file does not say; name them: iics label MODEL DATA --data-dir PLACE.")
    from iics.runs.run_folder import RunFolder

    source = DataSource.from_values(RunFolder.open(run).source())
    name_them = f"Name where they lie: iics label {run} DATA --data-dir PLACE."
    if source is None:
        raise RunFolderError(f"{run} does not say where its crops are. {name_them}")
    try:
        return source.load().to_look_at()
    except DataError as error:
        raise DataError(f"The crops that {run} was trained on cannot be read: {error} {name_them}") from error


def _is_of_run(run: Path, crops: CropSet, digests: Digests, *, is_named: bool) -> bool:
    """Return whether a run was trained on these pictures.

    Raises:
        RunFolderError: If nobody named others, and they are not.
    """
    from iics.runs.run_crops import TRAIN
    from iics.runs.run_folder import RunFolder

    pictures = RunFolder.open(run).pictures()
    if pictures is None:  # of an older version: names are all it knows
        return not is_named
    known = Counter(crop.contents for crop in pictures.splits[TRAIN])
    found = Counter(digest.hex() for digest in digests)
    if known == found:
        return True
    if is_named:
        return False
    lost = known - found
    first = next((crop.path for crop in pictures.splits[TRAIN] if crop.contents in lost), "none")
    raise RunFolderError(
        f"The crops of {crops.name} are not those that {run} was trained on: {lost.total()} of {known.total()} are "
        f"gone or changed (the first: {first}), and {(found - known).total()} came. Put them back, or name the "
        f"crops to ask about: iics label {run} DATA --data-dir PLACE."
    )
