"""`iics export`: a model as a file that runs without this package."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from iics.cli.model_file import load_model_or_run, path_of_model
from iics.cli.parse import parse
from iics.cli.source import DataSource, SourceFlags
from iics.config import DEFAULT_CENTRE, Centre
from iics.errors import DataError, ExportError, WriteError, check_setting
from iics.export.input_form import AS_DECODED, TOOLS, Channels, InputForm, Layout, Tool, Values
from iics.progress_display import count_display

if TYPE_CHECKING:
    from iics.arrays import Pixels
    from iics.crops import CropSet
    from iics.data_splits import DataSplits
    from iics.export.comparison import FormResult
    from iics.models.reid_model import ReidModel

MODEL_CARD = "model.md"
_CALIBRATION_CROPS = 256
_CROPS_COMPARED = 8


@dataclass(frozen=True)
class ExportCommand:
    """Write a model as ONNX: crops in, finished features out, checked against torch.

    By default it takes uint8 RGB pixels (n, height, width, 3). Trackers feed others: name yours with --for. With DATA,
    mAP and speed of torch and the exported files are measured on it, and --int8 is calibrated on its training crops or,
    without any, its gallery.
    """

    model: tyro.conf.Positional[Path]
    """Model file, or the run folder that holds it."""
    source: SourceFlags = field(default_factory=DataSource)
    """Which data; none for a check on drawn pictures alone."""
    to: Literal["onnx"] = "onnx"
    """Format."""
    tool: Annotated[Tool | None, tyro.conf.arg(name="for")] = None
    """Who will feed the file: --input, --values and --channels as this tool has them, unless they are given too."""
    input: Layout | None = None
    """Pixels that the file takes: uint8 (n, height, width, 3), the default, or float32 (n, 3, height, width)."""
    values: Values | None = None
    """Range of float32 pixels: 0-255 (the default), 0-1, or imagenet: 0-1 less ImageNet's mean, by its deviation."""
    channels: Channels | None = None
    """Order of colours; rgb by default."""
    mirror: bool = True
    """Average over the crop and its mirror image, as results are measured. Without it, half the work and other
    features, for which thresholds do not hold. A model trained with --no-mirror never looks at mirror images."""
    out: Path | None = None
    """File to write, ending in .onnx. By default the model file's name with that ending; the tool or another form of
    input stands before it, as in model.boxmot.onnx."""
    int8: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Also write a file whose convolutions compute in eight bits, OUT.int8.onnx; needs DATA."""
    centre: Centre = DEFAULT_CENTRE
    """Also write the mean features of the training cameras, OUT.cameras.npz, for whoever takes them off the features,
    which the graph gives as they are (docs/centring.md): off, on, or auto, if the model has them."""

    def __post_init__(self) -> None:
        check_setting(
            self.mirror or self.centre != "on",
            "--centre on writes means of features that are averaged over the mirror image, --no-mirror makes others. "
            "Leave one out.",
        )


def main(arguments: list[str]) -> int:
    """Run the command."""
    command = parse(ExportCommand, arguments, command="export")
    file = path_of_model(command.model)
    form = _form(command)
    out = command.out or file.with_suffix(_ending(command, form))
    _check(command, out)
    from iics.atomic import write_atomically
    from iics.export.means_file import means_path, write_means
    from iics.export.onnx_file import OPSET, check_parity, drawn_crops, export_onnx, letterbox_text
    from iics.export.onnx_model import OnnxModel, check_packages
    from iics.models.centring import needed_means

    check_packages()
    splits = None if command.source == DataSource() else command.source.load()
    model = load_model_or_run(file, device="cpu")
    _check_read_by_tool(command, model)
    height, width = model.header.height, model.header.width
    crops = drawn_crops(height, width) if splits is None else _pixels(splits.to_look_at(), model, _CROPS_COMPARED)
    means = needed_means(model.camera_means) if command.centre == "on" else model.camera_means
    form = replace(form, mirror=form.mirror and model.header.mirror)
    has_means = means is not None and form.mirror == model.header.mirror and command.centre != "off"
    means_name = means_path(out).name if has_means else ""
    content = export_onnx(model, form=form, card=_card(file), means_file=means_name)
    deviation = check_parity(model, OnnxModel(content), crops)
    write_atomically(out, content)
    print(
        f"{out}: ONNX opset {OPSET}, {len(content) / 1e6:.1f} MB, at most {deviation:.1e} off torch on {len(crops)} "
        f"{'drawn pictures' if splits is None else 'crops'};\n"
        f"images {form.describe(height, width)} -> features (n, {model.num_features}) float32, L2-normalised"
        f"{'' if form.mirror else ', without mirror images'}"
    )
    if model.header.letterbox is not None:
        print(letterbox_text(model.header.letterbox))
    if means is not None and has_means:
        write_means(means, out)
        print(f"{means_path(out)}: means of {len(means.names)} cameras, to be taken off features (docs/centring.md)")
    if splits is not None:
        _compare(model, splits, content, _write_int8(model, splits, content, out) if command.int8 else None)
    return 0


def _form(command: ExportCommand) -> InputForm:
    """Return what the file is to take: what is asked for, else what the tool feeds, else the default."""
    start = TOOLS[command.tool] if command.tool else AS_DECODED
    return InputForm(
        layout=command.input or start.layout,
        values=command.values or start.values,
        channels=command.channels or start.channels,
        mirror=command.mirror,
    )


def _ending(command: ExportCommand, form: InputForm) -> str:
    """Return the ending of a file by default: forms do not replace each other."""
    if form == AS_DECODED:
        return ".onnx"
    name = command.tool or "-".join((form.layout, form.values, form.channels))
    return f".{name}{'' if form.mirror else '-no-mirror'}.onnx"


def _check(command: ExportCommand, out: Path) -> None:
    """Refuse what cannot work, before anything is computed."""
    if out.suffix != ".onnx":
        raise ExportError(f"ONNX files end in .onnx; {out} ends in {out.suffix or 'nothing'}.")
    if not out.absolute().parent.is_dir():
        raise WriteError(f"There is no folder {out.absolute().parent} to write {out.name} into.")
    if command.int8 and command.source.data is None:
        raise DataError(
            "Eight bits are calibrated on crops: name data, as for iics train (iics export MODEL sample --int8)."
        )


def _check_read_by_tool(command: ExportCommand, model: ReidModel) -> None:
    """Refuse a transformer for OpenCV, whose 4.14 cannot join a class token to a number of crops that is free."""
    from iics.models.backbone_spec import backbone_spec

    if command.tool == "opencv" and backbone_spec(model.header.backbone).structure.is_transformer:
        raise ExportError(
            f"OpenCV's network module does not read transformers (4.14 was tried), and {model.header.backbone} is one. "
            "Read the file with onnxruntime: leave --for out, or name the form by --input, --values and --channels."
        )


def _card(file: Path) -> str:
    """Return the text of the model card beside a model file, "" if there is none."""
    card = file.with_name(MODEL_CARD)
    try:
        return card.read_text(encoding="utf-8") if card.is_file() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise ExportError(f"The model card {card} cannot be read: {error}. Mend or remove it.") from error


def _pixels(crops: CropSet, model: ReidModel, count: int) -> Pixels:
    """Return so many crops, spread evenly over a set, or all if it has fewer."""
    import numpy as np

    from iics.pixels.images import load_pixels

    chosen = np.unique(np.linspace(0, len(crops) - 1, count).round().astype(np.int64))
    return load_pixels(
        crops.subset(chosen),
        height=model.header.height,
        width=model.header.width,
        interpolation=model.header.interpolation,
        letterbox=model.header.letterbox,
    )


def _write_int8(model: ReidModel, splits: DataSplits, content: bytes, out: Path) -> bytes:
    from iics.atomic import write_atomically
    from iics.export.int8 import quantised

    pixels = _pixels(splits.to_look_at(), model, _CALIBRATION_CROPS)
    small, small_out = quantised(content, pixels), out.with_suffix(".int8.onnx")
    write_atomically(small_out, small)
    calibrated = f"calibrated on {len(pixels)} crops of {splits.to_look_at().name}"
    print(f"{small_out}: {len(small) / 1e6:.1f} MB, convolutions in int8, {calibrated}.")
    return small


def _compare(model: ReidModel, splits: DataSplits, content: bytes, small: bytes | None) -> None:
    """Measure torch and the files side by side and print a table."""
    import torch

    from iics.export.comparison import PixelEmbedder, compare_forms, compared_sets
    from iics.export.onnx_model import OnnxModel

    threads = torch.get_num_threads()
    forms: dict[str, PixelEmbedder] = {"torch": model, "ONNX float32": OnnxModel(content, threads=threads)}
    if small is not None:
        forms["ONNX int8"] = OnnxModel(small, threads=threads)
    total = len(forms) * sum(len(crops) for crops in compared_sets(splits))
    with count_display("features", total) as progress:
        results = compare_forms(
            forms,
            splits,
            height=model.header.height,
            width=model.header.width,
            interpolation=model.header.interpolation,
            letterbox=model.header.letterbox,
            progress=progress,
        )
    _print_table(results, [len(part) for part in (content, small) if part is not None])


def _print_table(results: list[FormResult], sizes: list[int]) -> None:
    from rich.table import Table

    from iics.cli.machine import computer_line, console
    from iics.export.comparison import BATCH_SIZE

    table = Table("")
    for heading in (
        "MB",
        "mAP, %",
        "rank-1, %",
        "cosine to torch: mean",
        "least",
        "crops/s, 1",
        f"{BATCH_SIZE} at once",
    ):
        table.add_column(heading, justify="right")
    for result, size in zip(results, [None, *sizes], strict=True):
        shares = ["-" if share is None else f"{100 * share:.2f}" for share in (result.mean_ap, result.rank1)]
        table.add_row(
            result.name,
            "-" if size is None else f"{size / 1e6:.1f}",
            *shares,
            f"{result.mean_cosine:.4f}",
            f"{result.least_cosine:.4f}",
            f"{result.single_per_second:.1f}",
            f"{result.batch_per_second:.1f}",
        )
    console().print(table)
    print(f"Medians, in turn, preprocessing included; {computer_line()}")
