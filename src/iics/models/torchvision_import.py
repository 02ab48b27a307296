"""Import torchvision beside a torch build that its compiled operators do not fit.

timm imports torchvision. The wheel on PyPI is compiled for CUDA; beside a CPU-only torch its operators cannot be loaded
and `import torchvision` ends with "operator torchvision::nms does not exist"
(https://github.com/pytorch/vision/issues/9085). We use no compiled operator of it, so the missing ones are declared,
without an implementation: calling one still fails, importing works.
"""

from __future__ import annotations

import logging
import re

import torch

from iics.models.without_compiler import forget, import_without_compiler

logger = logging.getLogger(__name__)

_declared = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
_SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_MISSING = re.compile(r"operator torchvision::(\w+) does not exist")


def import_torchvision() -> None:
    """Import torchvision, declaring the operators that it misses.

    Raises:
        RuntimeError: torchvision's own, if it fails for another reason.
    """
    already_declared: set[str] = set()
    while True:
        try:
            import_without_compiler("torchvision")
            return
        except RuntimeError as error:
            missing = _MISSING.search(str(error))
            if missing is None or missing[1] in already_declared:
                raise
            logger.debug("torchvision does not fit torch %s; declaring its %s", torch.__version__, missing[1])
            _declared.define(missing[1] + _SIGNATURE)  # type: ignore[no-untyped-call]
            already_declared.add(missing[1])
            forget("torchvision")
