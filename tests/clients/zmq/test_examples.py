"""The examples in other languages, built and run against a real session on the bus."""

import asyncio
import json
import os
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from limner.clients import zmq as examples
from limner.engine.clock import MonotonicClock
from limner.engine.session import Session
from limner.engine.testing import FakeAnimator, FakeExtractor
from limner.streams.desk import Desk
from limner.streams.sinks.zeromq import create
from tests.streams.sounds import tone

FOLDER = Path(next(iter(examples.__path__)))
FRAMES = 12


async def session_for(arguments):
    """What a program prints that watches a talking session, and whether it stopped the speech."""
    sink = create("tcp://127.0.0.1:*?format=rgb&control=tcp://127.0.0.1:*", size=(64, 64), fps=25)
    session = Session(extractor=FakeExtractor(lookahead=900), animator=FakeAnimator(size=64, window=(0, 0)), sinks=[sink],
                      clock=MonotonicClock())
    sink.attend(Desk(session))
    utterance = session.say(np.tile(tone(1.0), 60))
    running = asyncio.create_task(session.run())
    while ":*" in sink.address or ":*" in sink.reception.address:
        await asyncio.sleep(0)
    program = await asyncio.create_subprocess_exec(*arguments(sink.address, sink.reception.address), stdout=subprocess.PIPE)
    out, _ = await asyncio.wait_for(program.communicate(), 60)
    await session.close()
    await running
    return json.loads(out), await utterance.done


def check(seen, state, picture):
    assert seen["video"] == FRAMES and seen["audio"] > 0
    assert (seen["width"], seen["height"], seen["kind"], seen["answer"]) == (64, 64, "rgb", "ok")
    assert state == "interrupted"
    assert cv2.imread(str(picture)).shape == (64, 64, 3)


@pytest.mark.slow
async def test_cpp(tmp_path):
    flags = ["-std=c++17", "-O1", "-DMSGPACK_NO_BOOST"]
    if not shutil.which("g++"):
        pytest.skip("no g++: apt install g++ libzmq3-dev libmsgpack-cxx-dev")
    have = subprocess.run(["g++", *flags, "-E", "-x", "c++", "-"], input="#include <zmq.h>\n#include <msgpack.hpp>\n", text=True,
                          capture_output=True, check=False)
    if have.returncode:
        pytest.skip("no libzmq or msgpack headers: apt install libzmq3-dev libmsgpack-cxx-dev")
    program, picture = tmp_path / "watch", tmp_path / "face.ppm"
    subprocess.run(["g++", *flags, "-Wall", "-Wextra", "-Werror", str(FOLDER / "watch.cpp"), "-lzmq", "-o", str(program)],
                   check=True, timeout=180)
    check(*await session_for(lambda out, control: [str(program), out, str(FRAMES), control, str(picture)]), picture)


@pytest.mark.slow
async def test_javascript(tmp_path):
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("no node and npm: apt install nodejs npm")
    for name in ("watch.js", "package.json"):
        shutil.copy(FOLDER / name, tmp_path)
    installed = subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefer-offline"], cwd=tmp_path,
                               capture_output=True, text=True, timeout=240, check=False, env={**os.environ, "CI": "1"})
    if installed.returncode:
        pytest.skip(f"npm cannot install zeromq and @msgpack/msgpack here: {installed.stderr.strip()[-200:]}")
    picture = tmp_path / "face.ppm"
    seen, state = await session_for(lambda out, control: ["node", str(tmp_path / "watch.js"), out, "--control", control,
                                                          "--frames", str(FRAMES), "--save", str(picture)])
    check(seen, state, picture)
