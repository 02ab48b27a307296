"""BN-neck heads: one classifier per camera (Eq. 7, 10) or one for all cameras (Eq. 11)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

WEIGHT_STD = 0.001


class BNNeckHead(nn.Module):
    """BatchNorm1d without offset, then a linear classifier without bias (Luo et al., "A Strong Baseline", 2020).

    Made new for every stage, from an explicit generator.
    """

    def __init__(self, num_features: int, num_classes: int, *, generator: torch.Generator) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(num_features)
        self.norm.bias.requires_grad_(False)
        weight = torch.empty(num_classes, num_features).normal_(0.0, WEIGHT_STD, generator=generator)
        self.weight = nn.Parameter(weight)

    def forward(self, features: Tensor) -> Tensor:
        """Return logits of raw features. Shapes (n, d) to (n, num_classes)."""
        return nn.functional.linear(self.norm(features), self.weight)


def heads_of(states: list[dict[str, Tensor]], device: torch.device) -> list[BNNeckHead]:
    """Return heads as they were when their state dicts were taken."""
    heads = []
    for state in states:
        num_classes, num_features = state["weight"].shape
        head = BNNeckHead(num_features, num_classes, generator=torch.Generator())
        head.load_state_dict(state)
        heads.append(head.to(device))
    return heads


@torch.no_grad()
def classifier_scores(features: Tensor, heads: list[BNNeckHead]) -> Tensor:
    """Return s, the heads' softmax outputs side by side (Eq. 10).

    Args:
        features: Raw features, mean over image and mirror image. Shape (n, d).
        heads: The C heads of stage 1; used in evaluation mode, and left in it.

    Returns:
        Scores; every row sums to C. Shape (n, classes of all heads).
    """
    sizes = [len(head.weight) for head in heads]
    scores = features.new_empty(len(features), sum(sizes))  # written once: at many cameras the scores are large
    for head, part in zip(heads, torch.split(scores, sizes, dim=1), strict=True):
        part.copy_(head.eval()(features).softmax(dim=1))
    return scores
