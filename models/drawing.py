"""One network on one lane: for one animator, or for many that then draw together what is due together."""

import threading
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from limner.cuda.graph import SIZES, Graphed, Pool, fitting
from limner.cuda.lane import Lane, is_out_of_memory
from limner.models import planes
from limner.models.batching import Batcher
from limner.models.devices import enough_memory
from limner.models.paste import Patch
from limner.models.planes import Seat

S = TypeVar("S")


class Live(Protocol[S]):
    """A network with its source frames encoded beforehand, as `Drawing` sees it."""

    def inputs(self, sources: Sequence[S]) -> tuple[Tensor, ...]:
        """What `decode` takes for these frames besides what is heard."""

    def decode(self, *inputs: Tensor) -> Tensor:
        """`inputs` and sound [n, ...] -> RGB [n, 3, H', W'] in 0..1, fit to be recorded."""

    def constants(self) -> dict[str, Tensor]:
        """What a recording of `decode` reads and must stay in its place."""


class Recipe(Hashable, Protocol):
    """What is done to drawings before they leave the device. Those of equal recipes go together."""

    most: int                                    # pictures in one call
    count: int                                   # of the tensors it takes

    def constants(self) -> Mapping[str, Any]:
        """What a recording reads besides its inputs, as for `Graphed`."""

    def __call__(self, drawn: Tensor, numbers: Tensor, *tensors: Tensor) -> Tensor | tuple[Tensor, ...]:
        """RGB [n, 3, H', W'] in 0..1, `After.numbers` f32 [n, k] and `After.tensors` -> what the host gets [n, ...], then
        what `After.kept` becomes. Fit to be recorded."""


@dataclass(frozen=True, slots=True)
class After:
    """A recipe and what one picture brings to it. Tensors are [1, ...]; `kept` are overwritten when it is drawn."""

    recipe: Recipe
    tensors: tuple[Tensor, ...] = ()
    numbers: tuple[float, ...] = ()
    kept: tuple[Tensor, ...] = ()


@dataclass(frozen=True, slots=True)
class Bare:
    """The drawing as it is, f32 [n, H', W', 3] in 0..255."""

    most: ClassVar[int] = SIZES[-1]
    count: ClassVar[int] = 0

    def constants(self) -> Mapping[str, Any]:
        return {}

    def __call__(self, drawn: Tensor, numbers: Tensor) -> Tensor:
        return (drawn * 255).permute(0, 2, 3, 1).contiguous()


Item = tuple[Any, NDArray[np.float32], After]    # an encoded source frame, what is heard with it, what follows


class Drawing(Generic[S]):
    """NumPy in, NumPy out: one copy to the device and one back for each call. `make` builds the network on the lane.
    `shared` gathers the draws of several sessions (`models.batching`) and makes calls from several threads safe.
    `finishes` says whether pictures are finished on the lane's device (`planes`); by default where that is a GPU. `dtype` is
    that of networks which join the drawing (`chain`)."""

    def __init__(self, make: Callable[[], Live[S]], lane: Lane, *, shared: bool = False, finishes: bool | None = None,
                 dtype: torch.dtype = torch.float32) -> None:
        self.lane, self.dtype = lane, dtype
        self.finishes = lane.device != "cpu" if finishes is None else finishes
        self.live = lane.call(make)
        self._recorded: dict[Recipe, Graphed] = {}
        self._pool = Pool()
        self._prepared: set[Recipe] = set()
        self._preparing = threading.Lock()
        self.batcher: Batcher[Item, NDArray] | None = Batcher(self._draw, lane=lane) if shared else None

    def each(self, work: Callable[[Tensor], Any], arrays: Iterable[NDArray[np.float32]]) -> list[Any]:
        """`work` on every array as a tensor [1, ...] of the device, one call of the lane for each, so that those who are
        drawing wait for one at most. DeviceError when memory runs out."""
        lane = self.lane
        with enough_memory(lane.device):
            return [lane.call(lambda one=one: work(lane.upload(one[None]))) for one in arrays]

    def seats(self, frames: Iterable[NDArray[np.uint8]], patches: Iterable[Patch]) -> list[Seat]:
        """Source frames [H, W, 3] as `planes` needs them, one call of the lane for each. DeviceError when memory runs out."""
        lane = self.lane
        with enough_memory(lane.device):
            return [lane.call(lambda one=one: planes.seat(*one, lane.upload)) for one in zip(frames, patches, strict=True)]

    def draw(self, session: Any, source: S, heard: NDArray[np.float32]) -> NDArray[np.float32]:
        """An encoded source frame with the mouth of this sound: f32 [H', W', 3] RGB, 0..255. DeviceError when memory runs out."""
        return self.after(session, source, heard, After(Bare()))

    def planes(self, session: Any, source: S, heard: NDArray[np.float32], seat: Seat, shown: float) -> NDArray[np.uint8]:
        """The whole picture, I420 [H 3/2, W]: the drawing laid into its source frame, `shown` of it. DeviceError as `draw`."""
        return self.after(session, source, heard, After(planes.Finish(seat.size), planes.tensors(seat), (shown,)))

    def after(self, session: Any, source: S, heard: NDArray[np.float32], after: After) -> NDArray:
        """What a recipe makes of the drawing, on the host. The first of a recipe takes long. DeviceError as `draw`."""
        item = source, heard, after
        with enough_memory(self.lane.device):
            self._prepare(item)
            if self.batcher:
                return self.batcher.draw(session, item)
            return self.lane.fitting(self._draw, [item])[0]

    def prepare(self, source: S, heard: NDArray[np.float32], after: After) -> None:
        """Have everything recorded that drawings like this one will ask for. DeviceError when memory runs out."""
        with enough_memory(self.lane.device):
            self._prepare((source, heard, after))

    def _prepare(self, item: Item) -> None:
        """One call of the lane for each size, so that those who are drawing wait for one recording at most."""
        recipe, lane = item[2].recipe, self.lane
        if recipe in self._prepared:             # before the lock: somebody else may be recording for seconds
            return
        with self._preparing:
            if recipe in self._prepared:
                return
            most = min(recipe.most, lane.most or recipe.most) if self.batcher else 1
            before = 0
            for size in SIZES[:SIZES.index(fitting(most, SIZES)) + 1]:
                if not lane.call(lambda size=size: self._record(item, size)):
                    lane.call(lambda most=before: lane.shorten(most))
                    break
                before = size
            self._prepared.add(recipe)

    def _record(self, item: Item, size: int) -> bool:
        """Whether memory sufficed for a recording of `size` drawings."""
        try:
            self._graphed(item[2].recipe, item[1].shape).prepare(*self._inputs([item]), sizes=(size,))
        except Exception as error:
            # A recording that ends early may say that instead of what ended it.
            if not any(each is not None and is_out_of_memory(each) for each in (error, error.__context__)):
                raise
            return False
        return True

    def _draw(self, items: Sequence[Item]) -> list[NDArray]:
        """What is drawn alike goes together: pictures of one recipe."""
        alike: dict[Recipe, list[int]] = {}
        for number, (_, _, after) in enumerate(items):
            alike.setdefault(after.recipe, []).append(number)
        done: dict[int, NDArray] = {}
        for recipe, numbers in alike.items():
            for at in range(0, len(numbers), recipe.most):
                part = numbers[at:at + recipe.most]
                done.update(zip(part, self._alike([items[number] for number in part]), strict=True))
        return [done[number] for number in range(len(items))]

    @torch.inference_mode()
    def _alike(self, items: Sequence[Item]) -> NDArray:
        _, heard, after = items[0]
        answer = self._graphed(after.recipe, heard.shape)(*self._inputs(items))
        shown, *kept = answer if isinstance(answer, tuple) else (answer,)
        for number, (_, _, each) in enumerate(items):
            for own, new in zip(each.kept, kept, strict=True):
                own.copy_(new[number:number + 1])
        return self.lane.download(shown)

    @torch.inference_mode()
    def _inputs(self, items: Sequence[Item]) -> tuple[Tensor, ...]:
        """What `finish` takes. Sound and numbers are one array, so that they are one copy."""
        sources, heard, after = zip(*items, strict=True)
        packed = [np.concatenate([sound.ravel(), np.float32(each.numbers)]) for sound, each in zip(heard, after, strict=True)]
        tensors = zip(*(each.tensors for each in after), strict=True)
        laid = (part[0] if len(part) == 1 else torch.cat(part) for part in tensors)
        return *self.live.inputs(sources), *laid, self.lane.upload(np.stack(packed))

    def _graphed(self, recipe: Recipe, heard: tuple[int, ...]) -> Graphed:
        if recipe not in self._recorded:
            # Gathered once: a thousand weights by name take a millisecond. One that moves does so under the same tensor.
            weights = {**self.live.constants(), **recipe.constants()}
            self._recorded[recipe] = Graphed(lambda *inputs: self.finish(recipe, heard, *inputs), pool=self._pool,
                                             constants=lambda: weights)
        return self._recorded[recipe]

    @torch.inference_mode()
    def finish(self, recipe: Recipe, heard: tuple[int, ...], *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        """What `decode` takes but the sound, then what `recipe` takes, then sound of shape `heard` and numbers in one row for
        each: what the recipe gives. Fit to be recorded."""
        *given, packed = inputs
        own, count = len(given) - recipe.count, prod(heard)
        drawn = self.live.decode(*given[:own], packed[:, :count].unflatten(1, heard))
        return recipe(drawn, packed[:, count:], *given[own:])
