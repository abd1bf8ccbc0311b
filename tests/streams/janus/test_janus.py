"""A WHIP server that is not ours: Meetecho's simple-whip-server before a Janus that records what arrives.

Both are Debian packages. simple-whip-server itself cannot be installed beside a Node.js that is not Debian's: it is unpacked then.
"""

import asyncio
import contextlib
import json
import shutil
import socket
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
from aiohttp import ClientSession

from limner.engine.clock import TICKS, MonotonicClock, ticks_from_samples
from limner.engine.errors import UsageError
from limner.engine.types import AudioChunk, Picture
from limner.streams.sinks.whip import create

PATIENCE = 60          # s; only a broken connection ever waits so long
SIZE, FPS, SECONDS = (128, 192), 25, 3
TOKEN = "a-token-of-good-length"
INSTALLED = Path("/usr/share/simple-whip-server/src")
PLUGINS = Path("/usr/lib/x86_64-linux-gnu/janus")
SERVER = """module.exports = {janus: {address: "ws://127.0.0.1:%d"}, port: {host: "127.0.0.1", port: %d}, rest: "/whip",
  allowTrickle: true, strictETags: true, iceServers: []};"""
JANUS = {
    "janus.jcfg": 'general: { configs_folder = "%(at)s"\n plugins_folder = "%(lib)s/plugins"\n transports_folder = "%(lib)s/transports"\n'
                  ' debug_level = 4 }\nplugins: { disable = "libjanus_audiobridge.so,libjanus_duktape.so,libjanus_lua.so,libjanus_sip.so,'
                  'libjanus_nosip.so,libjanus_streaming.so,libjanus_voicemail.so,libjanus_recordplay.so" }\n'
                  'transports: { disable = "libjanus_http.so,libjanus_mqtt.so,libjanus_nanomsg.so,libjanus_pfunix.so,libjanus_rabbitmq.so" }\n',
    "janus.transport.websockets.jcfg": 'general: { ws = true\n ws_ip = "127.0.0.1"\n ws_port = %(port)d }\n',
    "janus.plugin.videoroom.jcfg": 'room-1: { publishers = 2\n videocodec = "%(codec)s"\n audiocodec = "opus"\n record = true\n rec_dir = "%(at)s" }\n',
}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def run(arguments, folder):
    """Whatever it prints, or a skip: these programs fetch what may not be had here."""
    done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
    if done.returncode:
        pytest.skip(f"{' '.join(arguments[:2])} does not work here: {done.stderr.strip()[-200:]}")
    return done.stdout


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Path:
    """server.js with the packages it needs, without a configuration."""
    for program, package in (("janus", "janus"), ("node", "nodejs"), ("npm", "npm"), ("dpkg", "dpkg")):
        if not shutil.which(program):
            pytest.skip(f"no {program}: apt install {package}")
    folder = tmp_path_factory.mktemp("janus")
    source = INSTALLED
    if not source.exists():
        run(["apt-get", "download", "-q", "simple-whip-server"], folder)
        run(["dpkg", "-x", str(next(folder.glob("*.deb"))), "."], folder)
        source = folder / INSTALLED.relative_to("/")
    shutil.copytree(source, folder / "src", ignore=shutil.ignore_patterns("config.js"))      # a link to a file of /etc
    shutil.copy(Path(__file__).with_name("package.json"), folder)
    run(["npm", "install", "--silent", "--ignore-scripts", "--no-package-lock", "--no-audit", "--no-fund", "--prefer-offline"], folder)
    return folder / "src" / "server.js"


@contextlib.asynccontextmanager
async def process(*arguments, folder):
    """A program that is ended again; what it says is in `log.txt` of its folder."""
    with (folder / f"{Path(arguments[0]).name}.txt").open("wb") as log:
        it = await asyncio.create_subprocess_exec(*map(str, arguments), cwd=folder, stdout=log, stderr=log)
        try:
            yield it
        finally:
            with contextlib.suppress(ProcessLookupError):
                it.terminate()
            await it.wait()


@contextlib.asynccontextmanager
async def service(server: Path, at: Path, codec: str):
    """The address of a WHIP endpoint that wants `TOKEN`; recordings lie in `at` once it is left."""
    port, bus = free_port(), free_port()
    for name, text in JANUS.items():
        (at / name).write_text(text % {"at": at, "lib": PLUGINS, "port": bus, "codec": codec})
    server.with_name("config.js").write_text(SERVER % (bus, port))
    async with process("janus", "-F", at, folder=at), process("node", server, folder=at), ClientSession() as http:
        base = f"http://127.0.0.1:{port}/whip"
        async with asyncio.timeout(PATIENCE):
            while True:
                with contextlib.suppress(OSError):
                    async with http.post(base + "/create", json={"id": "face", "room": 1, "token": TOKEN}) as answer:
                        assert answer.status == 200, await answer.text()
                        break
                await asyncio.sleep(0.1)
        yield base + "/endpoint/face"


async def push(sink) -> None:
    """A grey that changes and a tone, in real time, `SECONDS` long."""
    clock, rng = MonotonicClock(), np.random.default_rng(0)
    tone = 0.3 * np.sin(np.arange(640) * 2 * np.pi * 500 / 16_000).astype(np.float32)
    for at in range(FPS * SECONDS):
        planes = rng.integers(100, 140, (SIZE[0] * 3 // 2, SIZE[1]), np.uint8)
        await sink.play(AudioChunk(tone, 16_000, at * 640, ticks_from_samples(at * 640), 0))
        await sink.show(Picture(planes, SIZE, at * TICKS // FPS, captured_ns=0))
        await clock.sleep_until((at + 1) * TICKS // FPS)


def packets(recording: Path) -> list[bytes]:
    """RTP packets of one of Janus's `.mjr` files: "MJR00002", a JSON header, then "MEET", u32 time, u16 length, packet."""
    data, found = recording.read_bytes(), []
    assert data[:8] == b"MJR00002"
    at = 10 + struct.unpack_from(">H", data, 8)[0]
    json.loads(data[10:at])
    while at < len(data):
        assert data[at : at + 4] == b"MEET"
        size = struct.unpack_from(">H", data, at + 8)[0]
        found.append(data[at + 10 : at + 10 + size])
        at += 10 + size
    return found


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["h264", "vp8"])
async def test_a_janus_records_all_that_is_pushed(server, tmp_path, monkeypatch, codec):
    monkeypatch.setenv("LIMNER_WHIP_TOKEN", TOKEN)
    async with asyncio.timeout(PATIENCE), service(server, tmp_path, codec) as url:
        async with create(url, size=SIZE, fps=FPS) as sink:
            assert sink.codec == codec
            await push(sink)
        async with create(url, size=SIZE, fps=FPS) as again:         # DELETE has freed the endpoint: it takes one stream at a time
            assert again.codec == codec
    video, sound = (packets(max(tmp_path.glob(f"*-{kind}-*.mjr"), key=lambda path: path.stat().st_size)) for kind in ("video", "audio"))
    pictures = {packet[4:8] for packet in video if packet[1] & 0x80}         # RTP times of packets that end a picture
    assert len(pictures) >= 0.9 * FPS * SECONDS and len(sound) >= 0.9 * 50 * SECONDS
    for stream in (video, sound):
        numbers = [struct.unpack_from(">H", packet, 2)[0] for packet in stream]
        assert len({(number - numbers[0]) % 65536 for number in numbers}) == (numbers[-1] - numbers[0]) % 65536 + 1      # none lost


@pytest.mark.slow
async def test_a_janus_that_does_not_know_the_token(server, tmp_path, monkeypatch):
    monkeypatch.setenv("LIMNER_WHIP_TOKEN", TOKEN[::-1])
    async with asyncio.timeout(PATIENCE), service(server, tmp_path, "h264") as url:
        with pytest.raises(UsageError, match="403"):
            await create(url, size=SIZE, fps=FPS).__aenter__()
