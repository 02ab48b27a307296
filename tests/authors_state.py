"""A state dict laid out as the authors' network lists it: key names, order and shapes, with random numbers."""

import torch

DEPTHS = {"layer1": 3, "layer2": 4, "layer3": 6, "layer4": 3}


def norm_state(prefix, channels, generator, *, alpha=None):
    state = {
        f"{prefix}.weight": torch.rand(channels, generator=generator) + 0.5,
        f"{prefix}.bias": torch.randn(channels, generator=generator) * 0.1,
        f"{prefix}.running_mean": torch.randn(channels, generator=generator) * 0.1,
        f"{prefix}.running_var": torch.rand(channels, generator=generator) + 0.5,
    }
    if alpha is None:
        return state | {f"{prefix}.num_batches_tracked": torch.tensor(7)}
    return {f"{prefix}.adaptive_weight": alpha} | state


def authors_state():
    """Return tensors by name; alphas beyond [0, 1] too, which clamp."""
    generator = torch.Generator().manual_seed(0)

    def conv(out_channels, in_channels, size):
        fan_in = in_channels * size * size
        return torch.randn(out_channels, in_channels, size, size, generator=generator) * (2 / fan_in) ** 0.5

    state = {"model.conv1.weight": conv(64, 3, 7)} | norm_state("model.bn1", 64, generator)
    in_channels, number = 64, 0
    for layer, (name, depth) in enumerate(DEPTHS.items()):
        width = 64 * 2**layer
        for at in range(depth):
            block = f"model.{name}.{at}"
            alpha = torch.tensor([-0.1 + 0.15 * number]) if layer >= 2 else None
            if alpha is not None:
                state[f"{block}.adaptive_weight"] = alpha
                number += 1
            shapes = {1: (width, in_channels, 1), 2: (width, width, 3), 3: (4 * width, width, 1)}
            for part, shape in shapes.items():
                state[f"{block}.conv{part}.weight"] = conv(*shape)
                state |= norm_state(f"{block}.bn{part}", shape[0], generator, alpha=alpha)
            if at == 0:
                state[f"{block}.downsample.0.weight"] = conv(4 * width, in_channels, 1)
                state |= norm_state(f"{block}.downsample.1", 4 * width, generator, alpha=alpha)
            in_channels = 4 * width
    for camera in range(2):
        head = f"classifier.{camera}"
        state[f"{head}.0.weight"], state[f"{head}.1.weight"] = torch.ones(2048), torch.zeros(5, 2048)
    return state
