"""Steps on a device: losses, augmentation, and that nothing within a step waits for the host."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from iics.model_settings import AugmentSettings
from iics.models.reid_model import ReidModel
from iics.pixels.augment import augment, augment_in_torch
from iics.pixels.augment_draws import draw_augmentation
from iics.pixels.held_pixels import HeldPixels
from iics.speed.training_work import our_work, training_context
from iics.training.engine import Engine, at_work
from iics.training.losses import ClassifierAndTriplet
from iics.training.step_terms import StepTerms

pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("ignore:.*deterministic")]

PHASES = ["stage1", "stage2", "features"]


def test_eq_11_and_its_gradients_are_those_of_the_cpu(device, dtype):
    features = torch.randn(12, 8, generator=torch.Generator().manual_seed(0))
    labels, crop_ids = torch.arange(12) // 3, torch.tensor([0, 0, 0, *range(3, 12)])  # a singleton, three times
    found = []
    for place, precision in ((torch.device("cpu"), torch.float32), (device, dtype)):
        generator = torch.Generator().manual_seed(1)
        loss = ClassifierAndTriplet(8, 4, triplet_weight=1.0, triplet_margin=0.3, generator=generator)
        loss.to(place, precision)
        rows = features.to(place, precision).requires_grad_()
        terms = loss(rows, labels.to(place), crop_ids.to(place))
        found.append([*terms.values(), *torch.autograd.grad(terms["loss"], [rows, loss.head.weight])])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(theirs.detach().cpu().float(), ours.detach(), rtol=1e-4, atol=1e-5)


def test_crops_are_augmented_as_on_the_cpu_for_the_same_generator(device):
    pixels = torch.randint(0, 256, (9, 32, 16, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    draws = draw_augmentation(9, 32, 16, settings=AugmentSettings(), generator=torch.Generator().manual_seed(1))
    colours = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
    there = augment_in_torch(pixels.to(device), draws, **colours)
    assert there.device.type == device.type
    assert there.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(there.cpu(), augment(pixels, draws, **colours), rtol=0, atol=1e-6)


@pytest.fixture
def context_on(small_workload):
    """Make a phase's working place on a device, the same everywhere."""

    def make(device, phase, *, num_parts=1, is_held=False):
        engine = Engine(device=device, num_parts=num_parts)
        context = training_context(phase, small_workload, norm="aibn", engine=engine)
        pixels = np.random.default_rng(0).integers(0, 256, context.pixels.shape, dtype=np.uint8)
        return replace(context, pixels=HeldPixels(pixels, device) if is_held else pixels)

    return make


@pytest.mark.parametrize(("num_parts", "is_held"), [(1, True), (2, False)])
@pytest.mark.parametrize("phase", ["stage1", "stage2"])
def test_steps_lose_what_those_of_the_cpu_do(context_on, device, phase, num_parts, is_held):
    expected = our_work(phase, context_on(torch.device("cpu"), phase, num_parts=num_parts), num_steps=2)()
    context = context_on(device, phase, num_parts=num_parts, is_held=is_held)
    with at_work(context.engine):
        assert our_work(phase, context, num_steps=2)() == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("phase", PHASES)
def test_a_step_in_bf16_goes_down(small_workload, device, phase):
    engine = Engine(device=device, dtype=torch.bfloat16)
    context = training_context(phase, small_workload, norm="aibn", engine=engine)
    work = our_work(phase, context)
    first, second = work(), work()
    assert second.isfinite().all() if phase == "features" else second < first


class _CopiesThatWait(TorchDispatchMode):
    """Notes what is copied to another device without being queued."""

    def __init__(self):
        super().__init__()
        self.num_queued, self.waiting = 0, []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if func.overloadpacket in (torch.ops.aten._to_copy, torch.ops.aten.copy_):
            source = args[0] if func.overloadpacket is torch.ops.aten._to_copy else args[1]
            is_queued = kwargs.get("non_blocking") or (len(args) > 2 and args[2])
            if source.device != result.device and source.dim() > 0:
                self.num_queued += bool(is_queued)
                self.waiting += [] if is_queued else [str(func)]
        return result


@contextmanager
def nobody_waits():
    """Refuse what waits for a GPU, within the block."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize(("num_parts", "is_held"), [(1, True), (2, False)])
@pytest.mark.parametrize("phase", PHASES)
def test_nothing_waits_within_a_step(context_on, device, phase, num_parts, is_held, monkeypatch):
    """On torch's meta device, if there is no GPU: it has no numbers that could be read, and copies tell how they go."""
    monkeypatch.setattr(StepTerms, "_read_all", lambda seen: seen._read.append([0.0] * 4))
    if device.type == "cuda":
        context = context_on(device, phase, num_parts=num_parts, is_held=is_held)
        work = our_work(phase, context)
        with at_work(context.engine):
            work()  # whatever is made once
            monkeypatch.setattr("iics.training.context.wait_for", lambda _: None)  # after the last batch
            with nobody_waits():
                work()
        return
    meta = torch.device("meta")
    context = context_on(torch.device("cpu"), phase, num_parts=num_parts)
    model = ReidModel(context.model.backbone, context.model.header, device=meta)
    pixels = HeldPixels(context.pixels, meta) if is_held else context.pixels
    work = our_work(phase, replace(context, model=model, pixels=pixels))
    with _CopiesThatWait() as copies:
        work()
    assert copies.waiting == []
    assert copies.num_queued > 0 or (phase == "features" and is_held)
