import pytest

from limner.engine.errors import OutputError
from limner.streams.sinks.null import Null
from limner.streams.watched import Watched
from tests.streams.mp4_reader import plain


class Broken(Null):
    async def show(self, picture):
        raise OutputError(f"no room left on the disk for {picture.pts}")


async def test_the_first_failure_is_kept():
    watched, begun = Watched(Broken()), []
    watched.begun = lambda: begun.append(True)
    async with watched:
        for pts in (0, 3600):
            with pytest.raises(OutputError):
                await watched.show(plain(pts))
    assert str(watched.error).endswith("for 0") and len(begun) == 2
