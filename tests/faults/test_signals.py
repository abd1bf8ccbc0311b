"""The whole product as a process, with its own face, told to stop or killed."""

import asyncio
import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from aiohttp import ClientSession
from aiortc import AudioStreamTrack, RTCPeerConnection, RTCSessionDescription

from limner.engine.testing import speech_like
from tests.streams.mp4_reader import read_film
from tests.streams.sounds import wav

BEGIN = 120            # s a loaded machine may take to start Python and seat a face
# What the engine allows itself is 2 s; taking down the interpreter on a loaded machine comes on top.
END = 2 + 8


@contextlib.contextmanager
def limner(folder: Path, *args: str) -> Iterator[subprocess.Popen]:
    command = [sys.executable, "-m", "limner.clients", *args]
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def grown(file: Path, size: int) -> None:
    """Wait until `file` has that many bytes."""
    for _ in range(BEGIN * 20):
        if file.exists() and file.stat().st_size >= size:
            return
        time.sleep(0.05)
    pytest.fail(f"{file.name} did not reach {size} bytes")


def recording(folder: Path) -> contextlib.AbstractContextManager[subprocess.Popen]:
    wav(folder / "talk.wav", speech_like(120, pause=0.1))
    return limner(folder, "run", "--from", "talk.wav", "--to", "film.mp4", "--to", "null", "--size", "256", "--report", "r.json")


def check(film: Path, seconds: float) -> None:
    seen = read_film(film)
    assert len(seen.times) >= 20 * seconds and np.abs(seen.sound).max() > 0.05
    assert abs(seen.times[-1] - len(seen.sound) / seen.rate) < 1.5           # one second fragments


def test_sigterm_finishes_the_recording(tmp_path):
    with recording(tmp_path) as process:
        assert process.stderr.readline().startswith("talk.wav -> film.mp4, null; ")
        grown(tmp_path / "film.part.mp4", 100_000)
        process.send_signal(signal.SIGTERM)
        assert process.wait(END) == 0, process.stderr.read()
    check(tmp_path / "film.mp4", 1)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["film.mp4", "r.json", "talk.wav"]


def test_sigkill_leaves_a_recording_that_plays(tmp_path):
    with recording(tmp_path) as process:
        grown(tmp_path / "film.part.mp4", 100_000)
        process.kill()
        process.wait()
    check(tmp_path / "film.part.mp4", 1)
    assert not (tmp_path / "film.mp4").exists()


async def test_sigterm_ends_a_server_and_its_sessions(tmp_path):
    browser, gone = RTCPeerConnection(), asyncio.Event()
    with limner(tmp_path, "serve", "--port", "0", "--size", "256") as process:
        line = await asyncio.wait_for(asyncio.to_thread(process.stderr.readline), BEGIN)
        url = line.split()[3]
        try:
            browser.addTransceiver(AudioStreamTrack(), direction="sendrecv")
            browser.addTransceiver("video", direction="recvonly")
            tracks = []
            browser.on("track", tracks.append)
            browser.on("connectionstatechange", lambda: browser.connectionState == "closed" and gone.set())
            await browser.setLocalDescription(await browser.createOffer())
            async with ClientSession() as client:
                headers = {"Content-Type": "application/sdp"}
                answer = await client.post(f"{url}talk", data=browser.localDescription.sdp, headers=headers)
                await browser.setRemoteDescription(RTCSessionDescription(await answer.text(), "answer"))
            picture = await asyncio.wait_for(next(t for t in tracks if t.kind == "video").recv(), BEGIN)
            assert picture.width == 256
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait, END) == 0, process.stderr.read()
            await asyncio.wait_for(gone.wait(), END)                         # it was told, it did not have to find out
        finally:
            await browser.close()
