"""PIRenderer as an animator: a portrait moved by 3DMM coefficients (Ren et al., ICCV 2021).

It is driven by Expressions, through a basis of the user's (see `limner.models.pirender.drive`), or by coefficients.
"""

from collections import deque

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from limner.engine.clock import TICKS
from limner.engine.errors import ContractError, UsageError
from limner.engine.types import ARKIT, EXPRESSION_ROW, FeatureWindow, Frame, Portrait
from limner.models.avatar import Avatar
from limner.models.devices import choose
from limner.models.drivers.idle import IdleDriver
from limner.models.options import FaceOptions
from limner.models.pirender.drive import Basis, Driver, estimated_source, read_basis
from limner.models.pirender.network import WINDOW, PIRenderer, displace
from limner.models.weights import load_weights, missing_weights

EXTRACTOR = "drivers/speech"
SIDE = 256                                       # px the network was trained at
FRAME = TICKS // 25                              # ticks between the coefficients of a window
STEP = TICKS // 100                              # ticks per row
AHEAD = 2                                        # frames of look-ahead used of the 13 in the window; the rest repeat
_PER_FRAME = FRAME // STEP
_PAST = WINDOW // 2


def build_network() -> PIRenderer:
    """The published network."""
    return PIRenderer()


class PIRenderAnimator:
    """Rows of Expressions or coefficients at 10 ms to pictures [size, size, 3].

    The network works at 256 px; at larger sizes its warp is applied to the full portrait and what it edits is added,
    so that skin and hair keep their detail. `ahead` frames of 40 ms are looked ahead, 13 when nothing is live.
    """

    def __init__(self, network: PIRenderer, basis: Basis | None = None, *, size: int = 512, ahead: int = AHEAD,
                 seed: int = 0, liveliness: float = 1.0, device: str = "cpu"):
        if not 0 <= ahead <= _PAST:
            raise UsageError(f"ahead is {ahead}; PIRenderer's window reaches 0 to {_PAST} frames ahead")
        self.size = (size, size)
        self.window = (_PAST * _PER_FRAME, ahead * _PER_FRAME + 1)
        self.device = torch.device(device)
        self.idle = IdleDriver(seed, liveliness)
        self._network, self._basis, self._ahead = network.eval().requires_grad_(False).to(self.device), basis, ahead
        self._driver: Driver | None = None
        self.reset()

    def sit_avatar(self, avatar: Avatar) -> None:
        """Seat an avatar's portrait."""
        self.sit(avatar.portrait)

    @torch.inference_mode()
    def sit(self, portrait: Portrait) -> None:
        """Do all that depends on the portrait alone."""
        small, scale = _resized(portrait.image, SIDE), SIDE / portrait.image.shape[0]
        basis_source = self._basis.source if self._basis else None
        source = estimated_source(portrait.landmarks * scale) if basis_source is None else basis_source
        self._driver = Driver(self._basis, source)
        self._source = self._network.prepare(self._tensor(small))
        self._large = self._tensor(_resized(portrait.image, self.size[0]))
        self.reset()

    def draw(self, window: FeatureWindow) -> Frame:
        """The picture at `window.pts`."""
        if self._driver is None:
            raise ContractError("draw before sit; seat a portrait first")
        rows = self._frames(window)
        if rows.shape[1] == EXPRESSION_ROW:
            rows = rows + self._own_motion(window)
            np.clip(rows[:, :len(ARKIT)], 0, 1, out=rows[:, :len(ARKIT)])
        pixels = self.render(self._driver.coefficients(rows))
        return Frame(pixels, window.pts, 0, window.captured_ns)

    @torch.inference_mode()
    def render(self, coefficients: NDArray[np.float32]) -> NDArray[np.uint8]:
        """The picture u8 RGB [size, size, 3] for a window of coefficients [27, 73]."""
        window = torch.from_numpy(np.ascontiguousarray(coefficients.T))[None].to(self.device)
        drawn = self._network.render(self._source, window)
        image = drawn.image
        if self.size[0] != SIDE:
            edit = F.interpolate(image - drawn.warped, size=self.size, mode="bicubic", align_corners=False)
            image = displace(self._large, drawn.flow) + edit
        levels = (image[0].clamp(-1, 1) + 1) * 127.5
        return levels.round().to(torch.uint8).permute(1, 2, 0).contiguous().cpu().numpy()

    def reset(self) -> None:
        """Forget motion."""
        self.idle.reset()
        self._moved: deque[tuple[int, NDArray[np.float32]]] = deque(maxlen=4 * WINDOW)

    def _frames(self, window: FeatureWindow) -> NDArray[np.float32]:
        """[27, D]: rows at the instants of the window's frames; beyond the look-ahead the last is repeated."""
        before, after = self.window
        if len(window.rows) != before + after + 1:
            raise ContractError(f"{len(window.rows)} rows, PIRenderer asks for {before + after + 1}")
        steps = np.minimum(np.arange(-_PAST, _PAST + 1), self._ahead) * _PER_FRAME + before
        share = np.float32(window.offset / window.step)
        return window.rows[steps] + (window.rows[steps + 1] - window.rows[steps]) * share

    def _own_motion(self, window: FeatureWindow) -> NDArray[np.float32]:
        """[27, 58]: blinks, gaze and sway at the same instants. Each instant is asked of the idle driver once, in order."""
        wanted = [window.pts + min(k, self._ahead) * FRAME for k in range(-_PAST, _PAST + 1)]
        voiced = bool(window.voiced[self.window[0]])
        newest = self._moved[-1][0] if self._moved else None
        for instant in sorted(set(wanted)):
            if newest is None or instant > newest:
                self._moved.append((instant, self.idle.at(instant, voiced).expression.row()))
        instants = np.array([instant for instant, _ in self._moved])
        nearest = [int(np.abs(instants - instant).argmin()) for instant in wanted]
        return np.stack([self._moved[i][1] for i in nearest])

    def _tensor(self, image: NDArray[np.uint8]) -> Tensor:
        x = torch.from_numpy(np.ascontiguousarray(image)).to(self.device)
        return x.permute(2, 0, 1)[None].float() / 127.5 - 1


def _resized(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    if image.shape[0] == side:
        return image
    return cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA if side < image.shape[0] else cv2.INTER_CUBIC)


def create(options: FaceOptions) -> PIRenderAnimator:
    """The animator for `options.weights` and `options.basis`. Raises WeightsError, UsageError."""
    if options.weights is None:
        raise missing_weights("pirender", "choose `--animator morphable`, which needs none")
    if options.basis is None:
        raise UsageError("pirender is driven by coefficients: give --basis FILE.npz, which leads from expressions to them")
    basis = read_basis(options.basis)
    network = load_weights(build_network(), options.weights, "pirender", prefer="net_G_ema")
    return PIRenderAnimator(network, basis, size=options.size, seed=options.seed, liveliness=options.liveliness,
                            device=choose(options.device))
