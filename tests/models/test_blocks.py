"""Exact rewritings: float64 where the algebra is meant, float32 rounding elsewhere."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from limner.models.blocks import ConvNorm, PhaseConv, PhaseTail, TransposedBlock, UpConvNorm, fold_norm


def shaken(module: nn.Module) -> nn.Module:
    """Double precision, evaluation, with norm statistics that are not the identity."""
    torch.manual_seed(0)
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            nn.init.normal_(part.weight, 1, 0.3)
            nn.init.normal_(part.bias)
            nn.init.normal_(part.running_mean)
            nn.init.uniform_(part.running_var, 0.5, 2)
    return module.double().eval()


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (7, 5)])
def test_phase_convolution_equals_upsampling_first(size, layout):
    block = shaken(UpConvNorm(4, 6, 3))
    x = torch.randn(2, 4, *size, dtype=torch.float64).to(memory_format=layout)
    with torch.inference_mode():
        want = block.conv(F.interpolate(x, scale_factor=2.0))
        torch.testing.assert_close(PhaseConv(block.conv)(x), want, atol=1e-12, rtol=0)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_folded_norm_equals_norm_after_convolution(dims):
    block = shaken(ConvNorm(3, 5, 3, stride=2, dims=dims))
    x = torch.randn(2, 3, *[9] * dims, dtype=torch.float64)
    with torch.inference_mode():
        got = F.relu(fold_norm(block.conv, block.norm)(x))
        torch.testing.assert_close(got, block(x), atol=1e-12, rtol=0)


def test_folded_norm_of_a_transposed_convolution():
    block = shaken(TransposedBlock(3, 5, 3, 2, 1, 1))
    x = torch.randn(2, 3, 4, 6, dtype=torch.float64)
    with torch.inference_mode():
        got = F.relu(fold_norm(*block.conv_block)(x))
        torch.testing.assert_close(got, block(x), atol=1e-12, rtol=0)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (7, 5)])
def test_phase_tail_equals_two_convolutions_at_the_large_size(size, kernel, layout):
    block, last = shaken(UpConvNorm(4, 6, 3)), shaken(nn.Conv2d(6, 3, kernel, padding=kernel // 2))
    x = torch.randn(2, 4, *size, dtype=torch.float64).to(memory_format=layout)
    with torch.inference_mode():
        want = last(F.relu(block.conv(F.interpolate(x, scale_factor=2.0))))
        torch.testing.assert_close(PhaseTail(PhaseConv(block.conv), last)(x), want, atol=1e-12, rtol=0)
