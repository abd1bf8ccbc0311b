import subprocess
import sys
import wave

import numpy as np
import pytest

from limner.engine.errors import DeviceError
from limner.engine.testing import check_sink
from limner.streams.sinks import speaker
from limner.streams.sinks.speaker import CHUNK, FILL, LIMIT, TOP, Jitter, Speaker, find_output
from tests.streams.mp4_reader import beeps, chunks_of
from tests.streams.pulse import need_pulse, pulse_server


class Refused(Exception):
    pass


class Stream:
    latency = 0.04

    def __init__(self, *, samplerate, callback, device, **_):
        if samplerate == 16_000 and device == 2:
            raise Refused("Invalid sample rate")
        self.callback, self.rate, self.open = callback, samplerate, False
        Backend.streams.append(self)

    def start(self):
        self.open = True

    def abort(self):
        pass

    def close(self):
        self.open = False

    def pull(self, count):
        out = np.full((count, 1), 9, np.float32)
        self.callback(out, count, None, None)
        return out[:, 0]


class Backend:
    """What sounddevice looks like."""

    PortAudioError, OutputStream = Refused, Stream
    streams: list[Stream]

    class default:
        device = (0, 1)

    @staticmethod
    def query_devices(index=None):
        devices = [{"name": name, "max_output_channels": n, "default_samplerate": rate}
                   for name, n, rate in (("Line in", 0, 48e3), ("Desk speakers", 2, 48e3), ("HDMI", 2, 48e3), ("pulse", 32, 44.1e3))]
        return devices if index is None else devices[index]


@pytest.fixture(autouse=True)
def quiet_machine(monkeypatch):
    Backend.streams = []
    monkeypatch.setattr(speaker, "server_sinks", lambda: ["limner", "hdmi"])
    monkeypatch.setenv("PULSE_SINK", "")


async def test_the_contract():
    await check_sink(Speaker(backend=Backend), size=(64, 64))
    assert not Backend.streams[0].open


async def test_sound_comes_out_as_it_went_in_after_one_fill():
    sound = beeps(2)
    async with Speaker(backend=Backend) as out:
        heard = []
        for chunk in chunks_of(sound):
            await out.play(chunk)
            heard.append(Backend.streams[0].pull(CHUNK))
    heard = np.concatenate(heard)
    np.testing.assert_array_equal(heard[FILL - CHUNK :], sound[: len(heard) - FILL + CHUNK])
    assert out.latency == 0.04


async def test_a_device_of_another_rate():
    async with Speaker("HDMI", backend=Backend) as out:
        for chunk in chunks_of(beeps(2))[48:56]:
            await out.play(chunk)
        heard = np.concatenate([Backend.streams[0].pull(960) for _ in range(6)])
    assert Backend.streams[0].rate == 48_000
    spectrum = np.abs(np.fft.rfft(heard))
    original = np.abs(np.fft.rfft(beeps(2)[48 * CHUNK : 54 * CHUNK]))
    assert abs(np.argmax(spectrum) - np.argmax(original)) <= 1       # the same tone in the same 120 ms


def speech(n=CHUNK):
    return np.full(n, 0.3, np.float32)


def test_pauses_take_up_the_difference_of_two_crystals_and_speech_loses_nothing():
    jitter, said = Jitter(), 0
    for k in range(3000):                          # the device is 1 % slow
        talking = k % 50 < 40
        said += talking * CHUNK
        jitter.put(speech() if talking else np.zeros(CHUNK, np.float32))
        jitter.take(CHUNK - 3)
    assert jitter.lost == 0 and jitter.shortened > 0 and jitter._held <= TOP + 45 * CHUNK * 3 // 100 + CHUNK
    jitter, heard = Jitter(), []
    for k in range(3000):                          # the device is 0.5 % fast
        talking = k % 25 < 10
        jitter.put(speech() if talking else np.zeros(CHUNK, np.float32))
        heard.append(jitter.take(CHUNK + 2))
    loud = np.concatenate(heard) > 0.1
    assert abs(loud.sum() - 1200 * CHUNK) <= 2 * CHUNK


def test_a_device_that_stands_still_holds_half_a_second_at_most():
    jitter = Jitter()
    for _ in range(100):
        jitter.put(speech())
    assert jitter._held <= LIMIT and jitter.lost == 100 * CHUNK - jitter._held


def test_silence_while_nothing_came():
    jitter = Jitter()
    jitter.put(speech())
    assert not jitter.take(100).any() and jitter.silent == 100


@pytest.mark.parametrize("name, found", [(None, (1, "Desk speakers")), ("2", (2, "HDMI")), ("desk", (1, "Desk speakers")), ("limner", (3, "limner"))])
def test_devices_by_name(name, found):
    assert find_output(Backend, name) == found


def test_no_such_device_says_how_to_make_one(monkeypatch):
    monkeypatch.setattr(speaker.shutil, "which", lambda tool: f"/usr/bin/{tool}")
    with pytest.raises(DeviceError, match=r"called 'talk'; there are: .*hdmi; a virtual microphone: pactl load-module module-null-sink sink_name=talk"):
        find_output(Backend, "talk")


def test_no_device_at_all(monkeypatch):
    monkeypatch.setattr(Backend, "query_devices", staticmethod(lambda: []))
    with pytest.raises(DeviceError, match="sees no output device; plug one in"):
        find_output(Backend, None)


PLAY = """
import asyncio, sys
import numpy as np
from limner.engine.clock import MonotonicClock
from limner.engine.types import AudioChunk
from limner.streams.sinks.speaker import create

async def main():
    sound = np.load(sys.argv[1], allow_pickle=False)
    clock = MonotonicClock()
    async with create("limner", size=(64, 64), fps=25) as out:
        origin = clock.now()
        for k in range(len(sound) // 320):
            await clock.sleep_until(origin + 1800 * k)
            await out.play(AudioChunk(sound[320 * k : 320 * k + 320], 16_000, 320 * k, 1800 * k, 0))

asyncio.run(main())
"""


@pytest.mark.slow
def test_what_is_played_is_what_another_program_records(tmp_path):
    """A real sound server: speaker -> null sink -> its monitor as a microphone. Beeps keep their distance."""
    need_pulse()
    folder = tmp_path / "run"
    folder.mkdir()
    sound = beeps(5)
    np.save(tmp_path / "sound.npy", sound)
    with pulse_server(folder) as pulse:
        for module in (["module-null-sink", "sink_name=limner", "rate=16000", "channels=1"],
                       ["module-remap-source", "source_name=limner-mic", "master=limner.monitor"]):
            subprocess.run(["pactl", "load-module", *module], env=pulse.environment, check=True, timeout=10, stdout=subprocess.DEVNULL)
        target = tmp_path / "heard.wav"
        recorder = subprocess.Popen(["parec", "--device=limner-mic", "--rate=16000", "--channels=1", "--format=s16le", "--latency-msec=10",
                                     "--file-format=wav", str(target)], env=pulse.environment)
        try:
            subprocess.run([sys.executable, "-c", PLAY, str(tmp_path / "sound.npy")], env=pulse.environment, check=True, timeout=60)
        finally:
            recorder.terminate()
            recorder.wait(10)
    with wave.open(str(target)) as file:
        heard = np.frombuffer(file.readframes(file.getnframes()), np.int16) / 32768
    played, recorded = onsets(sound), onsets(heard)
    # A null sink stalls in its first second, and on a busy machine once more; else a pause is at most lengthened by a
    # block, 60 ms. So the middle distance tells whether the sound runs at its own pace, and none may be as long as it is
    # over a beep that was lost.
    assert len(recorded) >= 3
    off = np.abs(np.diff(recorded) - np.diff(played)[0])
    assert np.median(off) <= 0.06 * 16_000 and off.max() < 0.9 * 16_000


def onsets(sound):
    """Samples at which it grows loud after 200 ms of quiet."""
    loud = np.flatnonzero(np.abs(sound) > 0.05)
    return loud[np.flatnonzero(np.diff(loud, prepend=-16_000) > 3_200)]
