import asyncio
import socket
import threading

import av
import numpy as np
import pytest

from limner.engine.errors import DeviceError, UsageError
from limner.engine.testing import check_sink
from limner.streams.sinks.mpegts import create
from tests.streams.mp4_reader import beeps, chunks_of, plain

SIZE = (64, 64)
FRAME = 3600


@pytest.fixture
def receiver():
    """A UDP socket on this machine; `received()` is all that was sent to it, once the sender is closed."""
    here = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    here.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    here.bind(("127.0.0.1", 0))
    parts, over = [], threading.Event()

    def listen():
        while data := here.recv(2048):
            parts.append(data)
        over.set()

    threading.Thread(target=listen, daemon=True).start()

    def received(tmp_path):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ending:
            ending.sendto(b"", here.getsockname())
        assert over.wait(10)
        path = tmp_path / "received.ts"
        path.write_bytes(b"".join(parts))
        assert all(len(part) <= 1316 and part[0] == 0x47 for part in parts)
        return path

    yield f"127.0.0.1:{here.getsockname()[1]}", received
    here.close()


def decoded(path):
    """(times of pictures in s, their mean luma, sound, its first sample's time in s)"""
    with av.open(str(path)) as container:
        video = [(f.time, f.to_ndarray()[:64, :64].mean()) for f in container.decode(video=0)]
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=0))
    assert frames[0].sample_rate == 48_000
    return [t for t, _ in video], [luma for _, luma in video], np.concatenate([f.to_ndarray()[0] for f in frames]), frames[0].time


async def test_the_contract():
    await check_sink(create("127.0.0.1:9", size=SIZE, fps=25), size=SIZE)


async def test_a_flash_and_a_beep_stay_together(receiver, tmp_path):
    target, received = receiver
    sound = beeps(3)
    onset = int(np.argmax(np.abs(sound[16_000:]) > 0.05)) + 16_000
    async with create(target, size=SIZE, fps=25) as sink:
        for k, chunk in enumerate(chunks_of(sound)):
            if k % 2 == 0:
                pts = k // 2 * FRAME
                await sink.show(plain(pts, luma=235 if onset <= pts * 16 // 90 < onset + 1600 else 16))
            await sink.play(chunk)
    times, luma, heard, start = decoded(received(tmp_path))
    assert len(times) >= 74 and np.allclose(np.diff(times), 0.04, atol=1e-4)
    seen = times[int(np.argmax(np.array(luma) > 120))] - times[0]
    beep = start - times[0] + (int(np.argmax(np.abs(heard[48_000:]) > 0.05)) + 48_000) / 48_000
    # AAC spreads an onset over a quarter of a frame; the flash is shown with the first whole picture of the beep.
    assert abs(beep - onset / 16_000) < 0.006 and 0 <= seen - onset / 16_000 <= 0.041


async def test_pictures_wait_for_no_sound_and_say_where_they_end():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here:
        here.bind(("127.0.0.1", 0))
        here.settimeout(10)
        async with create(f"127.0.0.1:{here.getsockname()[1]}", size=SIZE, fps=25) as sink:
            for k in range(3):
                await sink.show(plain(k * FRAME, luma=60 + k))
            begun = []
            while len(begun) < 2:                                    # the third is held until the fourth comes, or the end
                data = await asyncio.to_thread(here.recv, 2048)
                begun += [data[at + 4 : at + 6] for at in range(len(data)) if data[at : at + 4] == b"\0\0\1\xe0"]
            assert all(int.from_bytes(length, "big") > 0 for length in begun)


async def test_lost_sound_becomes_silence(receiver, tmp_path):
    target, received = receiver
    chunks = chunks_of(beeps(3))
    async with create(target, size=SIZE, fps=25) as sink:
        await sink.show(plain(0))
        for chunk in [*chunks[:40], *chunks[60:]]:
            await sink.play(chunk)
    heard = decoded(received(tmp_path))[2]
    assert len(heard) / 48_000 == pytest.approx(3, abs=0.1)


@pytest.mark.parametrize("target", ["", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:70000", "127.0.0.1:99/x", "u@127.0.0.1:99", "h:9?x=1"])
def test_what_is_no_target(target):
    with pytest.raises(UsageError, match="expected HOST:PORT"):
        create(target, size=SIZE, fps=25)


async def test_a_host_that_is_not_known(monkeypatch):
    def unknown(*asked):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(DeviceError, match=r"cannot be sent to.*not known"):
        await create("nowhere:9999", size=SIZE, fps=25).__aenter__()
