"""Every program in docs/agents.md runs as it is printed there, with the real face."""

import asyncio
import importlib.util
import re
import sys
import wave
from pathlib import Path

import pytest

from limner.clients.options import Options
from limner.clients.present import session_factory
from limner.clients.serve import ServeOptions, make_app
from limner.clients.serve_avatars import Gallery
from limner.engine.testing import speech_like
from limner.streams.audio import to_s16

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "agents.md"
TEXT = GUIDE.read_text() if GUIDE.is_file() else ""
PROGRAMS = {re.match(r"# python (\S+)", text)[1]: text for text in re.findall(r"```python\n(.*?)```", TEXT, re.S)}
NEEDS = {"talk_pipecat.py": "pipecat", "talk_livekit.py": "livekit"}
PATIENCE = 120         # s; only a program that hangs ever takes so long


@pytest.fixture
def speech(tmp_path):
    path = tmp_path / "speech.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(to_s16(speech_like(1.25)).tobytes())
    return path


async def run(name, tmp_path, *arguments) -> str:
    """What the program prints; it must end with status 0."""
    if not TEXT:
        pytest.skip("docs/agents.md is not here: this is no checkout")
    program = tmp_path / name
    program.write_text(PROGRAMS[name])
    process = await asyncio.create_subprocess_exec(sys.executable, str(program), *map(str, arguments), cwd=tmp_path,
                                                   stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(PATIENCE):
            out, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, errors.decode()
    return out.decode()


@pytest.mark.parametrize("name", ["talk.py", "talk_pipecat.py", "talk_livekit.py"])
async def test_a_program_plays_all_of_the_speech(name, speech, tmp_path):
    if name in NEEDS and not importlib.util.find_spec(NEEDS[name]):
        pytest.skip(f"{NEEDS[name]} is not installed: pip install 'limner[{NEEDS[name]}]'")
    printed = re.search(r"the last word was seen after 1\.25 s of speech and (\d+) pictures", await run(name, tmp_path, speech))
    assert printed and int(printed[1]) >= 30


async def test_the_socket_program_hears_the_end(speech, tmp_path):
    from aiohttp.test_utils import TestServer

    options = Options(size=256)
    async with TestServer(make_app(session_factory(options), Gallery(), ServeOptions(size=256))) as server:
        printed = await run("talk_socket.py", tmp_path, speech, f"http://127.0.0.1:{server.port}")
    assert "'state': 'start'" in printed and "'reason': 'finished'" in printed.splitlines()[-1]
