"""How the network is computed: what is chosen, what it leaves as it was, and that it computes the same."""

import copy
import logging
import os
from dataclasses import replace

import pytest
import torch
from torch import nn

from iics.computing_settings import EngineSettings
from iics.layers.norm_groups import NormGroups
from iics.layers.normalization import (
    AdaptiveInstanceBatchNorm2d,
    GroupedBatchNorm2d,
    MixingWeight,
    gathered_statistics,
    set_norm_groups,
    update_running_statistics,
)
from iics.methods.iics.stage1 import train_stage1
from iics.runs.rounds import resume, train
from iics.training import engine as engine_module
from iics.training.engine import Engine, at_work, choose_engine, decided_precision

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
DTYPES = (torch.float32, torch.bfloat16)


def tiny_backbone():
    """A plain and an adaptive normalisation, as backbones have them."""
    torch.manual_seed(0)
    first, second = (GroupedBatchNorm2d(nn.BatchNorm2d(width), nn.ReLU()) for width in (8, 16))
    adaptive = AdaptiveInstanceBatchNorm2d(second, MixingWeight(torch.tensor(0.4), learned=True))
    pooled = nn.AdaptiveAvgPool2d(1), nn.Flatten()
    return nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), first, nn.Conv2d(8, 16, 3), adaptive, *pooled)


def images(n=12, *, seed=0):
    return torch.randn(n, 3, 16, 8, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def processor(monkeypatch):
    """Pretend to have a processor with or without bf16."""

    def pretend(*, avx512=False, amx=False):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)

    return pretend


# --- what is chosen


@pytest.mark.parametrize(
    ("backbone", "has", "expected"),
    [
        ("resnet50", {}, torch.float32),
        ("resnet50", {"avx512": True}, torch.bfloat16),
        ("resnet50", {"amx": True}, torch.bfloat16),
        ("resnet18", {"avx512": True}, torch.bfloat16),
        ("efficientnet_lite0", {}, torch.float32),
        ("efficientnet_lite0", {"avx512": True}, torch.bfloat16),
        ("mobilenetv2_100", {"avx512": True, "amx": True}, torch.bfloat16),
        ("resnext50_32x4d", {"avx512": True, "amx": True}, torch.float32),  # groups of four channels
        ("regnety_002", {"avx512": True, "amx": True}, torch.float32),  # groups of eight
        ("mnasnet_small", {"avx512": True, "amx": True}, torch.float32),  # depthwise, of 8 channels
    ],
)
def test_on_a_processor_with_bf16_those_backbones_take_it_that_gain(processor, backbone, has, expected):
    processor(**has)
    assert choose_engine(EngineSettings(), backbone=backbone, device=CPU).dtype == expected


@pytest.mark.parametrize(
    ("capability", "expected"), [((7, 5), torch.float32), ((8, 0), torch.bfloat16), ((9, 0), torch.bfloat16)]
)
@pytest.mark.parametrize("backbone", ["resnet50", "efficientnet_lite0"])
def test_gpus_take_bf16_from_ampere_on(monkeypatch, backbone, capability, expected):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert choose_engine(EngineSettings(), backbone=backbone, device=CUDA).dtype == expected


def test_other_devices_take_float32(processor):
    processor(avx512=True)
    assert choose_engine(EngineSettings(), backbone="resnet50", device=torch.device("mps")).dtype == torch.float32


@pytest.mark.parametrize("has", [{}, {"avx512": True, "amx": True}])
@pytest.mark.parametrize(("precision", "expected"), [("float32", torch.float32), ("bf16", torch.bfloat16)])
@pytest.mark.parametrize("backbone", ["resnet50", "efficientnet_lite0"])
def test_what_was_asked_for_goes_before_what_would_be_chosen(processor, backbone, precision, expected, has):
    processor(**has)
    assert choose_engine(EngineSettings(precision=precision), backbone=backbone, device=CPU).dtype == expected


def test_every_setting_reaches_the_engine():
    settings = EngineSettings(precision="bf16", compile=True, parts=3, deterministic=False, threads=5)
    assert choose_engine(settings, backbone="resnet50", device=CUDA) == Engine(
        device=CUDA,
        dtype=torch.bfloat16,
        features_dtype=torch.bfloat16,
        compiles=True,
        num_parts=3,
        is_deterministic=False,
        num_threads=5,
    )


def test_defaults_are_channels_last_uncompiled_whole_and_deterministic():
    settings = EngineSettings(precision="float32", threads=1)
    assert choose_engine(settings, backbone="resnet50", device=CPU) == Engine()


def test_alone_a_process_takes_torchs_threads(monkeypatch):
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 7)
    assert choose_engine(EngineSettings(), backbone="resnet50", device=CPU).num_threads == 7


@pytest.mark.parametrize(("neighbours", "expected"), [(2, 4), (3, 2), (8, 1), (20, 1)])
def test_processes_of_a_machine_share_its_cores(monkeypatch, neighbours, expected):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(neighbours))
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    assert choose_engine(EngineSettings(), backbone="resnet50", device=CPU).num_threads == expected


@pytest.mark.parametrize(
    ("engine", "expected"),
    [
        (Engine(), "cpu, float32, channels_last, not compiled, 1 thread"),
        (
            Engine(
                dtype=torch.bfloat16,
                features_dtype=torch.bfloat16,
                memory_format=torch.contiguous_format,
                compiles=True,
                num_parts=2,
                is_deterministic=False,
                num_threads=4,
            ),
            "cpu, bf16, contiguous, compiled, batches in 2 parts, 4 threads",
        ),
        (Engine(dtype=torch.bfloat16), "cpu, bf16, features in float32, channels_last, not compiled, 1 thread"),
        (Engine(device=CUDA), "cuda, float32, channels_last, not compiled, deterministic, 1 thread"),
        (
            Engine(device=torch.device("cuda:1"), is_deterministic=False),
            "cuda:1, float32, channels_last, not compiled, not deterministic, 1 thread",
        ),
    ],
)
def test_an_engine_says_what_was_chosen(engine, expected):
    assert str(engine) == expected


def test_what_was_chosen_is_said_at_the_start_and_is_what_trains(people, tiny_settings, tmp_path, monkeypatch, caplog):
    runs = []
    monkeypatch.setattr("iics.runs.run.Run.finish", lambda run, checkpoint: runs.append(run) or [])
    settings = replace(tiny_settings, engine=EngineSettings(precision="bf16", parts=2))
    with caplog.at_level(logging.INFO, logger="iics.runs.rounds"):
        train(people.train, settings=settings, out=tmp_path / "run")
    chosen = "bf16, features in float32, channels_last, not compiled, batches in 2 parts, 1 thread"
    assert caplog.messages == [f"Computing on cpu, {chosen}."]
    assert runs[0].engine == Engine(dtype=torch.bfloat16, num_parts=2)
    weights = [p for p in runs[0].model.backbone.parameters() if p.ndim == 4]
    assert all(weight.is_contiguous(memory_format=torch.channels_last) for weight in weights)


# --- the process at work


def flags():
    return (
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        torch.are_deterministic_algorithms_enabled() and torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.backends.cudnn.benchmark,
    )


@pytest.fixture
def workspace(monkeypatch):
    """Forget what cuBLAS was told, before and after."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")  # so that it is restored
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    return lambda: os.environ.get("CUBLAS_WORKSPACE_CONFIG")


@pytest.mark.parametrize(
    ("is_deterministic", "expected"), [(True, (2, True, True, False)), (False, (2, False, False, True))]
)
def test_determinism_is_for_the_time_of_the_work(workspace, is_deterministic, expected):
    before = flags()
    with at_work(Engine(device=CUDA, is_deterministic=is_deterministic, num_threads=2)):
        assert flags() == expected
    assert flags() == before


def test_cublas_is_told_only_by_deterministic_work_on_a_gpu(workspace):
    for engine in (Engine(), Engine(device=CUDA, is_deterministic=False)):
        with at_work(engine):
            assert workspace() is None
    with at_work(Engine(device=CUDA)):
        assert workspace() == ":4096:8"


def test_what_the_user_told_cublas_stays(workspace, monkeypatch):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    with at_work(Engine(device=CUDA)):
        assert workspace() == ":16:8"


@pytest.mark.parametrize("device", [CPU, CUDA])
def test_work_that_fails_leaves_the_process_as_it_was(workspace, device):
    before = flags()
    seen = []

    def work():
        with at_work(Engine(device=device, num_threads=2)):
            seen.append(torch.get_num_threads())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert seen == [2]
    assert flags() == before


def test_a_caller_that_wants_strict_determinism_gets_it_back(workspace):
    torch.use_deterministic_algorithms(True)
    try:
        with at_work(Engine(device=CUDA, is_deterministic=False)):
            assert not torch.are_deterministic_algorithms_enabled()
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.is_deterministic_algorithms_warn_only_enabled()
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize(("device", "expected"), [(CPU, 1), (CUDA, 0)])
def test_memory_is_kept_where_the_processor_computes(workspace, monkeypatch, device, expected):
    calls = []
    monkeypatch.setattr(engine_module, "keep_freed_memory", lambda: calls.append(1))
    with at_work(Engine(device=device)):
        assert len(calls) == expected


# --- precision and memory format


@pytest.mark.parametrize("is_training", [True, False])
@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
def test_bf16_features_are_float32_and_near_those_of_float32(is_training, memory_format):
    backbone = tiny_backbone().train(is_training)
    network, half = (
        Engine(dtype=dtype, features_dtype=dtype, memory_format=memory_format).network(backbone) for dtype in DTYPES
    )
    expected, features = network(images()), half(images())
    assert features.dtype == torch.float32
    error = (features - expected).norm() / expected.norm()
    assert 1e-5 < error < 0.02  # bf16 has 8 bits of mantissa: and it was used


def test_double_precision_stays():
    backbone = tiny_backbone().double()
    assert Engine().network(backbone)(images().double()).dtype == torch.float64


@pytest.mark.parametrize(("training", "features"), [DTYPES, DTYPES[::-1]])
def test_features_for_labels_have_a_precision_of_their_own(training, features):
    backbone = tiny_backbone()
    network = Engine(dtype=training, features_dtype=features).network(backbone)
    for is_training, dtype in ((True, training), (False, features)):
        alone = Engine(dtype=dtype, features_dtype=dtype).network(backbone.train(is_training))
        assert torch.equal(network(images()), alone(images()))


@pytest.mark.parametrize(
    ("backbone", "asked", "expected"),
    [
        ("resnet18", "auto", "bf16"),
        ("resnet18", "float32", "float32"),
        ("efficientnet_lite0", "auto", "float32"),  # their labels change in bf16
        ("efficientnet_lite0", "bf16", "bf16"),
    ],
)
def test_features_for_labels_follow_training_in_dense_networks_unless_asked_otherwise(
    processor, backbone, asked, expected
):
    processor(avx512=True)
    settings = EngineSettings(features=asked)
    decided = decided_precision(settings, backbone=backbone, device=CPU)
    assert (decided.precision, decided.features) == ("bf16", expected)
    assert replace(decided, precision="auto", features=asked) == settings  # nothing else was decided


def test_a_resumed_run_keeps_the_precision_it_began_with(people, tiny_settings, tmp_path, monkeypatch, processor):
    runs, out = [], tmp_path / "run"
    monkeypatch.setattr("iics.runs.run.Run.finish", lambda run, checkpoint: runs.append(run) or [])
    processor(avx512=True)
    train(people.train, settings=replace(tiny_settings, engine=EngineSettings()), out=out)
    processor(avx512=False)  # another machine, whose own choice is float32
    resume(out, people.train)
    assert [(run.engine.dtype, run.engine.features_dtype) for run in runs] == [(torch.bfloat16, torch.float32)] * 2


def test_training_in_bf16_learns_and_keeps_weights_and_statistics_in_float32():
    backbone = tiny_backbone().train()
    head = nn.Linear(16, 3)
    network = Engine(dtype=torch.bfloat16).network(backbone)
    optimiser = torch.optim.SGD([*backbone.parameters(), *head.parameters()], lr=0.5)
    targets, losses = torch.arange(12) % 3, []
    for _ in range(30):
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(head(network(images())), targets)
        loss.backward()
        assert all(torch.isfinite(p.grad).all() for p in backbone.parameters())
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    assert {value.dtype for value in backbone.state_dict().values()} == {torch.float32}
    assert {p.grad.dtype for p in backbone.parameters()} == {torch.float32}


def test_weights_go_into_the_memory_format():
    backbone = tiny_backbone()
    Engine().network(backbone)
    assert backbone[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert not backbone[0].weight.is_contiguous()
    Engine(memory_format=torch.contiguous_format).network(backbone)
    assert backbone[0].weight.is_contiguous()


def test_the_memory_format_changes_no_loss(make_crops, make_context):
    losses = {}
    for memory_format in (torch.channels_last, torch.contiguous_format):
        found = []
        engine = Engine(memory_format=memory_format)
        context = make_context(make_crops([12, 8, 12]), backbone=tiny_backbone())
        context = replace(
            context,
            engine=engine,
            network=engine.network(context.model.backbone),
            progress=lambda event, found=found: found.append(event.loss),
        )
        train_stage1(context, {})
        losses[memory_format] = [loss for loss in found if loss is not None]
    assert len(losses[torch.contiguous_format]) == 2
    assert losses[torch.contiguous_format] == pytest.approx(losses[torch.channels_last], rel=1e-5)


# --- compiled


class Compiler:
    """Stands in for torch.compile's code generation: keeps what it is given, and fails from some call on."""

    def __init__(self, *, fails_at=None, error=None):
        self.graphs, self.fails_at, self.error = [], fails_at, error

    def __call__(self, graph, inputs):
        if len(self.graphs) == self.fails_at:
            raise self.error
        self.graphs.append(graph)
        return graph.forward


# torch's compiler uses parts of torch that warn of their age.
tracing = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def warnings_of_ours(caplog):
    """What our own modules warned of; torch's say much while they compile."""
    return lambda: [r.getMessage() for r in caplog.records if r.name.startswith("iics") and r.levelname == "WARNING"]


@pytest.fixture
def compile_with(monkeypatch):
    """Let torch.compile use a compiler of the test's."""
    compile_network = torch.compile
    torch.compiler.reset()

    def use(compiler):
        monkeypatch.setattr(torch, "compile", lambda network: compile_network(network, backend=compiler))
        return Engine(compiles=True).network

    yield use
    torch.compiler.reset()


def parts_of_steps(network, backbone, *, group_size):
    """Two steps of three parts each, and evaluation; return features and the backbone with gradients and statistics."""
    seen = []
    set_norm_groups(backbone, NormGroups(group_size))
    with gathered_statistics(backbone.train()):
        for step in range(2):
            for part in range(3):
                set_norm_groups(backbone, NormGroups(group_size))  # as each part of a step is told anew
                features = network(images(seed=3 * step + part))
                features.square().sum().backward()
                seen.append(features.detach())
            update_running_statistics(backbone)
    backbone.eval()
    with torch.no_grad():
        seen.append(network(images()))
    return seen


def assert_same(ours, theirs, rtol=1e-4, atol=1e-5):
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=rtol, atol=atol)


def assert_like_eager(engine, *, group_size):
    backbone, plain = tiny_backbone(), tiny_backbone()
    seen = parts_of_steps(engine.network(backbone), backbone, group_size=group_size)
    expected = parts_of_steps(replace(engine, compiles=False).network(plain), plain, group_size=group_size)
    assert_same(seen, expected)
    assert_same([p.grad for p in backbone.parameters()], [p.grad for p in plain.parameters()], atol=1e-3)
    assert_same(backbone.buffers(), plain.buffers())


@tracing
def test_a_compiled_network_without_a_length_is_called_again(compile_with):
    compile_with("eager")
    backbone = torch.nn.Conv2d(3, 2, 1)
    network = Engine(compiles=True).network(backbone)
    images = torch.ones(1, 3, 4, 4)
    assert torch.equal(network(images), network(images))


@tracing
@pytest.mark.parametrize("group_size", [4, None])
def test_the_network_is_one_graph_in_training_and_one_in_evaluation_however_many_parts(compile_with, group_size):
    compiler = Compiler()
    compile_with(compiler)
    assert_like_eager(Engine(compiles=True), group_size=group_size)
    assert len(compiler.graphs) == 2


@tracing
@pytest.mark.slow
@pytest.mark.parametrize("group_size", [4, None])
def test_compiled_code_gives_the_features_gradients_and_statistics_of_eager(group_size, warnings_of_ours):
    torch.compiler.reset()
    assert_like_eager(Engine(compiles=True), group_size=group_size)
    assert not warnings_of_ours()  # it did compile


@tracing
@pytest.mark.slow
def test_compiled_code_in_bf16_is_near_float32(warnings_of_ours):
    torch.compiler.reset()
    backbone, plain = tiny_backbone(), tiny_backbone()
    seen = parts_of_steps(Engine(compiles=True, dtype=torch.bfloat16).network(backbone), backbone, group_size=4)
    for features, expected in zip(seen, parts_of_steps(plain, plain, group_size=4), strict=True):
        assert features.dtype == torch.float32
        assert 1e-5 < (features - expected).norm() / expected.norm() < 0.02
    assert not warnings_of_ours()


def test_without_a_compiler_training_goes_on_with_one_warning_that_names_the_reason(monkeypatch, warnings_of_ours):
    def fail(network):
        raise RuntimeError("no compiler here\n\na long story")

    monkeypatch.setattr(torch, "compile", fail)
    assert_like_eager(Engine(compiles=True), group_size=4)
    assert warnings_of_ours() == ["torch.compile does not work here (no compiler here); training goes on without it."]


@tracing
def test_a_compiler_that_fails_at_once_is_given_up_with_one_warning(compile_with, warnings_of_ours):
    compile_with(Compiler(fails_at=0, error=OSError("g++ is missing")))
    assert_like_eager(Engine(compiles=True), group_size=4)
    (message,) = warnings_of_ours()
    assert message.startswith("torch.compile does not work here (")
    assert "g++ is missing" in message
    assert message.endswith("; training goes on without it.")


@tracing
def test_a_compiler_that_fails_at_training_only_is_given_up_then(compile_with, warnings_of_ours):
    backbone = tiny_backbone().eval()
    plain = copy.deepcopy(backbone)
    network = compile_with(Compiler(fails_at=1, error=OSError("no backward")))(backbone)
    with torch.no_grad():
        network(images())
    assert not warnings_of_ours()
    backbone.train()
    plain.train()
    features, expected = network(images()), plain(images())
    torch.testing.assert_close(features, expected)
    assert_same(backbone.buffers(), plain.buffers())  # statistics were not moved twice
    (message,) = warnings_of_ours()
    assert "no backward" in message


def test_what_fails_after_it_has_worked_is_no_fault_of_the_compiler(monkeypatch, warnings_of_ours):
    def compile_once(network):
        calls = []

        def compiled(images):
            calls.append(1)
            if len(calls) > 1:
                raise MemoryError("out of memory")
            return network(images)

        return compiled

    monkeypatch.setattr(torch, "compile", compile_once)
    network = Engine(compiles=True).network(tiny_backbone())
    network(images())
    with pytest.raises(MemoryError, match="out of memory"):
        network(images())
    assert not warnings_of_ours()
