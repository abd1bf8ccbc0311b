"""A real OBS Studio on a screen that is not there, commanded through its WebSocket (protocol 5)."""

import asyncio
import base64
import contextlib
import io
import json
import os
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
from aiohttp import ClientError, ClientSession
from PIL import Image

PATIENCE = 90          # s; only a broken OBS ever waits so long
LEVELS = 1 << 16       # the events about loudness
GLOBAL = """[General]
FirstRun=true
EnableAutoUpdates=false
[Basic]
Profile=limner
ProfileDir=limner
SceneCollection=limner
SceneCollectionFile=limner
[OBSWebSocket]
FirstLoad=false
ServerEnabled=true
ServerPort={port}
AuthRequired=false
AlertsEnabled=false
"""
PROFILE = """[General]
Name=limner
[Video]
BaseCX=1920
BaseCY=1080
OutputCX=640
OutputCY=360
FPSCommon=30
[Output]
Mode=Simple
[SimpleOutput]
FilePath={folder}
RecFormat=mkv
RecQuality=Small
RecEncoder=x264_lowcpu
[Audio]
SampleRate=48000
"""


def free_port(kind=socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class Obs:
    """Requests and events of one connection."""

    def __init__(self, socket_) -> None:
        self._socket, self._waiting, self._number = socket_, {}, 0
        self.loudest: dict[str, float] = {}       # by input, 0 to 1

    async def listen(self) -> None:
        async for message in self._socket:
            body = json.loads(message.data)
            if body["op"] == 7:
                self._waiting.pop(body["d"]["requestId"]).set_result(body["d"])
            elif body["op"] == 5 and body["d"]["eventType"] == "InputVolumeMeters":
                for each in body["d"]["eventData"]["inputs"]:
                    peaks = [channel[1] for channel in each["inputLevelsMul"]]
                    self.loudest[each["inputName"]] = max([self.loudest.get(each["inputName"], 0.0), *peaks])

    async def ask(self, request: str, **data) -> dict:
        self._number += 1
        answer = self._waiting[str(self._number)] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"op": 6, "d": {"requestType": request, "requestId": str(self._number), "requestData": data}})
        found = await answer
        assert found["requestStatus"]["result"], (request, found["requestStatus"])
        return found.get("responseData") or {}

    async def look(self, source: str, width: int) -> np.ndarray:
        """What a source or scene shows, u8 RGB."""
        found = await self.ask("GetSourceScreenshot", sourceName=source, imageFormat="png", imageWidth=width)
        return np.array(Image.open(io.BytesIO(base64.b64decode(found["imageData"].partition(",")[2]))).convert("RGB"))


@contextlib.asynccontextmanager
async def screen(environment: dict):
    """The name of a virtual display."""
    server = await asyncio.create_subprocess_exec("Xvfb", "-displayfd", "1", "-nolisten", "tcp", "-screen", "0", "1280x800x24",
                                                  env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL)
    try:
        yield f":{(await server.stdout.readline()).decode().strip()}"
    finally:
        server.terminate()
        await server.wait()


@contextlib.asynccontextmanager
async def studio(folder: Path, collection: str):
    """OBS with the scene collection of that text, in a home of its own; recordings go to `folder`. Skips where there is none."""
    for program, package in (("obs", "obs-studio"), ("Xvfb", "xvfb libgl1-mesa-dri")):
        if not shutil.which(program):
            pytest.skip(f"no {program}: apt install {package}")
    port, home = free_port(), folder / "home"
    place = home / ".config" / "obs-studio"
    for path, text in (("global.ini", GLOBAL.format(port=port)), ("basic/profiles/limner/basic.ini", PROFILE.format(folder=folder)),
                       ("basic/scenes/limner.json", collection)):
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(text)
    home.chmod(0o700)
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "XDG_RUNTIME_DIR": str(home), "LIBGL_ALWAYS_SOFTWARE": "1",
                   "QT_QPA_PLATFORM": "xcb", "LANG": "C.UTF-8"}
    async with screen(environment) as display:
        with (folder / "obs.txt").open("wb") as log:
            it = await asyncio.create_subprocess_exec("obs", "--multi", "--minimize-to-tray", env=environment | {"DISPLAY": display},
                                                      stdout=log, stderr=log)
        try:
            async with _connected(port) as obs:
                yield obs
        finally:
            with contextlib.suppress(ProcessLookupError):
                it.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(it.wait(), 10)
            with contextlib.suppress(ProcessLookupError):
                it.kill()


@contextlib.asynccontextmanager
async def _connected(port: int):
    async with ClientSession() as http:
        while True:
            with contextlib.suppress(ClientError):
                link = await http.ws_connect(f"ws://127.0.0.1:{port}", protocols=("obswebsocket.json",), max_msg_size=0)
                break
            await asyncio.sleep(0.2)
        assert (await link.receive_json())["op"] == 0
        await link.send_json({"op": 1, "d": {"rpcVersion": 1, "eventSubscriptions": LEVELS}})
        assert (await link.receive_json())["op"] == 2
        obs = Obs(link)
        listening = asyncio.create_task(obs.listen())
        yield obs
        listening.cancel()
        await link.close()
