"""`limner bench bus`: pictures over ZeroMQ to other processes on this machine, in each form and through shared memory.

Two subscribers read everything, a third stands still. Paced at 50 pictures a second the delay from handing a picture
over to having its bytes is measured; flat out, faster than anybody reads, the pictures a second that arrive.
"""

import asyncio
import json
import multiprocessing
import sys
import time
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from limner.engine.clock import TICKS
from limner.engine.types import Picture
from limner.streams.sinks.zeromq import ZeroMQSink

from .bench_engine import provenance
from .zmq.client import Client

SIZE = (512, 512)
FPS = 50
FORMS = ("i420", "rgb", "bgra", "jpeg", "rgb&shm=1")
LAST = 2**40                       # pts of the picture that ends a run


def reader(address: str, pipe: Connection, reads: bool) -> None:
    """In its own process: joins, then tells [pts, delay in ms] of every picture until the last; or never reads."""
    with Client(address, topics=["video"]) as client:
        client.receive()
        pipe.send("joined")
        if not reads:
            pipe.recv()
            return
        seen = []
        while (message := client.receive()).header["pts"] < LAST:
            now = time.monotonic_ns()
            seen.append((message.header["pts"], (now - message.header["times"]["captured"]) / 1e6))
        pipe.send([each for each in seen if each[0] > 0])


def picture(pts: int) -> Picture:
    """A noisy one, so that JPEG has work to do; made anew, as a session does."""
    planes = np.full((SIZE[0] * 3 // 2, SIZE[1]), 128, np.uint8)
    planes[: SIZE[0]] += np.random.default_rng(0).integers(0, 32, SIZE, np.uint8)
    return Picture(planes, SIZE, pts, time.monotonic_ns(), TICKS // FPS)


async def measure(form: str, count: int) -> dict[str, float]:
    """One form: paced, then flat out."""
    async with ZeroMQSink(f"tcp://127.0.0.1:*?format={form}", size=SIZE, fps=FPS) as sink:
        paced = await measure_run(sink, count, 1 / FPS)
        flat = await measure_run(sink, count, 0.0)
    return {"fps_paced": paced["fps"], "delay_ms_p50": paced["p50"], "delay_ms_p95": paced["p95"], "received_share": paced["share"],
            "send_ms_p95": paced["send_p95"], "fps_flat_out": flat["fps"], "flat_out_share": flat["share"]}


async def measure_run(sink: ZeroMQSink, count: int, period: float) -> dict[str, float]:
    """`count` pictures every `period` s to three fresh processes; the figures are those of the worse of two readers."""
    pipes, processes = zip(*(start(sink.address, reads) for reads in (True, True, False)), strict=True)
    pending = set(pipes)
    while pending:
        await sink.show(picture(0))
        await asyncio.sleep(0.01)
        pending -= {pipe for pipe in pending if pipe.poll() and pipe.recv()}
    base, sends, began = picture(0), [], time.perf_counter()
    for k in range(1, count + 1):
        await asyncio.sleep(max(0.0, began + k * period - time.perf_counter()))
        before = time.perf_counter()
        await sink.show(replace(base, pts=k, captured_ns=time.monotonic_ns()))
        sends.append(1000 * (time.perf_counter() - before))
    took = time.perf_counter() - began
    while not all(pipe.poll() for pipe in pipes[:2]):
        await sink.show(picture(LAST))
        await asyncio.sleep(0.05)
    seen = [pipe.recv() for pipe in pipes[:2]]
    pipes[2].send("over")
    for process in processes:
        process.join()
    fewest = min(len(each) for each in seen)
    delays = np.array([delay for each in seen for _, delay in each])
    return {"fps": fewest / took, "share": fewest / count, "send_p95": float(np.percentile(sends, 95)),
            "p50": float(np.percentile(delays, 50)), "p95": float(np.percentile(delays, 95))}


def start(address: str, reads: bool) -> tuple[Connection, multiprocessing.Process]:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=reader, args=(address, there, reads), daemon=True)
    process.start()
    return here, process


def run(json_path: Path | None = None, quick: bool = False) -> int:
    """Measure every form, print a line each on stderr, write numbers. Returns 0."""
    figures = {}
    for form in FORMS:
        figures[form.replace("&shm=1", "_shm")] = result = asyncio.run(measure(form, 100 if quick else 500))
        print(f"{form:10} {result['fps_paced']:.0f} fps of {FPS}, delay {result['delay_ms_p50']:.1f}/{result['delay_ms_p95']:.1f} ms, "
              f"flat out {result['fps_flat_out']:.0f} fps", file=sys.stderr)
    if json_path:
        about = provenance("limner bench bus" + (" --quick" if quick else ""))
        json_path.write_text(json.dumps({"kind": "bus", **about, "fps": FPS, "size": SIZE, "forms": figures}, indent=2) + "\n", "utf-8")
    return 0
