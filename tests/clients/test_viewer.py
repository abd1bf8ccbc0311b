import asyncio
import dataclasses
import io
import subprocess
import sys

import cv2
import numpy as np
import pytest
from PIL import Image

from limner.clients import viewer
from limner.clients.zmq.client import Client
from limner.engine.errors import DeviceError, UsageError
from limner.streams.desk import Desk
from limner.streams.sinks.zeromq import create
from tests.streams.mp4_reader import plain
from tests.streams.test_desk import Stage

SIZE = (64, 64)
HERE = "tcp://127.0.0.1:*"


async def show_until(sink, done):
    """Pictures, brighter each time, until the awaitable is done."""
    task, k = asyncio.ensure_future(done), 0
    while not task.done():
        k += 1
        await sink.show(dataclasses.replace(plain(0, SIZE, luma=40 + k % 150), pts=3600 * k))
        await asyncio.to_thread(int)
    return await task


@pytest.mark.parametrize("kind", ["i420", "rgb", "bgra", "jpeg"])
async def test_the_newest_picture_of_every_kind(kind):
    async with create(f"{HERE}?format={kind}", size=SIZE, fps=25) as sink:
        with Client(sink.address, topics=["video", "event"]) as client:
            view = viewer.View(client)
            rgb = await show_until(sink, asyncio.to_thread(view.newest, 5))
            assert rgb.shape == (64, 64, 3) and rgb.dtype == np.uint8 and view.pictures == 1
            assert np.ptp(rgb.mean((0, 1))) < 4 and 20 < rgb.mean() < 220      # grey, as sent
            assert await show_until(sink, asyncio.to_thread(view.newest, 5)) is not None and view.pictures == 2
            assert Image.open(io.BytesIO(viewer.ppm(rgb))).size == (64, 64)


async def test_keys():
    stage, sink = Stage(), create(f"{HERE}?control={HERE}", size=SIZE, fps=25)
    sink.attend(Desk(stage))
    async with sink:
        with Client(control=sink.reception.address) as client:
            view = viewer.View(client)
            assert await asyncio.to_thread(view.key, "i") and stage.told == ["interrupt"] and view.caption == "interrupted"
            assert view.key("x") and not view.key("q") and not view.key("Escape")
    with Client("tcp://127.0.0.1:1") as deaf:
        assert viewer.View(deaf).key("i")


async def test_a_picture_is_kept(tmp_path):
    async with create(HERE, size=SIZE, fps=25) as sink:
        kept = asyncio.to_thread(viewer.run, sink.address, frames=3, save=tmp_path / "face.png")
        assert await show_until(sink, kept) == 0
    assert cv2.imread(str(tmp_path / "face.png")).shape == (64, 64, 3)


async def test_where_it_cannot_be_kept(tmp_path):
    async with create(HERE, size=SIZE, fps=25) as sink:
        for name in ("face.nonsense", "no/such/face.png"):
            with pytest.raises(UsageError, match=r"--save .*cannot be written"):
                await show_until(sink, asyncio.to_thread(viewer.run, sink.address, save=tmp_path / name))


def test_nobody_sends(monkeypatch, tmp_path):
    monkeypatch.setattr(viewer, "PATIENCE", 0.01)
    with pytest.raises(DeviceError, match="no picture came"):
        viewer.run("tcp://127.0.0.1:1", save=tmp_path / "face.png")


def test_what_is_no_endpoint_is_one_line():
    done = subprocess.run([sys.executable, "-m", "limner.clients", "view", "nonsense"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "no endpoint" in done.stderr


def test_no_screen(monkeypatch):
    pytest.importorskip("tkinter")
    monkeypatch.delenv("DISPLAY", raising=False)
    with Client("tcp://127.0.0.1:1") as client, pytest.raises(DeviceError, match="no screen"):
        viewer.window(viewer.View(client), "limner")
