"""Which model made a feature: a short hash of all that decides what the network computes."""

from __future__ import annotations

import json
from dataclasses import asdict

from iics.models.model_file import contents_hash
from iics.models.model_header import ModelHeader
from iics.models.network_parts import OUR_PARTS
from iics.models.reid_model import ReidModel

_DECISIVE = ("backbone", "norm", "norm_stages", "alpha_sharing", "height", "width", "mean", "std")


def model_fingerprint(model: ReidModel) -> str:
    """Return 16 hexadecimal digits, the same for the same weights and preprocessing on any device and in any file.

    What a header tells beside (rounds of training, versions) does not count.
    """
    return contents_hash(_decisive_values(model.header), model.backbone.state_dict())[:16]


def _decisive_values(header: ModelHeader) -> str:
    values = {name: getattr(header, name) for name in _DECISIVE}
    # A network of ours says nothing of these: galleries of earlier versions know its fingerprint without them.
    if header.last_stride != 1:
        values["last_stride"] = header.last_stride
    if header.interpolation != "bicubic":
        values["interpolation"] = header.interpolation
    if not header.mirror:
        values["mirror"] = False
    if header.letterbox is not None:
        values["letterbox"] = header.letterbox
    if header.parts != OUR_PARTS:
        values["parts"] = asdict(header.parts)
    return json.dumps(values, sort_keys=True)
