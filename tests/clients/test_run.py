import asyncio
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from limner.clients import loader, run
from limner.clients.options import Options
from limner.engine.clock import DeviceClock, ManualClock, MonotonicClock
from limner.engine.errors import DeviceError, MediaError, OutputError, UsageError
from limner.streams.sinks.null import Null
from limner.streams.sinks.recorder import Recorder
from limner.streams.sources import microphone
from limner.streams.sources.mediafile import MediaFile
from tests.clients.faces import paper_face  # noqa: F401
from tests.streams.mp4_reader import read_film
from tests.streams.pulse import need_pulse, pulse_server
from tests.streams.sounds import tone, wav


def test_sources_by_name(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(microphone, "create", lambda argument, *, clock: made.append(argument) or "mic")
    clock = ManualClock()
    assert run.source_of("mic", clock) == "mic" and run.source_of("mic:USB: left", clock) == "mic"
    assert made == ["", "USB: left"]
    assert isinstance(run.source_of(str(wav(tmp_path / "a.wav", tone(0.1))), clock), MediaFile)
    with pytest.raises(MediaError, match="no such file"):
        run.source_of("nowhere.wav", clock)


def test_sinks_by_name(tmp_path):
    assert isinstance(run.sink_maker("null")(size=(64, 64), fps=25), Null)
    assert isinstance(run.sink_maker(str(tmp_path / "a.mp4"))(size=(64, 64), fps=25), Recorder)
    for wrong in ("tape", "talk.avi", "http://there"):
        with pytest.raises(UsageError, match=r"--to .*expected camera"):
            run.sink_maker(wrong)


def test_every_name_leads_to_a_registry_file():
    assert set(run.SOURCES.values()) <= set(loader.names("sources"))
    assert set(run.SINKS.values()) <= set(loader.names("sinks"))


@pytest.mark.parametrize("spec", ["zmq:ipc:///tmp/limner-test", "whip:http://127.0.0.1:1/live", "camera", "null"])
def test_sinks_are_made_without_opening_anything(spec):
    if spec == "camera":
        pytest.importorskip("pyvirtualcam")
    sink = run.sink_maker(spec)(size=(64, 64), fps=25)
    assert all(hasattr(sink, name) for name in ("show", "play", "__aenter__", "__aexit__"))


def test_a_microphone_keeps_its_own_time():
    assert isinstance(run.clock_for("mic:USB"), DeviceClock)
    assert not isinstance(run.clock_for("talk.wav"), DeviceClock) and isinstance(run.clock_for("talk.wav"), MonotonicClock)


def test_nothing_to_send_to():
    with pytest.raises(UsageError, match="at least one --to"):
        run.run(Options(), "mic", [])


async def drive(clock, work):
    """Move the clock while the session lives; its lane is a real thread."""
    task = asyncio.ensure_future(work)
    while not task.done():
        await clock.advance(900)
        await asyncio.to_thread(int)
    return await task


async def test_a_file_is_said_to_its_end(tmp_path, monkeypatch, paper_face, capsys):  # noqa: F811
    clock, sinks = ManualClock(), [Null(), Null()]
    makers = iter(sinks)
    monkeypatch.setattr(run, "clock_for", lambda source: clock)
    monkeypatch.setattr(run, "sink_maker", lambda text: lambda size, fps: next(makers))
    audio = wav(tmp_path / "a.wav", tone(1.0))
    status = await drive(clock, run.live(Options(), str(audio), ["null", "null"], tmp_path / "r.json", False))
    assert status == 0 and all(sink.samples >= 16_000 and sink.pictures >= 20 for sink in sinks)
    numbers = json.loads((tmp_path / "r.json").read_text())
    assert numbers["latency_declared_ms"] > 0 and all(isinstance(v, int | float) for v in numbers.values())
    assert "a.wav -> null, null; " in capsys.readouterr().err


class Broken(Null):
    async def show(self, picture):
        raise OutputError("talk.mp4: cannot be written (no room left on the disk)")


@pytest.mark.parametrize("sinks", [[Broken], [Broken, Null]])
async def test_a_sink_that_fails_is_reported(tmp_path, monkeypatch, paper_face, sinks):  # noqa: F811
    clock, made = ManualClock(), [sink() for sink in sinks]
    makers = iter(made)
    monkeypatch.setattr(run, "clock_for", lambda source: clock)
    monkeypatch.setattr(run, "sink_maker", lambda text: lambda size, fps: next(makers))
    with pytest.raises(OutputError, match="no room left"):
        await drive(clock, run.live(Options(), str(wav(tmp_path / "a.wav", tone(1.0))), ["x"] * len(made), None, True))
    assert len(made) == 1 or made[1].samples >= 16_000                    # the other was served to the end


class FakeSession:
    """Runs until closed, and says so."""

    def __init__(self, error=None):
        self.over, self.error, self.closed = asyncio.Event(), error, False

    async def run(self):
        if self.error:
            raise self.error
        await self.over.wait()

    async def close(self):
        self.closed = True
        self.over.set()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_closes_in_order(number):
    session, loop = FakeSession(), asyncio.get_running_loop()
    loop.call_soon(os.kill, os.getpid(), number)
    await run.until_stopped(session)
    assert session.closed and not loop.remove_signal_handler(number)      # nothing was left behind


async def test_a_device_error_ends_it():
    with pytest.raises(DeviceError, match="unplugged"):
        await run.until_stopped(FakeSession(DeviceError("unplugged")))


def test_the_mendable_error_is_the_one_shown():
    boom, full = RuntimeError("boom"), OutputError("full")
    assert run.first_of([boom, full]) is full and run.first_of([boom]) is boom


@pytest.mark.slow
def test_from_a_real_microphone_into_a_file(tmp_path):
    """The whole product: PortAudio in, the bundled face, an MP4 out, ended by Ctrl-C."""
    need_pulse()
    (tmp_path / "p").mkdir()
    with pulse_server(tmp_path / "p") as server:
        command = [sys.executable, "-m", "limner.clients", "run", "--from", "mic", "--to", "talk.mp4", "--report", "r.json", "--size", "256"]
        live = subprocess.Popen(command, env=server.environment, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
        assert live.stderr.readline().startswith("mic -> talk.mp4; ")
        sound = np.concatenate([np.zeros(48_000, np.float32), tone(1.0, 16_000, 440), np.zeros(8_000, np.float32)])
        server.play(wav(tmp_path / "tone.wav", sound))
        live.send_signal(signal.SIGINT)
        assert live.wait(60) == 0, live.stderr.read()
    film = read_film(tmp_path / "talk.mp4")
    spoken = np.flatnonzero(np.abs(film.sound) > 0.05)
    assert 15_000 < spoken[-1] - spoken[0] < 17_000                    # the tone, whole
    assert film.first_sample == 0 and abs(film.times[-1] - len(film.sound) / 16_000) < 0.2
    assert np.diff(film.times).max() < 1.0                             # pictures all along, however busy the machine
    assert json.loads((tmp_path / "r.json").read_text())["latency_declared_ms"] <= 250


def test_no_microphone_is_one_line(tmp_path):
    """Whatever is missing here: the package, PortAudio, any device, or one of that name."""
    command = [sys.executable, "-m", "limner.clients", "run", "--from", "mic:no such thing", "--to", "null"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2 and not done.stdout
    assert len(done.stderr.splitlines()) == 1 and "microphone" in done.stderr
