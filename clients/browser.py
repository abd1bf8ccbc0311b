"""A real Chromium without a screen, for the measurements and the tests that need a browser's ears and eyes."""

import contextlib
import shutil
import tempfile
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from limner.engine.errors import MissingPackage

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--no-pings",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--mute-audio",
    "--disable-features=WebRtcHideLocalIpsWithMdns,OptimizationHints,MediaRouter",
    "--autoplay-policy=no-user-gesture-required", "--allow-loopback-in-peer-connection",
    "--proxy-server=http://127.0.0.1:9", "--proxy-bypass-list=127.0.0.1",      # nothing but this machine is reachable
    "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
)


def find_chromium() -> str:
    """Path of an installed Chromium or Chrome. Raises MissingPackage when there is none."""
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        raise MissingPackage("no Chromium was found; install one (Debian: apt install chromium)")
    return path


def write_wav(path: Path, samples: NDArray[np.float32], rate: int = 48_000) -> None:
    """f32 mono in [-1, 1] as 16-bit PCM."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.rint(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())


@contextlib.asynccontextmanager
async def chromium(microphone: Path | None = None, *, size: tuple[int, int] = (900, 900), **more) -> AsyncIterator:
    """A fresh Playwright browser context whose microphone plays the file `microphone` in a loop.

    `more` goes to Playwright. Raises MissingPackage without Playwright or a browser.
    """
    try:
        from playwright.async_api import async_playwright
    except ImportError as error:
        raise MissingPackage("Playwright is not installed; run: pip install playwright") from error
    flags = [*FLAGS, *([f"--use-file-for-fake-audio-capture={microphone}"] if microphone else [])]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        async with async_playwright() as playwright:
            context = await playwright.chromium.launch_persistent_context(
                profile, executable_path=find_chromium(), headless=False, args=flags, permissions=["microphone"],
                viewport={"width": size[0], "height": size[1]}, **more)
            try:
                yield context
            finally:
                await context.close()
