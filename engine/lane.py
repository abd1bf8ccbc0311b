"""Where slow work runs: one private thread, in order, so that the event loop never waits for a picture."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Protocol, TypeVar

T = TypeVar("T")


class Lane(Protocol):
    """Runs one piece of work after another, each off the loop."""

    async def run(self, work: Callable[[], T]) -> T: ...


class ThreadLane:
    """A lane on an executor with one worker: its own, or one it is lent (a GPU's thread) and does not shut down."""

    def __init__(self, executor: Executor | None = None) -> None:
        self._own = executor is None
        self._executor = executor or ThreadPoolExecutor(1, thread_name_prefix="limner-lane")

    async def run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def close(self) -> None:
        if self._own:
            self._executor.shutdown(wait=False, cancel_futures=True)
