"""What `limner bench gpu` measures. Each case holds the plain way, f32 and kernel by kernel, and ours on the same inputs.

At small sizes (`tiny`) every case runs on a CPU too, so that the bench itself can be tried anywhere; its figures mean
nothing there. Weights are random: speed does not depend on them.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from limner.cuda.graph import Graphed, eager
from limner.cuda.lane import Lane
from limner.engine.clock import SAMPLE_RATE, frame_duration, samples_from_ticks, ticks_from_samples
from limner.engine.painter import Painter
from limner.engine.types import AudioChunk, FeatureRows, FeatureWindow
from limner.models.amt.live import LiveAMT
from limner.models.amt.network import AMT
from limner.models.animators.dinet import DINetAnimator
from limner.models.avatar import default_avatar
from limner.models.dinet.adaat import AdaAT
from limner.models.dinet.crop import picture_size
from limner.models.dinet.generator import CODE, DINet
from limner.models.dinet.live import LiveDINet, Source
from limner.models.drawing import Drawing
from limner.models.face.colour import to_picture
from limner.models.interpolators.amt import AmtStage
from limner.models.restoration.codeformer import CodeFormer
from limner.models.restoration.gfpgan import GFPGAN
from limner.models.restoration.live import RestorationStage, Restorer
from limner.models.restoration.runner import Runner
from limner.models.restorers.gfpgan import MOUTH_COST, mouth

from .subjects.dubbing import healthy

Way = Callable[[], Tensor]
CHAIN_SIDE = 512                                 # px: the restorer's size
RATE = 25                                        # pictures drawn per second where every second one is drawn
FRAME = frame_duration(RATE)
TINY = (52, 40)                                  # DINet's picture at small sizes


@dataclass(frozen=True, slots=True)
class Case:
    """`ways` by name; each call makes `frames` pictures. "plain" is what the others are compared with."""

    input: str
    frames: int
    ways: dict[str, Way]
    bytes_per_session: int = 0
    floor_gflop: float = 0.0                     # arithmetic no way of drawing can do without, for all frames


class VolumeAdaAT(AdaAT):
    """The operator as published: the map as one volume, sampled with a five-dimensional grid held in memory."""

    def forward(self, feature: Tensor, code: Tensor) -> Tensor:
        batch, count, height, width = feature.shape
        flat = F.affine_grid(self.matrices(code).flatten(0, 1), (batch * count, 1, height, width), align_corners=True)
        depth = torch.linspace(-1, 1, count, device=feature.device).view(1, count, 1, 1, 1).expand(batch, count, height, width, 1)
        grid = torch.cat([flat.view(batch, count, height, width, 2), depth], -1)
        return F.grid_sample(feature[:, None], grid, align_corners=False)[:, 0]


def published(network: DINet) -> DINet:
    """The same weights with the published sampling."""
    plain = copy.deepcopy(network)
    plain.adaAT = VolumeAdaAT(2 * CODE, 256).to(next(network.parameters()).device)
    plain.adaAT.load_state_dict(network.adaAT.state_dict())
    return plain.eval()


def held(sources: list[Source]) -> int:
    """Bytes a session's encoded frames take, what they share counted once."""
    tensors = {t.data_ptr(): t for each in sources for t in (each.code, each.partial, each.feature)}
    return sum(t.numel() * t.element_size() for t in tensors.values())


def dinet(lane: Lane, tiny: bool, batch: int) -> Case:
    """Frames of `batch` portraits; the plain forward encodes references and sources anew each time, as published."""
    height, width = TINY if tiny else picture_size(256)
    network = healthy(DINet()).to(lane.device)
    sources, references, audio = (torch.rand(shape, device=lane.device) for shape in
                                  ((batch, 3, height, width), (batch, 15, height, width), (batch, 29, 5)))
    ways: dict[str, Way] = {"plain": partial(published(network), sources, references, audio)}
    size = 0
    for name, dtype in (("live", torch.float32), ("live_f16", torch.float16)):
        live = LiveDINet(network, dtype=dtype)
        encoded = [live.prepare(references[k:k + 1], sources[k:k + 1])[0] for k in range(batch)]
        size = size or held(encoded[:1])
        ways[name] = partial(live.draw_many, encoded, audio)
    area = height * width / (416 * 320)
    return Case(f"{batch}x3x{height}x{width}", batch, ways, size, round(162 * area * batch, 3))


def half(lane: Lane) -> torch.dtype:
    """Half precision that is fast there: a CPU has none, but emulates bfloat16 in bearable time."""
    return torch.float16 if lane.device != "cpu" else torch.bfloat16


def recorded(make: Callable[[], nn.Module], *shapes: tuple[int, ...], lane: Lane, limits: tuple[float, float] = (0, 1)) -> Case:
    """A network's own forward against the same recorded, and recorded in half precision where autocast allows it."""
    torch.manual_seed(0)
    network = make().eval().requires_grad_(False).to(lane.device)
    low, high = limits
    inputs = [torch.rand(shape, device=lane.device) * (high - low) + low for shape in shapes]

    def narrow(*given: Tensor) -> Tensor:
        with torch.autocast(torch.device(lane.device).type, half(lane)):
            return network(*given).float()

    def ours(step: Callable[..., Tensor]) -> Way:
        return partial(Graphed(step, sizes=(1,), constants=lambda: dict(network.named_parameters())), *inputs)

    ways = {"plain": partial(network, *inputs), "live": ours(network), "live_f16": ours(narrow)}
    return Case(", ".join("x".join(map(str, shape)) for shape in shapes), 1, ways)


def amt(lane: Lane, tiny: bool, variant: str, height: int, width: int) -> Case:
    height, width = (128, 128) if tiny else (height, width)
    return recorded(partial(AMT, variant), (1, 3, height, width), (1, 3, height, width), (1,), lane=lane)


def restorer(lane: Lane, tiny: bool, make: Callable[[], nn.Module]) -> Case:
    return recorded(make, (1, 3, CHAIN_SIDE, CHAIN_SIDE), lane=lane, limits=(-1, 1))


class Noise:
    """An extractor of random rows of 29 logits at 50 Hz, always voiced: what DINet hears costs nothing here."""

    width, step, lookahead = 29, 1800, 0

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._rng, self._rest = np.random.default_rng(0), 0

    def push(self, chunk: AudioChunk) -> FeatureRows:
        samples = samples_from_ticks(self.step)
        count, rest = divmod(self._rest + len(chunk.samples), samples)
        pts, self._rest = chunk.pts - ticks_from_samples(self._rest), rest
        rows = self._rng.standard_normal((count, self.width)).astype(np.float32)
        return FeatureRows(rows, pts, np.ones(count, bool), chunk.captured_ns)


class Film:
    """The product's own chain, drawn by its painter: DINet, GFPGAN's whole face, AMT-S to 50 pictures a second, I420 on the host.

    `joins`: in one step where the stages allow it, else one stage after another. Each call hears 40 ms and gives the two pictures
    of the next drawn instant.
    """

    def __init__(self, lane: Lane, networks: tuple[nn.Module, ...], size: int, mouth_side: int, *, joins: bool,
                 dtype: torch.dtype = torch.float32) -> None:
        drawer, better, between = networks
        drawing = Drawing(lambda: LiveDINet(drawer, dtype=dtype), lane, finishes=joins, dtype=dtype)
        animator = DINetAnimator(drawing, size=size, mouth=mouth_side, liveliness=0)
        portrait = default_avatar().portrait
        animator.sit(portrait)
        restorer = Restorer(Runner(better, GFPGAN.__call__, lane), mouth=Runner(better, mouth, lane), mouth_cost=MOUTH_COST)
        stages = [RestorationStage(restorer), AmtStage(2 * RATE, LiveAMT(between, lane.device, region=False))]
        stages[0].seat(portrait.landmarks, portrait.image.shape[:2])
        self._painter = Painter(Noise(), animator, stages, duration=frame_duration(2 * RATE), colour=to_picture)
        self._drawn = self._heard = 0            # pictures, samples
        self._hear(10 * FRAME)                   # what the first window looks ahead
        self.draw()                              # the first picture has none before it

    def draw(self) -> Tensor:
        """Planes u8 [2, H 3/2, W], the first picture's [1, H 3/2, W]."""
        self._hear(FRAME)
        pictures = self._painter.paint(self._drawn * FRAME)
        self._drawn += 1
        return torch.from_numpy(np.stack([picture.planes for picture in pictures]))

    def eagerly(self) -> Tensor:
        """The same, kernel by kernel."""
        with eager():
            return self.draw()

    def _hear(self, ticks: int) -> None:
        silence, start = np.zeros(samples_from_ticks(ticks), np.float32), self._heard
        self._painter.hear(AudioChunk(silence, SAMPLE_RATE, start, ticks_from_samples(start), 0))
        self._heard += len(silence)


def chain(lane: Lane, tiny: bool) -> Case:
    """The stages one after another, kernel by kernel, against the same recorded, all in one step, and that in half precision."""
    size, mouth_side = (256, 64) if tiny else (CHAIN_SIDE, 256)
    torch.manual_seed(0)
    networks = tuple(network.eval().requires_grad_(False).to(lane.device) for network in (healthy(DINet()), GFPGAN(), AMT("amt_s")))
    plain, staged, live = (Film(lane, networks, size, mouth_side, joins=joins) for joins in (False, False, True))
    narrow = Film(lane, networks, size, mouth_side, joins=True, dtype=half(lane))
    return Case(f"{'x'.join(map(str, picture_size(mouth_side)))} to {size}x{size}", 2,
                {"plain": plain.eagerly, "staged": staged.draw, "live": live.draw, "live_f16": narrow.draw})


def finished(lane: Lane, tiny: bool) -> Case:
    """A whole picture on the host: the drawing pasted and converted there, or within the recorded step."""
    size, mouth_side = (256, 64) if tiny else (512, 256)
    network = healthy(DINet()).to(lane.device)
    window = FeatureWindow(np.random.default_rng(0).standard_normal((9, 29)).astype(np.float32), 0, 1800, np.ones(9, bool), 0)
    host, device = (DINetAnimator(Drawing(lambda: LiveDINet(network), lane, finishes=finishes), size=size, mouth=mouth_side, liveliness=0)
                    for finishes in (False, True))
    for animator in (host, device):
        animator.sit(default_avatar().portrait)
    return Case(f"{'x'.join(map(str, picture_size(mouth_side)))} in {size}x{size}", 1,
                {"plain": lambda: torch.from_numpy(to_picture(host.draw(window)).planes),
                 "live": lambda: torch.from_numpy(device.draw_planes(window).planes)})


def copied(lane: Lane, tiny: bool) -> Case:
    """A copy within the device: the floor of everything that moves memory."""
    count = 1 << (16 if tiny else 28)
    data = torch.zeros(count, dtype=torch.uint8, device=lane.device)
    return Case(f"{count} bytes", 1, {"plain": data.clone})


CASES: dict[str, Callable[[Lane, bool], Case]] = {
    "copy": copied,
    **{f"dinet-{batch}": partial(dinet, batch=batch) for batch in (1, 8, 32)},
    **{f"{name}-{place}": partial(amt, variant=variant, height=height, width=width)
       for name, variant in (("amt-s", "amt_s"), ("amt-l", "amt_l")) for place, height, width in (("512", 512, 512), ("720p", 720, 1280))},
    "gfpgan": partial(restorer, make=GFPGAN),
    "codeformer": partial(restorer, make=CodeFormer),
    "finished": finished,
    "chain": chain,
}


def chosen(only: str | None) -> Iterator[tuple[str, Callable[[Lane, bool], Case]]]:
    """The cases whose name contains `only`, in order."""
    return ((name, make) for name, make in CASES.items() if not only or only in name)
