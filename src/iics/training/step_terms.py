"""What the steps of a stage lost: read at once on the CPU; on a GPU every so many steps, so that none waits for it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from iics.training.context import TrainingContext
from iics.training.losses import check_loss

STEPS_BETWEEN_READINGS = 20
"""On a GPU. Each reading empties its queue of work; a divergence is noticed so many steps later."""


class StepTerms:
    """The terms of the loss of each step so far.

    Args:
        context: Who is told about every step, with the loss that was read last.
        num_steps: Steps of the stage.
    """

    def __init__(self, context: TrainingContext, num_steps: int) -> None:
        self._context, self._num_steps = context, num_steps
        self._between = 1 if context.model.device.type == "cpu" else STEPS_BETWEEN_READINGS
        self._read: list[list[float]] = []
        self._unread: list[Tensor] = []

    def add(self, terms: Tensor, *, num_images: int) -> None:
        """Take the terms of the next step, the loss first.

        Raises:
            TrainingError: If training has diverged.
        """
        self._unread.append(terms)
        step = len(self._read) + len(self._unread)
        if len(self._unread) == self._between or step == self._num_steps:
            self._read_all()
        loss = self._read[-1][0] if self._read else None
        self._context.report("train", step, self._num_steps, num_images=num_images, loss=loss)

    def means(self) -> list[float]:
        """Return the mean of each term over the steps."""
        means: list[float] = np.mean(self._read, axis=0).tolist()
        return means

    def _read_all(self) -> None:
        for terms in torch.stack(self._unread).tolist():
            self._read.append(terms)
            check_loss(terms[0], phase=self._context.stage, step=len(self._read))
        self._unread.clear()
