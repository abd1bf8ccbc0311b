"""Interpolators, restorers and PIRenderer on the bench, with the weights PyTorch starts from."""

import itertools
from functools import partial

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from limner.clients.bench_subject import Run, Subject, Subjects
from limner.models.amt.live import LiveAMT
from limner.models.amt.network import AMT
from limner.models.pirender.network import PIRenderer
from limner.models.restoration.codeformer import CodeFormer
from limner.models.restoration.gfpgan import GFPGAN
from limner.models.restoration.gpen import GPEN
from limner.models.restoration.live import MOUTH
from limner.models.restoration.restoreformer import RestoreFormer
from limner.models.restorers.gfpgan import mouth

FACE = (136, 128, 392, 384)                      # what moves in a talking head of 512 px: top, left, bottom, right


def seeded(make) -> nn.Module:
    torch.manual_seed(0)
    return make().eval().requires_grad_(False)


def forward(network: nn.Module, *inputs: Tensor) -> Run:
    def call() -> NDArray[np.float32]:
        with torch.inference_mode():
            return network(*inputs).numpy()

    return call


def talking(side: int, box: tuple[int, int, int, int]) -> list[NDArray[np.uint8]]:
    """Frames that differ inside `box` only, and not in their mean: a pattern sliding round."""
    rng = np.random.default_rng(0)
    ground = cv2.GaussianBlur(rng.integers(0, 256, (side, side, 3), np.uint8), (0, 0), 6)
    ground = cv2.normalize(ground, None, 0, 255, cv2.NORM_MINMAX)
    top, left, bottom, right = box
    frames = [ground.copy() for _ in range(4)]
    for k, frame in enumerate(frames):
        frame[top:bottom, left:right] = np.roll(ground[top:bottom, left:right], 3 * k, axis=1)
    return frames


def stream(variant: str, side: int, box: tuple[int, int, int, int], limit: float, **how) -> Subject:
    """One picture between two frames: the published call on the pair, and the next step of a running stream."""
    network = seeded(lambda: AMT(variant))
    frames = talking(side, box)
    first, second = (torch.from_numpy(f).permute(2, 0, 1)[None] / 255 for f in frames[:2])
    live, pairs = LiveAMT(seeded(lambda: AMT(variant)), **how), itertools.pairwise(itertools.cycle(frames))

    def step() -> NDArray[np.float32]:
        drawn = live.between(*next(pairs), [0.5])[0]
        return drawn.transpose(2, 0, 1)[None].astype(np.float32) / 255

    return Subject(f"2x3x{side}x{side}, moving {box[2] - box[0]}x{box[3] - box[1]}",
                   forward(network, first, second, torch.tensor([0.5])), step, limit)


def interpolator(variant: str, side: int) -> Subject:
    network = seeded(lambda: AMT(variant))
    return Subject(f"2x3x{side}x{side}", forward(network, torch.rand(1, 3, side, side), torch.rand(1, 3, side, side), torch.tensor([0.5])))


def face(make, side: int = 512) -> Subject:
    return Subject(f"1x3x{side}x{side}", forward(seeded(make), torch.rand(1, 3, side, side) * 2 - 1))


def gfpgan_mouth() -> Subject:
    """The mouth alone against the same part of the whole."""
    network, x = seeded(GFPGAN), torch.rand(1, 3, 512, 512) * 2 - 1
    top, left, bottom, right = MOUTH
    whole = forward(network, x)
    return Subject(f"1x3x512x512, mouth {bottom - top}x{right - left}", lambda: whole()[..., top:bottom, left:right],
                   forward(lambda y: mouth(network, y), x))


def pirender() -> Subject:
    network, image, window = seeded(PIRenderer), torch.rand(1, 3, 256, 256) * 2 - 1, torch.randn(1, 73, 27)
    with torch.inference_mode():
        source = network.prepare(image)
    return Subject("1x3x256x256, 1x73x27", forward(network, image, window), forward(lambda w: network.render(source, w).image, window))


SUBJECTS: Subjects = {
    "amt-s": partial(interpolator, "amt_s", 256),
    "amt-l": partial(interpolator, "amt_l", 256),
    "amt-g": partial(interpolator, "amt_g", 256),
    "amt-s-stream": partial(stream, "amt_s", 512, (0, 0, 512, 512), 1.5 / 255, region=False),
    # Within the box instance normalisation sees the box alone, so the pictures differ there by design.
    "amt-s-face": partial(stream, "amt_s", 512, FACE, 1.0),
    "gfpgan": partial(face, GFPGAN),
    "gfpgan-mouth": gfpgan_mouth,
    "gpen256": partial(face, lambda: GPEN(256), 256),
    "gpen512": partial(face, lambda: GPEN(512)),
    "codeformer": partial(face, CodeFormer),
    "restoreformer": partial(face, RestoreFormer),
    "pirender": pirender,
}
