"""model.md: what a run tells, as Markdown that shows every name as it is and YAML that a program reads."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from iics import presets
from iics.errors import RunFolderError, WeightsError
from iics.models.match_thresholds import MatchThreshold, MatchThresholds
from iics.models.score_meaning import NOT_CALIBRATED
from iics.models.weights_origin import WeightsOrigin
from iics.reports.model_card import RESPONSIBLE_USE, Markdown, escaped, model_card, write_model_card
from iics.reports.model_facts import ModelFacts
from iics.reports.told_run import ToldRun
from iics.runs.record import RoundRecord
from iics.settings_json import to_json
from iics.shown_name import shown

ROOT = Path(__file__).parent.parent.parent
LABELS = {
    "num_clusters": 25,
    "num_singletons": 5,
    "largest_share": 0.047,
    "camera_entropy_normalized": 0.5,
    "adjusted_rand_index": 0.61,
    "pairwise_precision": 0.5,
    "pairwise_recall": 0.7,
}
SCORES = {"mean_ap": 0.5, "rank1": 0.6, "rank5": 0.7, "num_queries": 50, "num_unmatched": 2}


def facts(**changes):
    record = {
        "round": 2,
        "stage1": {"pseudo_labels": {"door": LABELS, "hall": LABELS}},
        "stage2": {"pseudo_labels": LABELS},
        "seconds": {"stage1": 30.0, "stage2": 90.0},
        "evaluation": SCORES,
    }
    values = {
        "name": "first",
        "settings": {
            "rounds": 2,
            "seed": 7,
            "stages": "both",
            "model": {"backbone": "resnet50", "weights": "imagenet"},
        },
        "data": {
            "data": "folder",
            "data_dir": "/home/somebody/footage",
            "evaluate": "end",
            "name": "shop train",
            "num_crops": 170,
            "crops_per_camera": {"door": 85, "hall": 85, "yard": 0},
            "started": "2026-03-01",
        },
        "records": [{"round": 0, "evaluation": {"mean_ap": 0.1, "rank1": 0.2}}, record],
        "versions": {"iics": "0.1.0", "torch": "2.0"},
        "match_thresholds": None,
    }
    values |= changes
    told = {name: values.pop(name) for name in ("name", "settings", "data", "records")}
    told["records"] = tuple(map(RoundRecord.of, told["records"]))
    return ModelFacts(ToldRun(**told), **values)


def calibrated():
    return MatchThresholds(
        (MatchThreshold(0.001), MatchThreshold(0.01, 0.68, 0.004, 0.019, 0.66, None, 300, found=0.62)),
        calibration="tracklets and moments",
        data="shop",
        split="all crops",
        num_people=40,
        num_different=5000,
        num_people_pairs=780,
        num_same=300,
        is_trained_on=True,
        limits="No pair spans two cameras.",
    )


def yaml_of(card):
    start, text, rest = card.split("---\n", 2)
    assert start == ""
    assert rest.startswith("\n# ")
    return yaml.safe_load(text)


def test_the_card_begins_with_what_a_hub_reads():
    found = yaml_of(model_card(facts()))
    assert found["library_name"] == "iics"
    assert found["pipeline_tag"] == "image-feature-extraction"
    assert found["tags"] == ["person-re-identification", "unsupervised", "resnet50"]
    assert found["base_model"] == "timm/resnet50.tv_in1k"
    (model,) = found["model-index"]
    (result,) = model["results"]
    assert [(metric["name"], metric["value"]) for metric in result["metrics"]] == [("mAP", 50.0), ("rank-1", 60.0)]


def test_the_hub_s_own_reader_takes_it(tmp_path):
    hub = pytest.importorskip("huggingface_hub")
    (tmp_path / "README.md").write_text(model_card(facts()), encoding="utf-8")
    card = hub.ModelCard.load(tmp_path / "README.md")
    assert card.data.library_name == "iics"
    assert [result.metric_value for result in card.data.eval_results] == [50.0, 60.0]


def test_results_come_with_their_protocol():
    card = model_card(facts())
    assert "| before training | 10.0 | 20.0 | - | - | - |" in card
    assert "| after round 2 | 50.0 | 60.0 | 70.0 | - | - |" in card
    assert "Market-1501 protocol: ranked by cosine" in card
    assert "50 queries, 2 of them without an answer" in card
    assert "may claim somebody" not in card
    data = {name: value for name, value in facts().run.data.items() if name not in ("evaluate", "data")}
    assert "under which protocol was not recorded" in model_card(facts(data=data))


def test_open_set_figures_follow_the_protocol():
    missed = SCORES | {"open_set_area": 0.1, "open_set_missed_at_5": 0.25, "open_set_missed_at_10": 0.125}
    card = " ".join(model_card(facts(records=[{"round": 1, "evaluation": missed}])).split())
    assert (
        "2 of them without an answer in the gallery. Of the queries with an answer, a threshold misses 25.0 % "
        "where 5 % of those without one may claim somebody, 12.5 % where 10 % of those without one may claim somebody "
        "(open set)."
    ) in card


def test_what_was_not_measured_is_called_so():
    record = {"round": 2, "evaluation": {}, "stage2": {"pseudo_labels": {**LABELS, "adjusted_rand_index": None}}}
    card = model_card(facts(records=[record]))
    assert "Accuracy (mAP, CMC): not measured." in card
    assert "How well it finds people was not measured." in card
    assert "No identities were used." in card
    assert "model-index" not in yaml_of(card)
    assert NOT_CALIBRATED in card


@pytest.mark.parametrize(
    ("before", "after", "rows"),
    [
        (None, {"rank1": 0.6}, ["| after round 2 | - | 60.0 | - | - | - |"]),
        (
            {"rank5": 1},
            {"mean_ap": 0.5, "note": "words"},
            ["| before training | - | - | 100.0 | - | - |", "| after round 2 | 50.0 | - | - | - | - |"],
        ),
        ({"mean_ap": 0.5}, {"mean_ap": {"door": 0.5}, "rank1": "high", "rank5": True}, []),
        ({"mean_ap": 0.5}, {}, []),
    ],
)
def test_whatever_a_caller_measured_the_card_holds_what_there_is(before, after, rows):
    card = model_card(facts(records=[{"round": 0, "evaluation": before}, {"round": 2, "evaluation": after}]))
    assert [line for line in card.splitlines() if line.startswith(("| before training", "| after round"))] == rows
    assert ("Accuracy (mAP, CMC): not measured." in card) == (not rows)


def test_a_run_that_has_not_trained_yet_has_a_card():
    card = model_card(facts(records=[]))
    assert "round 0 of 2 (not finished)" in card
    assert "Pseudo-labels" not in card


def test_the_data_is_told_without_its_place():
    card = model_card(facts())
    assert "shop train: 170 crops of 2 cameras. It has identities, which were only used to measure" in card
    assert "| door | 85 |\n| hall | 85 |\n" in card
    assert "yard" not in card
    assert "somebody" not in card
    settings = {**facts().run.settings, "model": {"backbone": "resnet50", "weights": "/home/somebody/start.pth"}}
    card = model_card(facts(settings=settings))
    assert "somebody" not in card
    assert "the weights file start.pth" in card
    assert "base_model" not in yaml_of(card)


def test_a_supervised_model_says_that_it_was_trained_on_identities():
    settings = {**facts().run.settings, "stages": "supervised"}
    card = model_card(facts(settings=settings, records=[{"round": 2, "supervised": {"loss": 1.0}}]))
    assert "the model was trained on them" in card
    assert "Training with identities" in card
    assert yaml_of(card)["tags"][1] == "supervised"


def test_thresholds_are_a_table_and_a_limit():
    card = model_card(facts(match_thresholds=calibrated()))
    assert "| 0.1 % | too few people to tell |  |  |  |  |" in card
    assert "| 1 % | 0.680 | 0.660 to ? | 0.4 % to 1.9 % | not measured | 62 % |" in card
    assert "calibrated without identities" in card
    assert NOT_CALIBRATED not in card


def test_a_preset_that_was_named_is_told_and_does_not_differ_by_what_it_chose():
    chosen = replace(presets.OWN_CAMERAS, model=presets.SAMPLE.model, rounds=4)
    settings = json.loads(to_json(chosen))
    fits = "which fits network, size and rounds to crops and machine."
    assert f"Those of the preset own-cameras, {fits}" in model_card(facts(settings=settings))
    named = model_card(facts(settings=settings, data={"preset": "own-cameras-offline"}))
    assert f"Those of the preset own-cameras-offline, {fits}" in named


def test_a_model_of_one_camera_is_told_from_others():
    data = {"name": "shop train", "evaluate": "end", "num_crops": 85, "crops_per_camera": {"all": 85}}
    card = model_card(facts(data=data))
    assert "85 crops of 1 camera." in card
    assert "nothing taught the model how people look in another one" in card
    assert "whichever camera took them" not in card


def test_settings_name_the_nearest_preset_and_what_differs(tiny_settings):
    from dataclasses import asdict

    from iics import presets

    sample = json.loads(json.dumps(asdict(presets.SAMPLE)))
    assert "Those of the preset sample." in model_card(facts(settings=sample))
    other = json.loads(json.dumps(asdict(replace(presets.SAMPLE, rounds=9, momentum=0.8, seed=3, device="cuda"))))
    card = model_card(facts(settings=other))
    assert "Those of the preset sample, but for 2 of those below, which are marked." in card
    assert "| rounds | 9 (differs) |" in card
    assert "| momentum | 0.8 (differs) |" in card
    assert "| seed | 3 |" in card
    assert "cuda" not in card


def test_it_says_what_the_readme_says_of_responsible_use():
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert RESPONSIBLE_USE in readme
    assert RESPONSIBLE_USE in model_card(facts())


@pytest.mark.parametrize(
    "name",
    [
        "a|b",
        "x\n\n# Heading",
        "<script>alert(1)</script>",
        "*bold* _it_ `code` [l](http://x)",
        "Tür 東 \udcff",
        "a: b #c",
        'x: "y" # z',
        "é\x85\u2028",
        "- 1",
        "no",
    ],
)
def test_names_of_any_kind_are_shown_as_they_are(name):
    data = {**facts().run.data, "name": name, "crops_per_camera": {name: 3, "hall": 4}}
    card = model_card(facts(name=name, data=data))
    card.encode()
    (row,) = [line for line in card.splitlines() if re.fullmatch(r"\| .* \| 3 \|", line)]
    in_card = re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", row.removeprefix("| ").removesuffix(" | 3 |"))
    assert in_card == shown(name)
    bare = re.sub(r"\\.", "", row.removeprefix("| ").removesuffix(" | 3 |"))
    assert not re.search(r"[|<>*_`\[\]]", bare)
    assert yaml_of(card)["model-index"][0]["name"] == in_card


def test_markdown_stays_and_text_is_escaped():
    assert escaped(Markdown("*a*")) == "*a*"
    assert escaped("*a*") == r"\*a\*"
    assert escaped(0.5) == "0.5"
    assert escaped("www.x.org") == r"www\.x.org"


def test_other_folders_are_refused(tmp_path):
    with pytest.raises(RunFolderError, match=r" is no run folder: it has no settings\.json\."):
        write_model_card(tmp_path)
    (tmp_path / "settings.json").write_text("{")
    (tmp_path / "data.json").write_text("{}")
    with pytest.raises(RunFolderError, match=r"settings\.json is no valid JSON"):
        write_model_card(tmp_path)
    for name in ("settings.json", "data.json"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(WeightsError, match="No model file at"):
        write_model_card(tmp_path)


def test_the_weights_that_the_model_names_stand_on_the_card_with_their_licence():
    origin = WeightsOrigin("vit_x.a_b", "hf-hub:timm/vit_x.a_b", "ab" * 32, "apache-2.0, as timm states it")
    card = model_card(facts(origin=origin))
    assert (
        r"Training started from the weights vit\_x.a\_b (hf-hub:timm/vit\_x.a\_b; SHA-256 abababababababab...). "
        "Licence: apache-2.0, as timm states it. Their terms" in card
    )
    assert yaml_of(card)["base_model"] == "timm/vit_x.a_b"


def test_a_card_does_not_tell_where_the_folder_of_a_backbone_lies():
    settings = {"model": {"backbone": "local-dir:/home/somebody/nets/vit", "weights": "none"}}
    card = model_card(facts(settings=settings))
    assert "local-dir:vit" in card
    assert "somebody" not in card


def test_the_card_of_a_model_of_animals_speaks_of_animals():
    settings = {"rounds": 2, "model": {"backbone": "resnet50", "weights": "imagenet", "subject": "animal"}}
    text = model_card(facts(settings=settings, match_thresholds=calibrated())).replace(escaped(RESPONSIBLE_USE), "")
    assert "crops of one animal lie close together" in text
    assert "name: animal re-identification" in text
    assert re.findall(r".{0,40}\b(?:person|people)\b.{0,40}", text) == []


def test_what_a_run_took_beyond_the_paper_is_said():
    def card_of(settings):
        return model_card(facts(settings=json.loads(to_json(settings))))

    assert "Beyond that paper" not in card_of(presets.IICS)
    assert (
        "Beyond that paper, this run took: labels from features less their camera's mean, density clusters "
        "that grow, no clusters of one camera, batches of as many cameras as a cluster has, camera proxies, stage 1 in "
        "the first round only, rates that fall in every round."
    ) in card_of(presets.OWN_CAMERAS)
    one_camera = replace(presets.OWN_CAMERAS, stages="stage1")
    assert "Beyond that paper, this run took: rates that fall in every round." in card_of(one_camera)
    stage2 = replace(presets.OWN_CAMERAS, stages="stage2", stage2=replace(presets.OWN_CAMERAS.stage2, rates="constant"))
    assert "camera proxies." in card_of(stage2)
