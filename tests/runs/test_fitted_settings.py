"""What own-cameras chooses: a function of crops, machine and weights that can be had, and of what was given."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import iics
from iics.cli.fitting import Fitting
from iics.errors import WeightsError
from iics.model_settings import ModelSettings
from iics.models.backbone_spec import _ENTRIES
from iics.models.packaged_weights import PACKAGE_OF
from iics.models.reid_model import create_model
from iics.presets import OWN_CAMERAS, OWN_CAMERAS_OFFLINE, for_subject
from iics.runs.fitted_settings import fit_length, fit_network, installed_problem
from iics.runs.machine import Machine

LAPTOP, SERVER = Machine(False, 2, 16 * 10**9), Machine(False, 64, 256 * 10**9)
SMALL_GPU, GPU = Machine(True, 16, 6 * 10**9), Machine(True, 16, 80 * 10**9)


def fitted(machine, *, crops=120, cameras=3, without=(), keeping=(), settings=OWN_CAMERAS, may_download=True):
    """Return what is chosen where the weights of some networks cannot be had; `asked` gets who was asked for."""
    found = fit_network(
        settings,
        machine,
        keeping=keeping,
        problem_of=lambda model, _: (
            f"No {model.backbone}. Without a download: ..." if model.backbone in without else None
        ),
        may_download=may_download,
    )
    return fit_length(found, num_crops=crops, num_cameras=cameras)


def network(found):
    model = found.settings.model
    return model.backbone, model.height, model.width


def test_a_processor_gets_a_small_network_small_crops_and_few_rounds():
    found = fitted(LAPTOP)
    assert network(found) == ("efficientnet_lite0", 128, 64)
    assert found.settings.rounds == 16


def test_a_gpu_gets_what_the_paper_trains():
    found = fitted(GPU, crops=12936, cameras=6)
    assert network(found) == ("resnet50", 256, 128)
    assert (found.settings.rounds, found.settings.engine.parts) == (40, 1)
    assert found.settings == OWN_CAMERAS


def test_a_gpu_without_the_papers_weights_gets_the_next_network_and_says_why():
    found = fitted(GPU, without=["resnet50"])
    assert network(found) == ("efficientnet_lite0", 256, 128)
    assert found.choice_line.endswith("The paper's network is out: No resnet50.")


def test_only_the_first_network_may_ask_the_server():
    asked = []

    def problem_of(model, may_download):
        asked.append((model.backbone, may_download))
        return "no answer"

    with pytest.raises(WeightsError, match="no answer"):
        fit_network(OWN_CAMERAS, GPU, keeping=(), problem_of=problem_of, may_download=True)
    assert asked == [("resnet50", True), ("efficientnet_lite0", False), ("resnet18", False)]


@pytest.mark.parametrize(
    ("machine", "crops", "rounds"),
    [(LAPTOP, 120, 16), (LAPTOP, 15_000, 11), (LAPTOP, 100_000, 9), (SERVER, 100_000, 16), (GPU, 100_000, 40)],
)
def test_more_crops_or_fewer_cores_mean_fewer_rounds_on_a_processor(machine, crops, rounds):
    assert fitted(machine, crops=crops).settings.rounds == rounds


@pytest.mark.parametrize(("machine", "cameras", "parts"), [(GPU, 6, 1), (SMALL_GPU, 6, 2), (SMALL_GPU, 40, 8)])
def test_a_batch_is_computed_in_parts_where_memory_is_scarce(machine, cameras, parts):
    assert fitted(machine, cameras=cameras).settings.engine.parts == parts


@pytest.mark.parametrize(
    "given",
    [
        {"model.backbone": "resnet18"},
        {"model.height": 192, "model.width": 96},
        {"rounds": 3},
        {"engine.parts": 4},
    ],
)
def test_what_was_given_stays_and_the_rest_is_chosen(given):
    free = fitted(LAPTOP).settings
    model = {name.partition(".")[2]: value for name, value in given.items() if name.startswith("model.")}
    engine = {"parts": given["engine.parts"]} if "engine.parts" in given else {}
    settings, expected = (
        replace(
            one,
            model=replace(one.model, **model),
            engine=replace(one.engine, **engine),
            rounds=given.get("rounds", one.rounds),
        )
        for one in (OWN_CAMERAS, free)
    )
    assert fitted(LAPTOP, settings=settings, keeping=given).settings == expected


def test_the_same_crops_on_the_same_machine_are_the_same_choice(people):
    assert iics.fit_settings(people.train) == iics.fit_settings(people.train)


def test_a_given_model_of_ours_says_which_network_goes_on(tmp_path):
    model = ModelSettings(backbone="test_efficientnet", weights="none", height=96, width=48)
    create_model(model, device=torch.device("cpu")).save(tmp_path / "model.safetensors")
    settings = replace(OWN_CAMERAS, model=replace(OWN_CAMERAS.model, weights=str(tmp_path)))
    assert network(fitted(LAPTOP, settings=settings)) == ("test_efficientnet", 96, 48)
    assert network(fitted(LAPTOP, settings=settings, keeping=["model.height", "model.width"])) == (
        "test_efficientnet",
        256,
        128,
    )


def test_other_subjects_get_a_square_of_as_many_pixels_and_are_offered_larger_squares():
    animals = for_subject(OWN_CAMERAS, "animal")
    assert network(fitted(GPU, settings=animals)) == ("resnet50", 192, 192)
    small = fitted(LAPTOP, settings=animals)
    assert network(small) == ("efficientnet_lite0", 96, 96)
    assert "--height 192 --width 192 (4 times)" in small.better_line
    one_side = for_subject(OWN_CAMERAS, "animal", keeping=["model.height"])
    one_side = replace(one_side, model=replace(one_side.model, height=160, width=160))
    assert network(fitted(LAPTOP, settings=one_side, keeping=["model.height"])) == ("efficientnet_lite0", 160, 160)


def test_a_model_of_ours_brings_how_its_crops_are_taken_unless_a_subject_or_a_flag_says(tmp_path):
    model = ModelSettings(
        backbone="test_efficientnet",
        weights="none",
        height=64,
        width=64,
        subject="animal",
        mirror=False,
        fit="letterbox",
        letterbox_colour="010203",
    )
    create_model(model, device=torch.device("cpu")).save(tmp_path / "model.safetensors")
    settings = replace(OWN_CAMERAS, model=replace(OWN_CAMERAS.model, weights=str(tmp_path)))
    found = fitted(LAPTOP, settings=settings).settings.model
    assert (found.subject, found.mirror, found.letterbox) == ("animal", False, (1, 2, 3))
    kept = fitted(LAPTOP, settings=settings, keeping=["model.mirror", "model.fit"]).settings.model
    assert (kept.subject, kept.mirror, kept.letterbox) == ("animal", True, None)
    vehicles = fitted(LAPTOP, settings=for_subject(settings, "vehicle")).settings.model
    assert (vehicles.subject, vehicles.mirror) == ("vehicle", True)


def test_the_method_is_the_presets_own():
    for preset in (OWN_CAMERAS, OWN_CAMERAS_OFFLINE):
        found = fitted(LAPTOP, settings=preset).settings
        assert replace(found, model=preset.model, rounds=preset.rounds, engine=preset.engine) == preset


def test_better_and_dearer_is_told_with_flags_and_factors_and_not_where_it_was_decided():
    assert fitted(LAPTOP).better_line == (
        "Probably better, and dearer: --rounds 40 (2 times as long); --height 256 --width 128 (4 times); --backbone "
        "resnet50 --height 256 --width 128 (about 13 times; needs its ImageNet weights); a GPU. Every flag overrules "
        "what was chosen."
    )
    kept = ["model.backbone", "model.height", "model.width", "rounds"]
    assert fitted(LAPTOP, keeping=kept[:3]).better_line.startswith("Probably better, and dearer: --rounds 40 (2 times")
    assert fitted(GPU).better_line == "Better: nothing that is known here; these are the paper's."


def test_the_choice_is_told_with_what_it_fits():
    assert fitted(LAPTOP).choice_line == (
        "Chosen: efficientnet_lite0 at 128x64, 16 rounds, for 120 crops of 3 cameras on a processor with 2 cores. The "
        "paper's ResNet-50 at 256x128 for 40 rounds is for GPUs."
    )


def test_packages_are_seen_without_torch():
    for backbone in _ENTRIES:
        known = installed_problem(ModelSettings(backbone=backbone), False)
        package = PACKAGE_OF.get(backbone)
        assert (known is None) == (package is not None and package.is_installed), backbone
    assert installed_problem(ModelSettings(backbone="efficientnet_lite0"), False) is None


def test_only_presets_of_own_cameras_are_fitted_and_only_what_is_left_open():
    assert Fitting.of("sample", OWN_CAMERAS) is None
    assert Fitting.of(None, OWN_CAMERAS) is None
    kept = frozenset({"model.backbone", "model.height", "model.width", "rounds"})
    assert Fitting.of("own-cameras", OWN_CAMERAS, kept) is None
    assert Fitting.of("own-cameras-offline", OWN_CAMERAS, kept - {"rounds"}) == Fitting(
        OWN_CAMERAS, kept - {"rounds"}, may_download=False
    )


@pytest.mark.usefixtures("unreported")
def test_the_estimate_before_training_leaves_no_trace_in_the_result(folder_people, tiny_settings, tmp_path):
    data = iics.load_folder(folder_people)
    settings = replace(tiny_settings, rounds=1)
    before = iics.train(data.train, settings=settings, out=tmp_path / "before").model
    chosen = Fitting(settings, frozenset(), may_download=False)
    found = fit_length(
        fit_network(settings, LAPTOP, keeping=["model.backbone"], problem_of=installed_problem, may_download=False),
        num_crops=len(data.train),
        num_cameras=3,
    )
    lines = chosen.lines(replace(found, settings=settings), data, is_alone=True)
    assert lines[1].startswith("Time: about ")
    after = iics.train(data.train, settings=settings, out=tmp_path / "after").model
    np.testing.assert_array_equal(before.embed(data.train), after.embed(data.train))
