"""Takes everything, keeps nothing, counts: for measuring an engine without an outlet."""

from typing import Self

from limner.engine.types import AudioChunk, Picture


class Null:
    """AVSink that only counts `pictures` and `samples`."""

    def __init__(self) -> None:
        self.pictures = self.samples = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        return None

    async def show(self, picture: Picture) -> None:
        self.pictures += 1

    async def play(self, chunk: AudioChunk) -> None:
        self.samples += len(chunk.samples)


def create(argument: str = "", *, size: tuple[int, int], fps: int) -> Null:
    """Registry entry; takes no argument."""
    return Null()
