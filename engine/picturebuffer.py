"""Pictures that are drawn and not yet due, by pts; and the last one, for when there is none."""

import dataclasses
from collections.abc import Iterable

from .metrics import Metrics
from .types import Picture


class PictureBuffer:
    """Holds the few pictures that were drawn just in time. Sans-I/O."""

    def __init__(self, metrics: Metrics) -> None:
        self._pictures: dict[int, Picture] = {}
        self._metrics = metrics
        self.last: Picture | None = None         # handed over

    def __len__(self) -> int:
        return len(self._pictures)

    def add(self, pictures: Iterable[Picture]) -> None:
        self._pictures |= {picture.pts: picture for picture in pictures}

    def drop_from(self, pts: int) -> None:
        """Forget everything for `pts` and after."""
        self._pictures = {at: picture for at, picture in self._pictures.items() if at < pts}

    def has(self, slot: int) -> bool:
        """Whether something new can be handed over at `slot`."""
        return any(pts <= slot for pts in self._pictures)

    def take(self, slot: int, generation: int, oldest: int) -> tuple[Picture | None, int]:
        """The picture to hand over at `slot`, stamped so, and the pts it was drawn for.

        The newest one drawn for `slot` or before (a late one is better than none, unless it was for before `oldest`);
        else the last one again, as a repeat of this generation; None before there was any.
        """
        due = sorted(pts for pts in self._pictures if pts <= slot)
        if due and (due[-1] >= oldest or self.last is None):
            self._metrics.count("outdated_pictures", len(due) - 1)
            self.last = dataclasses.replace([self._pictures.pop(pts) for pts in due][-1], pts=slot)
            return self.last, due[-1]
        if self.last is not None:
            self.last = dataclasses.replace(self.last, pts=slot, drawn="repeat", generation=generation)
        return self.last, slot
