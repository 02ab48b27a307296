import importlib.util
import re
from dataclasses import replace

import pytest

from iics.config import ClusterSettings, DistanceSettings, ProxySettings, Settings, Stage1Settings, Stage2Settings
from iics.errors import SettingsError, TrainingError
from iics.labelling.labeller import labeller_of
from iics.methods import trainable
from iics.methods.by_name import METHODS, settings_for, with_own_settings
from iics.methods.trainable import BYTES_OF_PROCESS, check_choices, check_scores_fit, check_trainable, predicted_memory
from iics.model_settings import ModelSettings
from iics.training.losses import LOSSES, LabelLoss

CNN = Stage2Settings(similarity="cnn")


@pytest.fixture
def free_memory(monkeypatch):
    """Set how many bytes are free."""

    def set_free(free):
        monkeypatch.setattr(trainable, "free_memory", lambda: free)

    return set_free


@pytest.fixture
def without_faiss(monkeypatch):
    """As if the extra were not installed."""
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "faiss" else find_spec(name))


def settings_of(rule="fixed", *, most=20_000, stages="both", stage2=CNN):
    clusters = ClusterSettings(rule=rule)
    return Settings(
        distance=DistanceSettings(max_dense_crops=most),
        stage1=Stage1Settings(clusters=clusters),
        stage2=replace(stage2, clusters=clusters),
        stages=stages,
    )


def test_crops_that_can_be_compared_are_trainable(make_crops, free_memory):
    crops = make_crops([5, 1, 3])
    free_memory(None)
    check_trainable(crops, Settings())
    free_memory(predicted_memory([5, 1, 3], Settings()))
    check_trainable(crops, Settings())


def test_a_distance_of_stage_2_that_does_not_exist_is_refused():
    with pytest.raises(SettingsError, match=r"stage2\.distance.*camera-jacard.*camera-jaccard"):
        check_choices(Settings(stage2=Stage2Settings(distance="camera-jacard")))


def test_weighing_with_a_loss_that_weighs_nothing_is_refused_before_stage_1_is_trained(monkeypatch):
    monkeypatch.setitem(LOSSES, "unweighed", lambda *_: LabelLoss())
    weighed = Stage2Settings(one_camera_clusters="weigh")
    check_choices(Settings(stage2=weighed))
    check_choices(Settings(stage2=replace(weighed, loss="unweighed"), stages="stage1"))
    with pytest.raises(SettingsError, match="LabelLoss does not weigh clusters; choose stage2"):
        check_choices(Settings(stage2=replace(weighed, loss="unweighed")))


def test_a_graph_too_narrow_for_either_round_is_refused():
    distance = DistanceSettings(graph_neighbours=50, k2_first_round=30)
    check_choices(Settings(distance=distance))
    with pytest.raises(SettingsError, match=r"distance\.graph_neighbours must be at least 60, got 50"):
        check_choices(Settings(distance=distance, stage2=Stage2Settings(distance="camera-jaccard")))


def test_memory_of_the_distance_of_stage_2_is_predicted():
    settings = settings_of(stages="stage2")
    by_camera = replace(settings, stage2=replace(settings.stage2, distance="camera-jaccard"))
    # In the first round 27 weights over 6 crops each, and two lists of 21; in place of 21 x 12 expanded members.
    more = 1000 * (48 * 27 * 6 + 90 * 42 - 4 * 21 * 12)
    assert predicted_memory([600, 400], by_camera) - predicted_memory([600, 400], settings) == more


def test_crops_of_one_camera_train_stage_1_alone(make_crops):
    settings, why = settings_for(make_crops([5]), Settings())
    assert settings == Settings(stages="stage1")
    assert why.startswith("All 5 crops of crops are of one camera, so rounds are stage 1 alone")
    check_trainable(make_crops([5]), settings)
    assert settings_for(make_crops([5, 5]), Settings()) == (Settings(), "")
    stage2 = Settings(stages="stage2", stage2=Stage2Settings(similarity="cnn"))
    assert settings_for(make_crops([5]), stage2) == (stage2, "")
    check_trainable(make_crops([5]), stage2)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"one_camera_clusters": "drop"},
            "stage2.one_camera_clusters drop. Say --stage2.one-camera-clusters keep, or train",
        ),
        ({"proxies": ProxySettings(weight=0.5)}, "stage2.proxies.weight 0.5. Say --stage2.proxies.weight 0, or train"),
        (
            {"one_camera_clusters": "drop", "proxies": ProxySettings(weight=0.5)},
            "stage2.one_camera_clusters drop, stage2.proxies.weight 0.5. Say --stage2.one-camera-clusters keep "
            "--stage2.proxies.weight 0, or train",
        ),
    ],
)
def test_what_compares_cameras_is_refused_with_one(make_crops, change, words):
    stage2 = Stage2Settings(similarity="cnn", **change)
    with pytest.raises(TrainingError, match=f"are of one camera, and what compares cameras is set: {words}"):
        check_trainable(make_crops([5]), Settings(stages="stage2", stage2=stage2))


def test_cluster_contrast_needs_no_cameras_and_drops_no_clusters_of_the_only_one(make_crops):
    settings = with_own_settings(Settings(method="cluster-contrast"))
    METHODS["cluster-contrast"].check(make_crops([5]), settings)
    dropping = replace(settings.own, labels=replace(settings.own.labels, one_camera_clusters="drop"))
    with pytest.raises(TrainingError, match=r"--own\.one-camera-clusters drop would leave no cluster"):
        METHODS["cluster-contrast"].check(make_crops([5]), replace(settings, own=dropping))


def test_cameras_of_one_crop_are_refused(make_crops):
    with pytest.raises(TrainingError) as caught:
        check_trainable(make_crops([1, 1, 1]), Settings())
    assert str(caught.value) == "No camera has 2 crops or more; stage 1 has nothing to compare. Add crops."


def test_too_little_memory_is_refused_with_what_is_needed_and_the_way_out(make_crops, free_memory):
    free_memory(1_500_000_000)
    with pytest.raises(TrainingError) as caught:
        check_trainable(make_crops([6000, 4000]), Settings(distance=DistanceSettings(max_dense_crops=10_000)))
    # 1 GB, 3 x 10,000 features of 2,048 numbers, as many scores of 600 + 600 clusters, a matrix of
    # 10,000 x 10,000.
    assert str(caught.value) == (
        "Clustering 10,000 crops needs about 1.7 GB of memory, 1.5 GB are free. Compare fewer pairs "
        "(--distance.max-dense-crops 5000: a graph of neighbours above), train on fewer crops or on a machine with "
        "more memory."
    )


def test_crops_beyond_the_matrix_are_refused_without_the_advice_to_compare_fewer(make_crops, free_memory):
    free_memory(500_000_000)
    with pytest.raises(TrainingError) as caught:
        check_trainable(make_crops([6000, 4000]), Settings(distance=DistanceSettings(max_dense_crops=1)))
    assert str(caught.value).endswith("Train on fewer crops or on a machine with more memory.")


def test_stage_1_alone_names_its_largest_camera(make_crops, free_memory):
    settings = settings_of(stages="stage1", most=6000)
    free_memory(predicted_memory([6000, 4000], settings) - 1)
    with pytest.raises(TrainingError, match=r"^Clustering 6,000 crops needs .*--distance\.max-dense-crops 3000: "):
        check_trainable(make_crops([6000, 4000]), settings)


def test_one_byte_too_few_is_refused(make_crops, free_memory):
    crops, settings = make_crops([50, 40]), settings_of()
    free_memory(predicted_memory([50, 40], settings) - 1)
    with pytest.raises(TrainingError, match="Clustering 90 crops"):
        check_trainable(crops, settings)


@pytest.mark.usefixtures("without_faiss")
def test_a_missing_faiss_is_refused_if_it_is_asked_for(make_crops):
    crops = make_crops([5, 5])
    check_trainable(crops, Settings())
    with pytest.raises(SettingsError) as caught:
        check_trainable(crops, Settings(distance=DistanceSettings(neighbour_search="faiss")))
    assert str(caught.value) == ("distance.neighbour_search faiss needs the package faiss: pip install 'iics[faiss]'.")


# --- choices by name


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            Settings(stage2=Stage2Settings(similarity="intercamera")),
            "There is no stage2.similarity 'intercamera'; there is inter-camera, overlap, cnn. Did you mean "
            "inter-camera?",
        ),
        (
            Settings(distance=DistanceSettings(kind="euclidean")),
            "There is no distance.kind 'euclidean'; there is reranked, cosine, jaccard, camera-jaccard.",
        ),
        (
            Settings(distance=DistanceSettings(neighbour_search="fais")),
            "There is no distance.neighbour_search 'fais'; there is exact, faiss. Did you mean faiss?",
        ),
        (
            Settings(stage1=Stage1Settings(clusters=ClusterSettings(rule="Auto"))),
            "There is no clusters.rule 'Auto'; there is fixed, quantile, auto, density. Did you mean auto?",
        ),
        (
            Settings(stages="stage2"),
            "Without stage 1 there are no classifier scores: stages stage2 needs stage2.similarity cnn, not "
            "inter-camera.",
        ),
        (
            Settings(stages="stage2", stage2=Stage2Settings(similarity="overlap")),
            "Without stage 1 there are no classifier scores: stages stage2 needs stage2.similarity cnn, not overlap.",
        ),
        (
            Settings(distance=DistanceSettings(neighbour_search="faiss"), stage2=Stage2Settings(similarity="overlap")),
            "distance.neighbour_search faiss compares features; stage2.similarity overlap needs exact.",
        ),
    ],
)
def test_choices_that_do_not_exist_or_go_together_are_refused(make_crops, settings, message):
    for refused in (lambda: check_choices(settings), lambda: check_trainable(make_crops([5, 5]), settings)):
        with pytest.raises(SettingsError) as caught:
            refused()
        assert str(caught.value) == message


def test_choices_that_go_together_are_accepted():
    check_choices(Settings(stages="stage2", stage2=Stage2Settings(similarity="cnn")))
    for similarity in ("inter-camera", "cnn"):
        approximate = DistanceSettings(neighbour_search="faiss")
        check_choices(Settings(distance=approximate, stage2=Stage2Settings(similarity=similarity)))


# --- the prediction


def test_prediction_worked_by_hand():
    settings = replace(settings_of(stage2=Stage2Settings()), model=ModelSettings(backbone="resnet18"))
    features = 3 * 4 * 10_000 * 512
    scores = 4 * 10_000 * (600 + 600 + 500)  # never more clusters than half the crops of a camera
    labelling = 4 * 10_000**2 + 4 * 10_000 * 21 * 12
    assert predicted_memory([5000, 4000, 1000], settings) == BYTES_OF_PROCESS + features + scores + labelling


def test_pixels_take_no_memory_whatever_their_size():
    small, large = (
        predicted_memory([500, 500], replace(settings_of(), model=ModelSettings(height=size, width=size)))
        for size in (64, 512)
    )
    assert small == large


@pytest.mark.parametrize("rule", ["auto", "quantile"])
def test_scores_of_clusters_not_counted_yet_are_guessed_at_a_cluster_for_four_crops(rule):
    with_scores = predicted_memory([5000, 4001], settings_of(rule, stage2=Stage2Settings()))
    assert with_scores - predicted_memory([5000, 4001], settings_of(rule)) == 4 * 9001 * (1250 + 1000)


def test_features_of_a_wider_backbone_take_more():
    wide, narrow = (
        predicted_memory([500, 500], replace(settings_of(), model=ModelSettings(backbone=name)))
        for name in ("resnet50", "resnet18")
    )
    assert wide - narrow == 3 * 4 * 1000 * (2048 - 512)


@pytest.mark.parametrize("stages", ["both", "stage1"])
@pytest.mark.parametrize("rule", ["fixed", "quantile", "auto"])
@pytest.mark.parametrize("sizes", [[600, 400], [3000, 2000], [6500, 6436]])
def test_advice_to_compare_fewer_pairs_is_given_only_where_it_is_enough(make_crops, free_memory, sizes, rule, stages):
    settings = settings_of(rule, stages=stages)
    free = predicted_memory(sizes, settings) - 1
    free_memory(free)
    with pytest.raises(TrainingError, match=r"on fewer crops or on a machine with more memory") as caught:
        check_trainable(make_crops(sizes), settings)
    advice = re.search(r"--distance\.max-dense-crops (\d+)", str(caught.value))
    if advice:
        followed = settings_of(rule, stages=stages, most=int(advice[1]))
        assert predicted_memory(sizes, followed) <= free


@pytest.mark.parametrize("rule", ["fixed", "quantile", "auto"])
def test_comparing_fewer_pairs_of_many_crops_lowers_the_prediction(rule):
    sizes = [20_000, 15_000]
    all_pairs, graph = (predicted_memory(sizes, settings_of(rule, most=most)) for most in (35_000, 17_500))
    assert graph < all_pairs


@pytest.mark.parametrize("rule", ["fixed", "quantile", "auto"])
@pytest.mark.parametrize("most", [1000, 6000, 20_000])
def test_stage_1_alone_needs_at_least_what_its_largest_camera_needs(rule, most):
    settings = settings_of(rule, most=most, stages="stage1")
    of_camera = labeller_of(settings.distance, settings.stage1.clusters).memory(6000, num_features=2048)
    assert predicted_memory([6000, 50], settings) >= BYTES_OF_PROCESS + of_camera


@pytest.mark.parametrize("most", [1000, 10_000, 30_000, 100_000])
@pytest.mark.parametrize("rule", ["fixed", "auto"])
def test_both_stages_need_at_least_what_either_needs(rule, most):
    sizes = [10_000] * 10
    both, first, second = (
        predicted_memory(sizes, settings_of(rule, most=most, stages=stages)) for stages in ("both", "stage1", "stage2")
    )
    assert both >= max(first, second)


# --- before scores are computed, and the route


def test_scores_that_do_not_fit_are_refused(free_memory):
    free_memory(4 * 1000 * 200)
    check_scores_fit(1000, 200)
    with pytest.raises(TrainingError) as caught:
        check_scores_fit(1000, 201)
    assert str(caught.value).startswith("1,000 crops with scores of 201 clusters each need 0.0 GB of memory, 0.0 GB ")
    assert "--stage1.clusters.number N" in str(caught.value)


@pytest.mark.parametrize(("most", "num_warnings"), [(90, 0), (89, 1)])
def test_crops_that_go_to_the_graph_are_told_of(make_crops, most, num_warnings, caplog):
    check_trainable(make_crops([50, 40]), settings_of(most=most))
    assert len(caplog.records) == num_warnings
    if num_warnings:
        assert "90 crops are more than the 89 whose pairs are all compared" in caplog.text


def test_processes_of_one_machine_each_hold_features_and_scores(monkeypatch):
    sizes = [500, 700]
    alone = predicted_memory(sizes, Settings())
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "3")
    features, scores = 3 * 4 * 1200 * 2048, 4 * 1200 * (250 + 350)
    assert predicted_memory(sizes, Settings()) == alone + 2 * (BYTES_OF_PROCESS + features + scores)
