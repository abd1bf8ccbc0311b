"""The scene collection in a real OBS: it loads, shows and plays what `--to udp:` sends, and keeps lips and voice together."""

import asyncio
import socket
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from limner.clients import obs as guide
from limner.engine.clock import TICKS, MonotonicClock, ticks_from_samples
from limner.engine.types import AudioChunk, Frame
from limner.models.face.colour import to_picture
from limner.streams.sinks.mpegts import create
from tests.streams.sinks.obs import PATIENCE, free_port, studio

COLLECTION = Path(next(iter(guide.__path__))) / "limner.json"
SIZE, FPS = 256, 25
ABOVE, BELOW = (200, 70, 40), (40, 90, 190)
PERIOD, FLASH = 2 * TICKS, TICKS // 5          # of a flash with its beep, and how long both last


def shown(pts: int):
    """Two colours; white all over while it flashes."""
    rgb = np.empty((SIZE, SIZE, 3), np.uint8)
    rgb[: SIZE // 2], rgb[SIZE // 2 :] = ABOVE, BELOW
    return to_picture(Frame(rgb if pts % PERIOD >= FLASH else np.full_like(rgb, 255), pts, TICKS // FPS, 0))


async def stream(target: str) -> None:
    """Flashes and beeps in real time, until cancelled."""
    clock, at = MonotonicClock(), 0
    async with create(target, size=(SIZE, SIZE), fps=FPS) as sink:
        while True:
            start = at * 640
            times = (start + np.arange(640)) * TICKS // 16_000
            beep = 0.5 * np.sin(2 * np.pi * 1000 * times / TICKS) * (times % PERIOD < FLASH)
            await sink.play(AudioChunk(beep.astype(np.float32), 16_000, start, ticks_from_samples(start), 0))
            await sink.show(shown(at * TICKS // FPS))
            at += 1
            await clock.sleep_until(at * TICKS // FPS)


def onsets(path: Path) -> tuple[list[float], list[float]]:
    """Seconds at which a recording's flashes and beeps begin."""
    with av.open(str(path)) as film:
        light = [(frame.time, frame.to_ndarray(format="gray").mean()) for frame in film.decode(video=0)]
    with av.open(str(path)) as film:
        sound = [(frame.time, frame.sample_rate, np.abs(frame.to_ndarray()[0])) for frame in film.decode(audio=0)]
    flashes = [b[0] for a, b in pairwise(light) if b[1] - a[1] > 10]
    loud = np.concatenate([samples for _, _, samples in sound]) > 0.1
    starts = np.flatnonzero(loud)
    starts = starts[np.diff(starts, prepend=-48_000) > 24_000]
    return flashes, [sound[0][0] + start / sound[0][1] for start in starts]


@pytest.mark.slow
async def test_the_scene_collection_shows_and_plays_what_is_sent_and_keeps_them_together(tmp_path):
    port = free_port(socket.SOCK_DGRAM)
    collection = COLLECTION.read_text().replace("127.0.0.1:9999", f"127.0.0.1:{port}")
    async with asyncio.timeout(PATIENCE), studio(tmp_path, collection) as obs:
        scenes = await obs.ask("GetSceneList")
        assert {scene["sceneName"] for scene in scenes["scenes"]} == {"limner", "limner transparent"}
        streaming = asyncio.create_task(stream(f"127.0.0.1:{port}"))
        while not obs.loudest.get("limner stream"):
            await asyncio.sleep(0.1)
        picture = await obs.look("limner", 480)                      # 480 x 270: the square is at the right edge
        while np.abs(picture[60, 345].astype(int) - ABOVE).max() > 12 or np.abs(picture[210, 345].astype(int) - BELOW).max() > 12:
            picture = await obs.look("limner", 480)
        assert picture[:, :205].max() < 8 and picture[:, 215:].mean() > 60
        await obs.ask("StartRecord")
        await asyncio.sleep(4.5 * PERIOD / TICKS)
        film = Path((await obs.ask("StopRecord"))["outputPath"])
        await asyncio.sleep(1)
        streaming.cancel()
    flashes, beeps = onsets(film)
    assert min(len(flashes), len(beeps)) >= 3
    late = np.median([min((flash - beep for beep in beeps), key=abs) for flash in flashes])
    assert abs(late) < 0.06                      # two of OBS's own frames at 30 a second; without the collection's offset more
