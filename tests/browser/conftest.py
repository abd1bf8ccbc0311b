"""A real server with the real face, and a real headless Chromium that visits it."""

import asyncio
import shutil
from pathlib import Path

import numpy as np
import pytest

from limner.clients.browser import NAMES, chromium, write_wav
from limner.clients.options import Options
from limner.clients.present import session_factory
from limner.clients.serve import ServeOptions, serve
from limner.clients.serve_avatars import Gallery

PATIENCE = 40_000      # ms; only a broken page ever waits so long
PROBE = Path(__file__).with_name("probe.js").read_text()


def pytest_collection_modifyitems(items):
    missing = None
    try:
        import playwright  # noqa: F401
    except ImportError:
        missing = "Playwright is not installed (pip install playwright)"
    if not any(shutil.which(name) for name in NAMES):
        missing = "no Chromium on this machine (apt install chromium)"
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if missing:
                item.add_marker(pytest.mark.skip(reason=missing))


class Site:
    """Where the server is, and the sessions it has made for visitors."""

    def __init__(self) -> None:
        self.url = ""
        self.sessions = []
        self._make = session_factory(Options())

    async def make(self, request):
        session = await self._make(request)
        if request.sinks:
            self.sessions.append(session)
        return session


@pytest.fixture
async def site():
    it, ready = Site(), asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(it.make, Gallery(), ServeOptions(port=0), ready=ready.set_result))
    await asyncio.wait({serving, ready}, return_when=asyncio.FIRST_COMPLETED)
    it.url = serving.result() if serving.done() else ready.result()
    yield it
    serving.cancel()
    await asyncio.wait({serving})


VOWELS = ((730, 1090), (270, 2290), (530, 1840), (300, 870), (660, 1720))     # Hz, first two formants: a i e u ae


def babble(seconds: float, rate: int = 48_000) -> np.ndarray:
    """Syllables of 0.24 s: lips closed for a quarter of each, then one of five vowels, at a pitch that falls."""
    t = np.arange(int(seconds * rate)) / rate
    phase = np.cumsum(2 * np.pi * (130 - 15 * (t % 1.2)) / rate)
    syllable, place = np.divmod(t, 0.24)
    formants = np.array(VOWELS)[syllable.astype(int) % len(VOWELS)].T
    voice = np.zeros(len(t))
    for harmonic in range(1, 28):
        gain = sum(weight / (1 + ((harmonic * 122 - centre) / 90) ** 2) for weight, centre in zip((1, 0.5), formants, strict=True))
        voice += gain * np.sin(harmonic * phase)
    open_lips = np.clip((place - 0.06) / 0.02, 0, 1) * np.clip((0.24 - place) / 0.02, 0, 1)
    return (0.35 * voice * open_lips / np.abs(voice).max()).astype(np.float32)


@pytest.fixture(scope="session")
def microphone(tmp_path_factory) -> Path:
    """Three seconds of babble, three of silence; Chromium plays it in a loop as its microphone."""
    path = tmp_path_factory.mktemp("microphone") / "talk.wav"
    write_wav(path, np.pad(babble(3.0), (0, 3 * 48_000)))
    return path


@pytest.fixture
async def visit(site, microphone):
    """`await visit(size=..., script=...)` opens the page; the microphone plays `microphone`."""
    contexts = []

    async def go(*, size: tuple[int, int] = (1280, 800), script: str = "", ready: bool = True, path: str = ""):
        manager = chromium(microphone, size=size)
        contexts.append(manager)
        context = await manager.__aenter__()
        context.set_default_timeout(PATIENCE)
        page = await context.new_page()
        page.problems = []
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        await page.add_init_script(PROBE + script)
        await page.goto(site.url + path)
        if ready:
            await page.wait_for_selector('#frame[data-playing="true"]')
            await page.wait_for_selector('#state[data-state="ready"]')
        return page

    yield go
    for manager in contexts:
        await manager.__aexit__(None, None, None)
