"""What is recorded as a graph may neither copy from the host nor wait for the device: seen without either.

Networks run on PyTorch's meta device, which computes shapes alone. There, whatever is made on the host and whatever asks
for a value stands out.
"""

from functools import partial
from math import prod

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from limner.cuda.lane import Lane
from limner.models.amt.live import LiveAMT, encode
from limner.models.amt.network import AMT
from limner.models.chain import Chained
from limner.models.dinet.generator import DINet
from limner.models.dinet.live import LiveDINet
from limner.models.drawing import Drawing
from limner.models.planes import Finish, Seat, tensors
from limner.models.restoration import runner
from limner.models.restoration.codeformer import CodeFormer
from limner.models.restoration.gfpgan import GFPGAN
from limner.models.restoration.governor import Way
from limner.models.restoration.gpen import GPEN
from limner.models.restoration.live import Restorer
from limner.models.restoration.recorded import MEMORY
from limner.models.restoration.restoreformer import RestoreFormer
from limner.models.restorers import gpen
from limner.models.restorers.gfpgan import mouth
from limner.models.wav2lip.generator import Wav2Lip
from limner.models.wav2lip.live import LiveWav2Lip

WAITS = {"aten::_local_scalar_dense", "aten::nonzero", "aten::lift_fresh", "aten::unique2", "aten::masked_select"}


class Watch(TorchDispatchMode):
    """Notes operations that a recording does not survive."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        made = [each.device.type for each in tree_leaves(out) if isinstance(each, torch.Tensor)]
        if func.name().split(".")[0] in WAITS or "cpu" in made:
            self.found.append(func.name())
        return out


class HostData(TorchFunctionMode):
    """Notes tensors made of Python numbers, which come from the host whatever device they are made for."""

    def __init__(self, found):
        super().__init__()
        self.found = found

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is torch.tensor or (func is torch.as_tensor and not isinstance(args[0], torch.Tensor)):
            self.found.append(func.__name__)
        return func(*args, **(kwargs or {}))


def watched(step, *shapes):
    """What of `step` on float32 of these shapes, or on tensors that are on the meta device, stands out."""
    inputs = [each if isinstance(each, torch.Tensor) else torch.empty(each, device="meta") for each in shapes]
    with torch.inference_mode(), Watch() as watch, HostData(watch.found):
        step(*inputs)
    return watch.found


def on_meta(make):
    with torch.device("meta"):
        return make().eval()


@pytest.mark.parametrize("variant", ["amt_s", "amt_l"])
@pytest.mark.parametrize("size", [(128, 128), (720, 1280)])
def test_amt(variant, size):
    """Both of a stream's steps, and the whole network as it is published."""
    live = LiveAMT(AMT(variant))
    live.network.to("meta")
    picture = torch.empty(1, *size, 3, device="meta", dtype=torch.uint8)
    assert watched(live.encode, picture, (1,)) == []
    maps = live.encode(picture, torch.empty(1, device="meta"))
    assert watched(live.synthesize, *(each.shape for each in 2 * maps), (1,), (1, 2)) == []
    assert watched(live.network, (1, 3, *size), (1, 3, *size), (1,)) == []


def laid(size, cells):
    """The tensors of a seat."""
    (rows, columns), empty = cells, partial(torch.empty, device="meta")
    seat = Seat(empty(1, *size, 3, dtype=torch.uint8), empty(1, *size, dtype=torch.float16), empty(1, 2, 3), empty(1, 3, *cells),
                empty(1, 1, *cells), empty(1, 1, *cells), empty(1, rows, rows), empty(1, columns, columns))
    return tensors(seat)


def finished(live, size, cells, heard):
    """What stands out of a network's step from `heard` (the last of it the sound) to planes."""
    *given, (_, *sound) = heard
    step = partial(Drawing(lambda: live, Lane()).finish, Finish(size), tuple(sound))
    return watched(step, *given, *laid(size, cells), (1, prod(sound) + 1))


def test_dinet():
    """The drawing alone, and pasted and coloured after it, an odd size included."""
    live = LiveDINet(DINet())
    live._heard.to("meta")
    heard = (1, 256, 26, 20), (1, 128, 26, 20), (1, 128), (1, 29, 5)
    assert watched(live.decode, *heard) == []
    for size in ((256, 256), (255, 333)):
        assert finished(live, size, (13, 10), heard) == []


def test_wav2lip():
    with torch.device("meta"):
        live = LiveWav2Lip(Wav2Lip())
        maps = live.encode(torch.empty(1, 6, 96, 96))
    heard = *maps, (1, 1, 80, 16)
    assert watched(live.decode, *heard) == []
    assert finished(live, (512, 512), (12, 12), heard) == []


@pytest.mark.parametrize(("make", "call"), [
    (GFPGAN, GFPGAN.__call__),
    (GFPGAN, mouth),
    (CodeFormer, lambda network, x: network(x, 0.5)),
    (lambda: GPEN(256), gpen.restore),
    (lambda: GPEN(512), gpen.restore),
    (RestoreFormer, RestoreFormer.__call__),
], ids=["gfpgan", "gfpgan-mouth", "codeformer", "gpen256", "gpen512", "restoreformer"])
def test_restorers(make, call):
    step = runner.step(on_meta(make), call)
    assert watched(step, torch.empty(1, 512, 512, 3, device="meta", dtype=torch.uint8)) == []


class OnMeta:
    """A `Runner` as the recipe sees it."""

    def __init__(self, network, call):
        self.step, self.constants = runner.step(network, call), dict


@pytest.mark.parametrize("way", Way)
@pytest.mark.parametrize("follows", [True, False])
def test_the_chain(way, follows):
    """From sound to planes, with every way of restoring and with and without pictures in between; two sessions."""
    live, empty = LiveDINet(DINet()), partial(torch.empty, device="meta")
    live._heard.to("meta")
    network, size = on_meta(GFPGAN), (256, 240)
    restorer = Restorer(OnMeta(network, GFPGAN.__call__), mouth=OnMeta(network, mouth))
    recipe = Chained(size, way, restorer, on_meta(AMT) if follows else None)
    place = empty(2, 2, 3), empty(2, 2, 3), *(empty(2, 1, *size, dtype=torch.float16) for _ in range(2))
    more = [*place, *(empty(2, *shape) for shape in MEMORY)] if way is not Way.PASS else []
    maps = encode(recipe.network, empty(2, *size, 3, dtype=torch.uint8), empty(2)) if follows else ()
    given = [(2, 256, 26, 20), (2, 128, 26, 20), (2, 128), *(each.expand(2, *each.shape[1:]) for each in laid(size, (13, 10)))]
    numbers = 1 + (3 if more else 0) + (2 if follows else 0)
    found, answer = [], partial(Drawing(lambda: live, Lane()).finish, recipe, (29, 5))
    assert watched(lambda *x: found.append(answer(*x)), *given, *more, *maps, (2, 29 * 5 + numbers)) == []
    shown, *kept = found[0]
    assert shown.shape == (2, 2 if follows else 1, 384, 240) and shown.dtype == torch.uint8
    assert [each.shape for each in kept] == [each.shape for each in (*more[4:], *maps)]


@pytest.mark.parametrize("step", [
    lambda x: x + torch.arange(3).to(x.device),
    lambda x: x * torch.tensor([1.0, 2.0, 3.0], device=x.device),
    lambda x: torch.as_tensor(0.5, device=x.device) * x,
])
def test_the_watch_sees(step):
    assert watched(step, (3,))
