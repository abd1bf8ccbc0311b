import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from limner.models.dinet.adaat import AdaAT, mix_channels, sample_channels
from tests.golden import cases as golden


@golden.cases("dinet.adaat")
def test_equals_the_published_operator(path):
    case = golden.read(path)
    feature, code = case.tensors()
    operator = golden.load(AdaAT(code.shape[1], feature.shape[1]), "dinet.adaat", case.seed)
    with torch.inference_mode():
        case.check("y", operator(feature, code))


def volume_sample(feature: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """Trilinear float64 twin of the published definition: the map as one volume [C, H, W], zero outside, pixel by pixel."""
    count, height, width = feature.shape
    out = np.zeros((count, height, width))
    xs, ys = np.linspace(-1, 1, width), np.linspace(-1, 1, height)
    for k, v, u in np.ndindex(out.shape):
        x, y = theta[k] @ (xs[u], ys[v], 1.0)
        at = (k * count / (count - 1) - 0.5, ((y + 1) * height - 1) / 2, ((x + 1) * width - 1) / 2)
        low = [math.floor(a) for a in at]
        for corner in np.ndindex(2, 2, 2):
            spot = tuple(i + d for i, d in zip(low, corner, strict=True))
            if all(0 <= i < n for i, n in zip(spot, feature.shape, strict=True)):
                out[k, v, u] += feature[spot] * math.prod(1 - abs(a - i) for a, i in zip(at, spot, strict=True))
    return out


def transform(scale: float, angle: float, x: float, y: float, count: int) -> torch.Tensor:
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)
    return torch.tensor([[cos, -sin, x], [sin, cos, y]]).float().expand(1, count, 2, 3).contiguous()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 6), st.integers(2, 7), st.integers(2, 7))
def test_equals_the_volume_in_float64(seed, count, height, width):
    rng = np.random.default_rng(seed)
    feature = rng.standard_normal((count, height, width))
    theta = rng.uniform(-1.2, 1.2, (count, 2, 3))
    fast = sample_channels(mix_channels(torch.from_numpy(feature)[None]), torch.from_numpy(theta)[None])[0].numpy()
    assert np.abs(fast - volume_sample(feature, theta)).max() < 1e-9


def test_identity_lands_between_the_two_conventions():
    """Scale 1, no turn, no shift: column x is read at x W / (W - 1) - 1/2, as the trained weights expect."""
    width = 8
    ramp = torch.arange(width).float().expand(1, 3, 6, width).contiguous()
    flat = sample_channels(ramp, transform(1, 0, 0, 0, 3))[0, 1, 2]
    inside = torch.arange(1, width - 1)
    torch.testing.assert_close(flat[inside], inside * width / (width - 1) - 0.5, atol=1e-5, rtol=0)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_quarter_turns_are_exact(quarters):
    torch.manual_seed(2)
    feature = torch.randn(1, 4, 9, 9)
    turned = sample_channels(feature, transform(1, quarters * math.pi / 2, 0, 0, 4))
    straight = sample_channels(feature, transform(1, 0, 0, 0, 4))
    torch.testing.assert_close(turned, torch.rot90(straight, quarters, (2, 3)), atol=2e-6, rtol=0)


def test_shift_by_one_cell_moves_the_answer_by_one_cell():
    torch.manual_seed(3)
    feature, width = torch.randn(1, 2, 5, 10), 10
    step = 2 / width * (width - 1) / width            # one output column is 2 / (W - 1) in grid units
    torch.testing.assert_close(step * width / (width - 1), 2 / width)
    shifted = sample_channels(feature, transform(1, 0, 2 / (width - 1), 0, 2))
    straight = sample_channels(feature, transform(1, 0, 0, 0, 2))
    torch.testing.assert_close(shifted[..., :-1], straight[..., 1:], atol=2e-6, rtol=0)


def test_outer_channels_are_halved():
    """Depth is read half a channel early: the first and last channel lose half of themselves to the outside."""
    mixed = mix_channels(torch.ones(1, 16, 2, 2))
    assert mixed[0, 0].unique().item() == mixed[0, -1].unique().item() == 0.5
    torch.testing.assert_close(mixed[0, 1:-1], torch.ones(14, 2, 2))


def test_scale_zero_reads_one_point():
    torch.manual_seed(4)
    answer = sample_channels(torch.randn(1, 2, 7, 5), transform(0, 1.0, 0.3, -0.2, 2))
    assert torch.equal(answer, answer[..., :1, :1].expand_as(answer))
