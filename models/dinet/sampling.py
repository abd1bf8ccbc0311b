"""How AdaAT's channels are sampled on a device: by PyTorch, or by the kernel that keeps no grid in memory."""

import logging
from collections.abc import Callable

import torch
from torch import Tensor

from limner.cuda import kernels
from limner.cuda.lane import NoDevice, shared_stream

from .adaat import sample_channels

log = logging.getLogger(__name__)
Sample = Callable[[Tensor, Tensor], Tensor]
TOLERANCE = 1e-3                                 # of maps of unit variance: places computed in another order of roundings


def sampler(device: torch.device) -> Sample:
    """`sample_channels` of mixed maps f32 [B, C, H, W] without gradients; on a GPU the kernel, once it was seen to agree.

    Where CuPy is not installed, or the kernel does not compile or agree, PyTorch's sampling is used, and the log says so.
    """
    if device.type != "cuda":
        return sample_channels
    try:
        difference = disagreement(by_kernel, device)
    except NoDevice as error:
        log.info("AdaAT is sampled by PyTorch: %s", error)
    except Exception as error:                   # CuPy, NVRTC and the driver each have errors of their own
        log.warning("AdaAT is sampled by PyTorch, its kernel failed: %s", str(error).splitlines()[0] if str(error) else error)
    else:
        if difference <= TOLERANCE:
            return by_kernel
        log.warning("AdaAT is sampled by PyTorch, its kernel differs by %.2g", difference)
    return sample_channels


def by_kernel(mixed: Tensor, theta: Tensor) -> Tensor:
    """`sample_channels` without autograd: the matrices are evaluated where the pixels are written."""
    out = torch.empty_like(mixed, memory_format=torch.contiguous_format)
    with shared_stream() as arrays:
        feature, matrices, target = (arrays.from_dlpack(each) for each in (mixed.contiguous(), theta.contiguous(), out))
        kernels.affine(feature, matrices, mixed=True, out=target)
    return out


@torch.inference_mode()
def disagreement(sample: Sample, device: torch.device) -> float:
    """The largest difference between `sample` and PyTorch's own on a small map, odd in size and partly out of sight."""
    random = torch.Generator().manual_seed(0)
    mixed = torch.randn(2, 6, 13, 9, generator=random).to(device)
    theta = (torch.randn(2, 6, 2, 3, generator=random) * 0.7).to(device)
    return float((sample(mixed, theta) - sample_channels(mixed, theta)).abs().max())
