"""Trained model x training crops -> each camera's mean feature, as search sees it; processes share the work."""

from __future__ import annotations

from iics.crops import CropSet
from iics.models.camera_means import CameraMeans, spread_crops
from iics.models.features import extract_features, l2_normalise
from iics.models.reid_model import ReidModel
from iics.pixels.pixel_source import PixelSource, Reordered
from iics.training.distributed import Processes


def measured_camera_means(
    model: ReidModel, crops: CropSet, pixels: PixelSource, *, batch_size: int, processes: Processes
) -> CameraMeans:
    """Return the means of a model's cameras, over crops spread evenly; nothing random is drawn, the model stays.

    Every process calls this alike. The network is called as `ReidModel.embed` does, in float32, however it is trained.

    Args:
        model: Just trained.
        crops: It was trained on.
        pixels: Of the crops.
        batch_size: Crops forwarded at once.
        processes: Who shares the work.
    """
    chosen = spread_crops(crops.camera_ids)
    shares = processes.shares(len(chosen), unit=batch_size)
    own = processes.own(shares)
    raw = extract_features(
        model.backbone,
        Reordered(pixels, chosen),
        mean=model.header.mean,
        std=model.header.std,
        mirror=model.header.mirror,
        batch_size=batch_size,
        device=model.device,
        crops=range(own.start, own.stop),
    )
    features = l2_normalise(processes.gather_rows(raw, shares)).cpu().numpy()
    return CameraMeans.of(features, crops.camera_ids[chosen], crops.camera_names)
