"""Weight-modulated convolution (StyleGAN2, Karras et al. 2020)."""

import torch
from torch import Tensor
from torch.nn import functional as F

EPS = 1e-8


def modulated_conv(x: Tensor, weight: Tensor, style: Tensor, *, demodulate: bool, transposed: bool = False) -> Tensor:
    """Convolve [B, C, H, W] with `weight` [1, O, C, k, k] whose input channels are scaled by `style` [B, C].

    Scaling the input and the output instead of the weight is the same product; one convolution then serves every
    sample. `transposed`: stride 2, no padding (the caller blurs); otherwise same padding.
    """
    weight = weight[0]
    x = x * style[:, :, None, None]
    if transposed:
        y = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
    else:
        y = F.conv2d(x, weight, padding=weight.shape[-1] // 2)
    if demodulate:
        energy = weight.square().sum(dim=(2, 3))                              # [O, C]
        y = y * torch.rsqrt(style.square() @ energy.T + EPS)[:, :, None, None]
    return y
