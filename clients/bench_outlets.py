"""`limner bench streams`, the outlets besides the browser: from a picture handed over to a reader on this machine having its pixels.

Every picture carries its number in its pixels, so what is measured has been encoded, sent, received and decoded. Each
outlet is read by what its users read it with: FFmpeg for MPEG-TS, the bus's own client, a WebRTC peer behind WHIP. A
recording has no reader while it is made: its pictures are counted.
"""

import asyncio
import contextlib
import socket
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import av
import numpy as np
from aiohttp import web
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from numpy.typing import NDArray

from limner.engine.clock import SAMPLE_RATE, TICKS, ticks_from_samples
from limner.engine.types import AudioChunk, Picture
from limner.streams.sinks import mpegts, recorder, whip, zeromq

from .zmq.client import Client

SIZE = (512, 512)
FPS = 25
BITS = 16                      # blocks of `BLOCK` px beside each other, the highest first
BLOCK = SIZE[1] // BITS
SETTLE = 2 * FPS               # pictures that do not count: readers still connect


class Seen:
    """When each picture was handed over and when a reader first had it, in ns; readers are threads or tasks."""

    def __init__(self) -> None:
        self.handed: dict[int, int] = {}
        self.had: dict[int, int] = {}
        self.over = threading.Event()

    def take(self, luma: NDArray[np.uint8]) -> None:
        self.had.setdefault(number_of(luma), time.monotonic_ns())

    def figures(self) -> dict[str, float]:
        """Of the pictures after the first two seconds: share that arrived, rate of arrival, delay."""
        counted = [n for n in self.handed if n >= SETTLE]
        delays = [(self.had[n] - self.handed[n]) / 1e6 for n in counted if n in self.had]
        if not delays:
            return {"share": 0.0}
        return {"fps": FPS * len(delays) / len(counted), "share": len(delays) / len(counted),
                "delay_ms_p50": float(np.median(delays)), "delay_ms_p95": float(np.quantile(delays, 0.95))}


def numbered(n: int) -> Picture:
    """A picture that moves, with `n` in its topmost rows."""
    planes = np.full((SIZE[0] * 3 // 2, SIZE[1]), 128, np.uint8)
    planes[: SIZE[0]] = np.roll(_PATTERN, 2 * n, 0)
    bits = (n >> np.arange(BITS)[::-1]) & 1
    planes[:BLOCK] = np.where(bits, 220, 30).astype(np.uint8).repeat(BLOCK)
    return Picture(planes, SIZE, n * TICKS // FPS, time.monotonic_ns(), TICKS // FPS)


def number_of(luma: NDArray[np.uint8]) -> int:
    """The number in a picture's luma, u8 [H, W], whatever the encoder did to it."""
    blocks = luma[BLOCK // 4 : 3 * BLOCK // 4].reshape(-1, BITS, BLOCK)[:, :, BLOCK // 4 : 3 * BLOCK // 4].mean((0, 2))
    return int(((blocks > 128) << np.arange(BITS)[::-1]).sum())


_PATTERN = np.random.default_rng(0).integers(60, 180, (SIZE[0] // 16, SIZE[1] // 16), np.uint8).repeat(16, 0).repeat(16, 1)


async def feed(sink, seen: Seen, seconds: float) -> None:
    """Pictures and a hum in real time."""
    chunk = SAMPLE_RATE // FPS
    hum = (0.1 * np.sin(np.arange(chunk) * 2 * np.pi * 200 / SAMPLE_RATE)).astype(np.float32)
    began = time.perf_counter()
    for n in range(SETTLE + round(seconds * FPS)):
        await asyncio.sleep(max(0.0, began + n / FPS - time.perf_counter()))
        picture = numbered(n)
        seen.handed[n] = time.monotonic_ns()
        await sink.show(picture)
        await sink.play(AudioChunk(hum, SAMPLE_RATE, n * chunk, ticks_from_samples(n * chunk), time.monotonic_ns()))
    await asyncio.sleep(0.5)                     # what is on its way


@contextlib.asynccontextmanager
async def reading(work: Callable[[], None], seen: Seen) -> AsyncIterator[None]:
    """A reader in a thread of its own, which ends soon after `seen.over`."""
    task = asyncio.create_task(asyncio.to_thread(work))
    try:
        yield
    finally:
        seen.over.set()
        await task


async def bus(seconds: float) -> dict[str, float]:
    seen = Seen()

    def read() -> None:
        with Client(sink.address, topics=["video"]) as client:
            while not seen.over.is_set():
                if message := client.receive(0.2):
                    seen.take(message.data[: SIZE[0]])

    async with zeromq.create("tcp://127.0.0.1:*", size=SIZE, fps=FPS) as sink, reading(read, seen):
        await feed(sink, seen, seconds)
    return seen.figures()


async def transport_stream(seconds: float) -> dict[str, float]:
    seen = Seen()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def read() -> None:
        quick = {"fflags": "nobuffer", "flags": "low_delay", "probesize": "65536", "analyzeduration": "300000", "timeout": "3000000"}
        with contextlib.suppress(av.error.FFmpegError), av.open(f"udp://127.0.0.1:{port}", format="mpegts", options=quick) as stream:
            stream.streams.video[0].codec_context.thread_count = 1
            for frame in stream.decode(video=0):
                seen.take(frame.to_ndarray()[: SIZE[0]])

    async with reading(read, seen), mpegts.create(f"127.0.0.1:{port}", size=SIZE, fps=FPS) as sink:
        await feed(sink, seen, seconds)
    return seen.figures()


async def pushed(seconds: float) -> dict[str, float]:
    """By WHIP to a peer that decodes with aiortc, whose jitter buffer keeps a picture until the next one has come."""
    seen, peer, tasks = Seen(), RTCPeerConnection(), []

    async def take(track) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                frame = await track.recv()
                if track.kind == "video":
                    seen.take(frame.to_ndarray(format="yuv420p")[: SIZE[0]])

    async def answer(request: web.Request) -> web.Response:
        if request.method != "POST":
            return web.Response()
        await peer.setRemoteDescription(RTCSessionDescription(await request.text(), "offer"))
        await peer.setLocalDescription(await peer.createAnswer())
        return web.Response(status=201, text=peer.localDescription.sdp, content_type="application/sdp", headers={"Location": "/here"})

    peer.on("track", lambda track: tasks.append(asyncio.create_task(take(track))))
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with whip.create(f"http://127.0.0.1:{runner.addresses[0][1]}/whip", size=SIZE, fps=FPS) as sink:
            await feed(sink, seen, seconds)
    finally:
        await peer.close()
        await asyncio.gather(*tasks)
        await runner.cleanup()
    return seen.figures()


async def recording(seconds: float) -> dict[str, float]:
    """Its `delay` is what `show` takes; the pictures are read from the file when it is whole."""
    seen, times = Seen(), []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        async with recorder.create(str(path), size=SIZE, fps=FPS) as sink:
            show = sink.show

            async def timed(picture: Picture) -> None:
                began = time.perf_counter()
                await show(picture)
                times.append(1000 * (time.perf_counter() - began))

            sink.show = timed
            await feed(sink, seen, seconds)
        with av.open(str(path)) as film:
            for frame in film.decode(video=0):
                seen.take(frame.to_ndarray()[: SIZE[0]])
    share = sum(n in seen.had for n in seen.handed) / len(seen.handed)
    return {"fps": FPS * share, "share": share, "show_ms_p50": float(np.median(times)), "show_ms_p95": float(np.quantile(times, 0.95))}


OUTLETS = {"zmq": bus, "udp": transport_stream, "whip": pushed, "mp4": recording}


async def measure(seconds: float) -> dict[str, dict[str, float]]:
    """Every outlet, one after another, `seconds` each."""
    return {name: await outlet(seconds) for name, outlet in OUTLETS.items()}
