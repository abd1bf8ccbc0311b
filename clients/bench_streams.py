"""`limner bench streams`: the way from a microphone to a picture in a real browser, and lips against voice there.

A beep is played into Chromium's microphone; the page sends it up; the real engine, with an animator that flashes while
it hears a beep, sends flash and beep back down. The page notes when its microphone met the beep, when the flash was
shown and when the beep came back. The flash's grey level says how long before that frame the beep began, so that the
frame rate does not blur the measure. The same again while a share of what the server sends is lost. The outlets besides
the browser: `bench_outlets`; how many sessions: `limner bench sessions`.
"""

import asyncio
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from limner.engine.clock import SAMPLE_RATE, TICKS_PER_MS, MonotonicClock, milliseconds
from limner.engine.config import Settings
from limner.engine.session import Session
from limner.engine.types import AudioChunk, FeatureRows, FeatureWindow, Frame, Picture, Portrait
from limner.models.face.colour import to_picture
from limner.streams.encode import OpusEncoder, VideoEncoder

from . import bench_outlets
from .bench_engine import provenance
from .browser import chromium, write_wav
from .serve import ServeOptions, serve
from .serve_avatars import Gallery
from .serve_sessions import SessionRequest
from .weather import Weather

PERIOD = 0.73                 # s between beeps: no multiple of a frame
SETTLE = 12.0                 # s a browser's own synchroniser takes; reported apart
LOSSES = (0.05, 0.1)           # shares of the server's packets that never arrive, each in a run of its own at 25 fps
PROBE = Path(__file__).with_name("bench_streams_probe.js")
READ = "() => limnerProbe"
STATS = """async () => { const all = [...(await benchPeer.getStats()).values()];
  const of = (kind) => all.find((s) => s.type === "inbound-rtp" && s.kind === kind) ?? {};
  const v = of("video"), a = of("audio");
  return { frames: v.framesDecoded ?? 0, at: v.timestamp ?? 0, dropped: v.framesDropped ?? 0,
           estimated: v.estimatedPlayoutTimestamp - a.estimatedPlayoutTimestamp,
           video_buffer: 1000 * v.jitterBufferDelay / v.jitterBufferEmittedCount,
           audio_buffer: 1000 * a.jitterBufferDelay / a.jitterBufferEmittedCount }; }"""
KEEP_PEER = "const Peer = RTCPeerConnection; RTCPeerConnection = class extends Peer { constructor(...a) { super(...a); globalThis.benchPeer = this; } };"


class BeepExtractor:
    """Peak loudness of each millisecond; declares the embedded face's look-ahead, so that the path is as long."""

    width, step, lookahead = 1, TICKS_PER_MS, 60 * TICKS_PER_MS
    HOP = SAMPLE_RATE // 1000

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._held, self._pts = np.zeros(0, np.float32), None

    def push(self, chunk: AudioChunk) -> FeatureRows | None:
        if self._pts is None:
            self._pts = chunk.pts
        held = np.concatenate([self._held, chunk.samples])
        count = len(held) // self.HOP
        if not count:
            self._held = held
            return None
        self._held, hops = held[count * self.HOP :], np.abs(held[: count * self.HOP]).reshape(count, self.HOP)
        rows = FeatureRows(hops.max(1, keepdims=True), self._pts, hops.max(1) > 0.05, chunk.captured_ns)
        self._pts += count * self.step
        return rows


class FlashAnimator:
    """A dark square; bright while it hears a beep. In the first 40 ms the level is 255 minus 3 for each ms since onset."""

    window = (40, 0)

    def __init__(self, size: int) -> None:
        self.size = (size, size)

    def sit(self, portrait: Portrait) -> None:
        """Needs no portrait."""

    def reset(self) -> None:
        """Has no memory."""

    def draw(self, window: FeatureWindow) -> Frame:
        loud = window.rows[:, 0] > 0.08
        level = 16
        if loud[-8:].any():
            level = 100 if loud[0] else 255 - 3 * int(len(loud) - 1 - np.argmax(loud))
        return Frame(np.full((*self.size, 3), level, np.uint8), window.pts, 0, window.captured_ns)


class Flashing:
    """Makes real sessions around the flash and keeps the newest."""

    async def __call__(self, request: SessionRequest) -> Session:
        self.session = Session(
            extractor=BeepExtractor(), animator=FlashAnimator(request.size), sinks=list(request.sinks),
            clock=MonotonicClock(), settings=Settings(fps=request.fps, size=request.size), colour=to_picture)
        return self.session

    def figures(self) -> dict[str, float]:
        """What the engine itself says: declared latency, measured, and how far its clock had to be held back."""
        found = self.session.metrics.snapshot()
        return {"declared_ms": found["latency_declared_ms"], "total_p50_ms": found.get("total_ms_p50", 0.0),
                "total_p95_ms": found.get("total_ms_p95", 0.0), "held_ms": milliseconds(found.get("held_ticks", 0))}


def beeps(seconds: float, rate: int = 48_000) -> NDArray[np.float32]:
    """A 1 kHz beep of 60 ms every `PERIOD`."""
    t = np.arange(int(seconds * rate)) / rate
    return (0.6 * np.sin(2 * np.pi * 1000 * t) * ((t % PERIOD) < 0.06)).astype(np.float32)


def pair(causes: list[float], effects: list[float], low: float, high: float) -> list[tuple[float, float]]:
    """(cause time, effect minus cause) for each effect with exactly one cause `low` to `high` ms before it."""
    found = []
    for effect in effects:
        near = [cause for cause in causes if low <= effect - cause <= high]
        if len(near) == 1:
            found.append((near[0], effect - near[0]))
    return found


def summary(values: list[float]) -> dict[str, float]:
    """Count, median, 95th percentile and maximum; the last two of the size."""
    if not values:
        return {"count": 0}
    size = np.abs(values)
    return {"count": len(values), "p50": float(np.median(values)), "p95_abs": float(np.quantile(size, 0.95)),
            "max_abs": float(size.max())}


async def measure(url: str, seconds: float, fps: int, weather: Weather | None = None, loss: float = 0.0) -> dict:
    """One visit to the page of `url` with a beeping microphone; `weather` turns to `loss` once the picture plays."""
    with tempfile.TemporaryDirectory() as folder:
        sound = Path(folder) / "beeps.wav"
        write_wav(sound, beeps(PERIOD * 40))
        async with chromium(sound, bypass_csp=True) as context:
            page = await context.new_page()
            await page.add_init_script(KEEP_PEER + PROBE.read_text("utf-8"))
            await page.goto(url)
            await page.wait_for_selector('#frame[data-playing="true"]')
            first = (await page.evaluate(READ))["first"]
            if fps != ServeOptions().fps:
                await page.select_option("#fps", str(fps))          # connects anew
                await page.wait_for_selector('#frame[data-playing="true"]')
            await page.uncheck("#echo", force=True)
            await page.evaluate("limnerWatch(document.getElementById('face'))")
            if weather:
                weather.loss = loss
            await page.click("#talk")
            return {"fps_asked": fps, "navigation_to_first_frame_ms": first, **await _follow(page, seconds)}


async def _follow(page, seconds: float) -> dict:
    start, estimates = await page.evaluate(STATS), []
    for second in range(int(seconds)):
        await asyncio.sleep(1)
        now = await page.evaluate(STATS)
        if second >= SETTLE and now["estimated"] is not None:
            estimates.append(now["estimated"])
    probe = await page.evaluate(READ)
    settled = (probe["spoken"] or [0])[0] + SETTLE * 1000
    eye, ear = pair(probe["spoken"], probe["seen"], 20, 500), pair(probe["spoken"], probe["heard"], 20, 500)
    skew = pair(probe["heard"], probe["seen"], -300, 300)
    return {
        "frames_per_second": 1000 * (now["frames"] - start["frames"]) / (now["at"] - start["at"]),
        "frames_dropped": now["dropped"],
        "mouth_to_eye_ms": summary([delay for _, delay in eye]),
        "mouth_to_ear_ms": summary([delay for _, delay in ear]),
        "picture_minus_sound_ms": summary([late for at, late in skew if at >= settled]),
        "picture_minus_sound_first_seconds_ms": summary([late for at, late in skew if at < settled]),
        "playout_estimate_video_minus_audio_ms": summary(estimates),
        "video_buffer_ms": now["video_buffer"], "audio_buffer_ms": now["audio_buffer"],
    }


def encode_cost(size: int, pictures: int) -> dict:
    """Median ms to encode one moving picture, and one 20 ms chunk of sound."""
    rng = np.random.default_rng(0)
    base = rng.integers(40, 200, (size // 8, size // 8), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    out = {}
    for codec in ("h264", "vp8"):
        encoder, costs = VideoEncoder(codec, (size, size), 25), []
        for n in range(pictures):
            planes = np.full((size * 3 // 2, size), 128, np.uint8)
            planes[:size] = np.roll(base, n, 0)
            began = time.perf_counter()
            encoder.encode(Picture(planes, (size, size), n * 3600, 0))
            costs.append((time.perf_counter() - began) * 1000)
        out[f"{codec}_{size}_ms"] = float(np.median(costs))
    opus, costs = OpusEncoder(), []
    for n in range(pictures):
        chunk = AudioChunk(rng.normal(0, 0.1, 320).astype(np.float32), SAMPLE_RATE, n * 320, n * 1800, 0)
        began = time.perf_counter()
        opus.encode(chunk)
        costs.append((time.perf_counter() - began) * 1000)
    return {**out, "opus_20ms_ms": float(np.median(costs))}


async def _run(quick: bool) -> dict:
    flashing = Flashing()
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(flashing, Gallery(), ServeOptions(port=0), ready=ready.set_result))
    try:
        await asyncio.wait({serving, ready}, return_when=asyncio.FIRST_COMPLETED)
        url = serving.result() if serving.done() else ready.result()
        rates = (25,) if quick else (25, 50)
        out = {}
        for fps in rates:
            out[f"browser_{fps}fps"] = {**await measure(url, 24 if quick else 60, fps), "engine": flashing.figures()}
        for loss in LOSSES[-1:] if quick else LOSSES:
            out[f"browser_25fps_loss_{100 * loss:.0f}_percent"] = await _in_bad_weather(url, 24 if quick else 60, loss) | {
                "engine": flashing.figures()}
        return out
    finally:
        serving.cancel()
        await asyncio.wait({serving})


async def _in_bad_weather(url: str, seconds: float, loss: float) -> dict:
    weather = Weather()
    with weather.over_all():
        found = await measure(url, seconds, 25, weather, loss)
    return {**found, "packets": weather.sent, "packets_lost": weather.lost}


def run(json_path: Path | None, quick: bool = False) -> dict:
    """Measure, write the figures to `json_path`, and return them. Raises MissingPackage without a browser."""
    about = provenance("limner bench streams" + (" --quick" if quick else ""))
    result = {"about": about, "encode": encode_cost(512, 50 if quick else 250),
              "outlets": asyncio.run(bench_outlets.measure(4 if quick else 20)), **asyncio.run(_run(quick))}
    text = json.dumps(result, indent=1)
    if json_path:
        Path(json_path).write_text(text + "\n", "utf-8")
    print(text)
    return result
