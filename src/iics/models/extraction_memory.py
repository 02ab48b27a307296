"""Whether an extraction of features fits into memory, asked before anything is computed."""

from __future__ import annotations

from iics.errors import SettingsError
from iics.memory import free_memory, free_on
from iics.models.images_to_embed import CROPS_PER_BLOCK
from iics.models.map_memory import map_numbers
from iics.models.reid_model import ReidModel

_MOST_NUMBERS_A_PIXEL = 512
"""The widest backbones have less (regnety_2560: 373) in their largest maps, for each pixel of a crop: so counting them,
a second, is mostly spared."""


def check_extraction_fits(model: ReidModel, num_crops: int, *, batch_size: int) -> None:
    """Refuse a batch whose feature maps, with the crops decoded beside it, do not fit into the memory that is free.

    Ask before the first extraction of a process: memory that was used once stays with it, and does not look free.

    Raises:
        SettingsError: If they do not, with what they would take.
    """
    header, batch = model.header, min(batch_size, num_crops)
    area = header.height * header.width
    at_most = area * (_MOST_NUMBERS_A_PIXEL * 4 * batch + 3 * min(CROPS_PER_BLOCK, num_crops))
    told, free_there = free_memory(), free_on(model.device)
    free = float("inf") if told is None else told
    if at_most <= min(free, free_there):
        return
    maps = map_numbers(model.backbone, height=header.height, width=header.width).largest * 4 * batch
    pixels = min(CROPS_PER_BLOCK, num_crops) * area * 3
    on_cpu = model.device.type == "cpu"
    for needed, left in [(maps + pixels, free)] if on_cpu else [(pixels, free), (maps, free_there)]:
        if needed > left:
            raise SettingsError(
                f"Extracting features of {batch:,} crops at once at {header.height}x{header.width} needs about "
                f"{needed / 1e9:,.1f} GB of memory, {left / 1e9:.1f} GB are free. Take smaller batches (--batch-size), "
                "or a model of smaller crops."
            )
