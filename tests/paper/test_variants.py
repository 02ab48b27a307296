"""Every row of the paper's tables is a change of settings, and changes what it names."""

from dataclasses import replace
from typing import get_args

import pytest

from iics import presets
from iics.config import Settings
from iics.errors import SettingsError
from iics.models.backbone import alpha_by_block, create_backbone
from iics.models.backbone_spec import backbone_spec
from iics.paper import paper_results
from iics.paper.variants import LAYERS, TABLE1, TABLE2, TABLE3, TABLE4, TABLE5, TargetName, variants_of

FULL = replace(presets.SAMPLE, distance=replace(presets.SAMPLE.distance, kind="cosine"))


def settings_of(rows, label, full=FULL):
    (variant,) = [row for row in rows if row.label == label]
    return variant.change(full)


@pytest.mark.parametrize(
    ("target", "table"),
    [
        ("table1", paper_results.TABLE1),
        ("table2", paper_results.TABLE2),
        ("table3", paper_results.TABLE3[paper_results.MARKET]),
        ("table3", paper_results.TABLE3[paper_results.DUKE]),
        ("table4", paper_results.TABLE4),
        ("table5", paper_results.TABLE5),
        ("table6", paper_results.TABLE6),
    ],
)
def test_the_rows_are_the_papers_in_its_order(target, table):
    assert [variant.label for variant in variants_of(target, FULL)] == list(table)


@pytest.mark.parametrize("target", get_args(TargetName))
def test_every_target_has_variants_with_names_of_their_own(target):
    labels = [variant.label for variant in variants_of(target, FULL)]
    assert len(labels) == len(set(labels)) > 0


@pytest.mark.parametrize(
    ("label", "stages", "similarity"),
    [
        ("stage 1", "stage1", "inter-camera"),
        ("stage 2, CNN similarity", "stage2", "cnn"),
        ("both, CNN similarity", "both", "cnn"),
        ("both, Eq. 9", "both", "overlap"),
        ("both, Eq. 5", "both", "inter-camera"),
    ],
)
def test_table_1_changes_stages_and_similarity(label, stages, similarity):
    expected = replace(FULL, stages=stages, stage2=replace(FULL.stage2, similarity=similarity))
    assert settings_of(TABLE1, label) == expected


@pytest.mark.parametrize(
    ("label", "norm"),
    [("BN", "bn"), ("IBN", "ibn"), ("IN", "in"), ("AIBN, alpha fixed", "aibn-fixed"), ("AIBN", "aibn")],
)
def test_table_2_changes_the_norm_alone(label, norm):
    assert settings_of(TABLE2, label) == replace(FULL, model=replace(FULL.model, norm=norm))


def test_table_3_compares_bn_and_aibn():
    assert [settings_of(TABLE3, label).model.norm for label in ("BN", "AIBN")] == ["bn", "aibn"]


@pytest.mark.parametrize(
    ("label", "sharing"),
    [
        ("alpha shared by nobody", "none"),
        ("alpha shared by a bottleneck", "block"),
        ("alpha shared by a layer", "stage"),
    ],
)
def test_table_4_changes_who_shares_an_alpha(label, sharing):
    assert settings_of(TABLE4, label) == replace(FULL, model=replace(FULL.model, alpha_sharing=sharing))


def test_the_same_run_stands_for_the_full_method_in_every_table():
    rows = [(TABLE1, "both, Eq. 5"), (TABLE2, "AIBN"), (TABLE4, "layers 3+4"), (TABLE5, "cosine (+)")]
    assert all(settings_of(table, label) == FULL for table, label in rows)
    assert settings_of(TABLE4, "nowhere") == settings_of(TABLE2, "BN")


def test_tables_5_and_6_compare_distances():
    reranked = settings_of(TABLE5, "re-ranked (++)")
    assert reranked == replace(FULL, distance=replace(FULL.distance, kind="reranked"))


def test_figure_4_varies_mu_around_the_presets_and_shares_two_runs_with_table_1():
    variants = variants_of("figure4", FULL)
    assert [variant.label for variant in variants] == ["0", "0.0125", "0.025", "0.05", "0.1", "0.2"]
    changed = [variant.change(FULL) for variant in variants]
    assert changed[0] == settings_of(TABLE1, "both, CNN similarity")
    assert changed[3] == FULL
    assert [settings.stage2.mu for settings in changed[1:]] == [0.0125, 0.025, 0.05, 0.1, 0.2]


def test_figure_4_at_the_papers_scale_has_the_papers_mu():
    labels = [variant.label for variant in variants_of("figure4", presets.MARKET1501)]
    assert labels == ["0", "0.005", "0.01", "0.02", "0.04", "0.08"]
    assert set(paper_results.FIGURE4) <= set(labels)


def replaced_norms(backbone, label):
    full = Settings(model=replace(FULL.model, backbone=backbone, weights="none", alpha_sharing="none"))
    model = settings_of(TABLE4, label, full).model
    network = create_backbone(
        backbone, weights="none", norm="aibn", norm_stages=model.norm_stages, alpha_sharing="none"
    )
    return set(alpha_by_block(network))


@pytest.mark.parametrize("backbone", ["resnet50", "efficientnet_lite0"])
def test_table_4s_positions_are_there_and_add_up(backbone):
    positions = ("layers 1+2", "layers 3+4", "layer 4", "layers 2+3+4", "all layers")
    first, later, last, without_first, all_layers = (replaced_norms(backbone, label) for label in positions)
    assert min(map(len, (first, later, last, without_first, all_layers))) > 0
    assert not first & later
    assert first | later == all_layers
    assert last < later < without_first < all_layers


@pytest.mark.parametrize("backbone", LAYERS)
def test_layers_3_and_4_are_the_default_position_of_every_backbone(backbone):
    assert (*LAYERS[backbone][3], *LAYERS[backbone][4]) == backbone_spec(backbone).later_half


def test_resnets_first_and_second_layer_are_table_4s():
    assert {path.split(".")[0] for path in replaced_norms("resnet50", "layers 1+2")} == {"layer1", "layer2"}


def test_table_4_of_a_backbone_whose_layers_nobody_named_is_refused():
    with pytest.raises(SettingsError, match=r"^Table 4 knows the layers of resnet50, .*, not of regnetx_002\."):
        replaced_norms("regnetx_002", "layer 4")
