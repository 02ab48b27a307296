"""Eq. 9 by several processes: each compares some rows of crops, and the first one assembles the matrix."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from iics.similarity.dense_overlap import dense_overlap_block
from iics.similarity.score_overlap import large_scores, score_overlap
from iics.similarity.sparse_overlap import mirror_lower
from iics.training.distributed import Processes

_PANEL_ROWS = 512


class SharedOverlap:
    """The overlap of all pairs of crops, for the first process; the others call `help`.

    If scores are sparse enough for the index, or are on an accelerator, the first process compares them alone.

    Args:
        processes: Who shares the work.
        scores: The same on every process; see `score_overlap`. Shape (n, K).
        num_cameras: Number of heads C.
    """

    def __init__(self, processes: Processes, scores: Tensor, *, num_cameras: int) -> None:
        self._processes = processes
        self.scores = scores
        self.num_cameras = num_cameras
        self._is_shared = processes.count > 1 and scores.device.type == "cpu" and len(scores) > _PANEL_ROWS
        if self._is_shared:
            self._matrix = scores.detach().float().contiguous().numpy()
            self._is_shared = large_scores(self._matrix, num_cameras=num_cameras) is None

    def matrix(self, scores: Tensor, *, num_cameras: int) -> Tensor:
        """Return what `score_overlap` returns, to the last bit. On the first process only. Shape (n, n)."""
        if not self._is_shared:
            return score_overlap(scores, num_cameras=num_cameras)
        overlap = np.empty((len(scores), len(scores)), np.float32)
        for turn, rows in enumerate(panels(len(scores))):
            owner = self._owner(turn)
            if owner == self._processes.rank:
                overlap[rows, : rows.stop] = dense_overlap_block(self._matrix[rows], self._matrix[: rows.stop])
            else:
                part = torch.empty(rows.stop - rows.start, rows.stop)
                self._processes.receive(part, source=owner)
                overlap[rows, : rows.stop] = part.numpy()
        mirror_lower(overlap)
        return torch.from_numpy(overlap)

    def help(self) -> None:
        """Compute and send what the first process waits for."""
        if not self._is_shared:
            return
        for turn, rows in enumerate(panels(len(self._matrix))):
            if self._owner(turn) == self._processes.rank:
                part = dense_overlap_block(self._matrix[rows], self._matrix[: rows.stop])
                self._processes.send(torch.from_numpy(part), to=0)

    def _owner(self, turn: int) -> int:
        """Return the process of a panel: in turns forth and back, because each panel is shorter than the last."""
        lap, place = divmod(turn, self._processes.count)
        return place if lap % 2 == 0 else self._processes.count - 1 - place


def panels(num_crops: int) -> list[slice]:
    """Return the rows of the panels below the diagonal, the longest first."""
    starts = range(0, num_crops, _PANEL_ROWS)
    return [slice(start, min(start + _PANEL_ROWS, num_crops)) for start in reversed(starts)]
