"""What a run of IICS took beyond the paper, in words, from its settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def beyond_paper(settings: Mapping[str, Any]) -> list[str]:
    """Return phrases, one for each switch that a run set; none for the paper's method.

    Args:
        settings: Of a run of the method iics, as its settings.json has them; older ones lack switches.
    """
    stages, tracklets = settings.get("stages", "both"), settings.get("tracklets") or {}
    stage1, stage2 = ({} if stages not in ("both", part) else settings.get(part) or {} for part in ("stage1", "stage2"))
    clusters, proxies = stage2.get("clusters") or {}, stage2.get("proxies") or {}
    one_camera, num_rounds = stage2.get("one_camera_clusters", "keep"), stage1.get("rounds", 0) if stage2 else 0
    is_dense = clusters.get("rule") == "density"
    told = {
        "labels from features less their camera's mean": stage2.get("centring", "off") != "off",
        "density clusters that grow": is_dense and clusters.get("grow", 0) > 0,
        "density clusters": is_dense and clusters.get("grow", 0) == 0,
        "no clusters of one camera": one_camera == "drop",
        "clusters weighted by their cameras": one_camera == "weigh",
        "batches of as many cameras as a cluster has": bool(stage2.get("camera_diverse")),
        "camera proxies": proxies.get("weight", 0) > 0,
        f"the distance {stage2.get('distance')} in stage 2": bool(stage2.get("distance")),
        f"stage 1 in the first {num_rounds} rounds only": num_rounds > 1,
        "stage 1 in the first round only": num_rounds == 1,
        "rates that fall in every round": "cosine" in (stage1.get("rates"), stage2.get("rates")),
        "tracklets as one individual each": bool(tracklets.get("must_link")),
        "boxes of one moment as different individuals": tracklets.get("apart", "off") != "off",
    }
    return [words for words, is_so in told.items() if is_so]
