"""The microphone against a PortAudio made of paper (every failure on demand) and against a real one (PulseAudio)."""

import asyncio
import builtins
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from limner.engine.clock import TICKS_PER_MS, ManualClock
from limner.engine.errors import DeviceError, MissingPackage
from limner.engine.testing import check_source
from limner.streams.sources.microphone import QUEUE, Microphone, portaudio
from tests.streams.pulse import need_pulse, pulse_server
from tests.streams.sounds import tone, wav

MS = TICKS_PER_MS


class PaperError(Exception):
    pass


class PaperAudio:
    """The part of sounddevice that a microphone needs. `devices`, `rates` and `refuse` may change at any time."""

    PortAudioError = PaperError

    def __init__(self, rates=(16_000, 48_000), channels=2):
        self.devices = [{"name": "HDMI out", "max_input_channels": 0, "default_samplerate": 48_000.0},
                        {"name": "Studio mic", "max_input_channels": channels, "default_samplerate": 48_000.0}]
        self.default = SimpleNamespace(device=(1, 0))
        self.rates, self.channels, self.refuse, self.opened, self.started = rates, (1, channels), "", [], 0

    def query_devices(self):
        return self.devices

    def _terminate(self):
        self.started -= 1

    def _initialize(self):
        self.started += 1

    def InputStream(self, **asked):
        if self.refuse or asked["samplerate"] not in self.rates or asked["channels"] not in self.channels:
            raise PaperError(self.refuse or "Invalid sample rate")
        stream = SimpleNamespace(**asked, start=lambda: None, abort=lambda: None, close=lambda: None)
        self.opened.append(stream)
        return stream

    def say(self, value=0.25, ms=10):
        """One callback of the newest stream."""
        stream = self.opened[-1]
        frames = stream.samplerate * ms // 1000
        stream.callback(np.full((frames, stream.channels), value, np.float32), frames, None, None)


async def until(condition):
    """Let tasks and threads run until it holds; far more rounds than any needs, then a failure instead of a hang."""
    for _ in range(500_000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("never came true")


class Ear:
    """Collects what a microphone yields while the test moves the clock."""

    def __init__(self, mic, clock):
        self.mic, self.clock, self.chunks = mic, clock, []

    async def listen(self):
        async for chunk in self.mic:
            self.chunks.append(chunk)

    @property
    def heard(self):
        return sum(len(c.samples) for c in self.chunks)

    async def speak(self, audio, blocks, value=0.25):
        for _ in range(blocks):
            await self.clock.advance(10 * MS)
            audio.say(value)
            before = self.heard
            await until(lambda before=before: self.heard > before)


@pytest.fixture
async def ear():
    clock, audio = ManualClock(), PaperAudio()
    async with Microphone(clock=clock, backend=audio) as mic:
        ear = Ear(mic, clock)
        task = asyncio.create_task(ear.listen())
        await clock.settle()
        ear.audio, ear.task = audio, task
        yield ear
        task.cancel()


async def test_blocks_become_gap_free_chunks_on_the_clock(ear):
    await ear.speak(ear.audio, 50)
    assert [c.start for c in ear.chunks] == list(range(0, 8000, 160))
    assert ear.chunks[0].pts == 0 and ear.chunks[49].pts == 490 * MS
    assert all(c.captured_ns == (c.pts + 10 * MS) * 100_000 // 9 for c in ear.chunks)
    assert (np.concatenate([c.samples for c in ear.chunks]) == 0.25).all()
    assert (ear.mic.lost, ear.mic.dropped, ear.mic.reopened) == (0, 0, 0)


async def test_a_stall_is_silence_and_the_stream_is_opened_again(ear):
    await ear.speak(ear.audio, 210)
    await ear.clock.advance(250 * MS)
    assert len(ear.audio.opened) == 1                                    # a hiccup below the watchdog is nothing
    await ear.clock.advance(300 * MS)
    await until(lambda: len(ear.audio.opened) == 2 and ear.mic.lost)
    await ear.speak(ear.audio, 20)
    sound = np.concatenate([c.samples for c in ear.chunks])
    assert [c.start for c in ear.chunks] == list(np.cumsum([0] + [len(c.samples) for c in ear.chunks])[:-1])
    assert ear.mic.reopened == 1 and ear.audio.started == 0              # PortAudio ended once and began once
    assert abs(ear.clock.now() - len(sound) * 90 // 16) <= 10 * MS       # sound still keeps to the clock
    assert (sound[-3200:] == 0.25).all() and np.count_nonzero(sound == 0) == ear.mic.lost


async def test_unplugged_is_silence_then_one_clear_error(ear):
    await ear.speak(ear.audio, 5)
    ear.audio.devices = ear.audio.devices[:1]
    for _ in range(170):
        await ear.clock.advance(100 * MS)
        await asyncio.sleep(0)
        if ear.task.done():
            break
    await until(ear.task.done)
    with pytest.raises(DeviceError, match=r"'Studio mic' has given no sound for 15 s; .*Plug it in"):
        ear.task.result()
    assert ear.mic.lost > 0


async def test_plugged_in_again_it_goes_on(ear):
    await ear.speak(ear.audio, 5)
    devices, ear.audio.devices = ear.audio.devices, ear.audio.devices[:1]
    for _ in range(30):
        await ear.clock.advance(100 * MS)
    await until(lambda: ear.mic.reopened >= 1)
    ear.audio.devices = devices
    for _ in range(30):
        await ear.clock.advance(100 * MS)
    await until(lambda: len(ear.audio.opened) >= 2)     # a slow thread may see the device at its first look
    await ear.speak(ear.audio, 5, value=0.5)
    assert not ear.task.done() and ear.chunks[-1].samples[0] == 0.5


async def test_the_contract():
    clock, audio = ManualClock(), PaperAudio()
    check = asyncio.create_task(check_source(Microphone(clock=clock, backend=audio)))
    await until(lambda: audio.opened)
    while not check.done():
        await clock.advance(10 * MS)
        audio.say()
    assert len(check.result()) == 1600


async def test_a_full_queue_drops_the_oldest_and_counts():
    clock, audio = ManualClock(), PaperAudio()
    async with Microphone(clock=clock, backend=audio) as mic:
        for _ in range(QUEUE + 7):
            audio.say()
        assert mic.dropped == 7


@pytest.mark.parametrize("rates, channels, opened", [
    ((16_000,), 1, (16_000, 1)), ((48_000,), 2, (48_000, 1)), ((44_100,), 2, (44_100, 1))])
async def test_whatever_the_device_runs_at(rates, channels, opened):
    clock, audio = ManualClock(), PaperAudio(rates, channels)
    audio.devices[1]["default_samplerate"] = float(rates[0])
    async with Microphone(clock=clock, backend=audio) as mic:
        ear = Ear(mic, clock)
        task = asyncio.create_task(ear.listen())
        await clock.settle()
        for _ in range(100):
            await clock.advance(10 * MS)
            audio.say()
        await clock.settle()
        task.cancel()
    assert (audio.opened[0].samplerate, audio.opened[0].channels) == opened
    assert 16_000 - 20 <= ear.heard <= 16_000          # the resampler holds back about 1 ms


async def test_two_channels_only_are_mixed_down():
    clock, audio = ManualClock(), PaperAudio()
    audio.channels = (2,)
    async with Microphone(clock=clock, backend=audio) as mic:
        ear = Ear(mic, clock)
        task = asyncio.create_task(ear.listen())
        await clock.settle()
        audio.opened[0].callback(np.tile(np.float32([1, 0]), (480, 1)), 480, None, None)
        await clock.settle()
        task.cancel()
    assert audio.opened[0].channels == 2 and abs(ear.chunks[0].samples[80] - 0.5) < 0.01


@pytest.mark.parametrize("name, found", [("1", "Studio mic"), ("studio", "Studio mic"), (None, "Studio mic")])
async def test_a_device_by_index_or_part_of_its_name(name, found):
    async with Microphone(name, clock=ManualClock(), backend=PaperAudio()) as mic:
        assert mic.label == found


async def test_clear_lines_for_what_is_not_there():
    audio = PaperAudio()
    with pytest.raises(DeviceError, match=r"called 'harp'; there are: 1 Studio mic"):
        await Microphone("harp", clock=ManualClock(), backend=audio).__aenter__()
    audio.refuse = "Device unavailable"
    with pytest.raises(DeviceError, match=r"cannot be opened \(Device unavailable\); is another program"):
        await Microphone(clock=ManualClock(), backend=audio).__aenter__()
    audio.devices = audio.devices[:1]
    with pytest.raises(DeviceError, match="no microphone: PortAudio sees no input device"):
        await Microphone(clock=ManualClock(), backend=audio).__aenter__()


@pytest.mark.parametrize("failure, found", [
    (ModuleNotFoundError("No module named 'sounddevice'"), "pip install 'limner\\[mic\\]'"),
    (OSError("PortAudio library not found"), "apt install libportaudio2")])
def test_what_to_install_is_said(monkeypatch, failure, found):
    real = builtins.__import__

    def without(name, *args, **options):
        if name == "sounddevice":
            raise failure
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingPackage, match=found):
        portaudio()


LISTEN = """
import asyncio, sys
import numpy as np
from limner.engine.clock import MonotonicClock
from limner.streams.sources.microphone import create

async def listen():
    heard = []
    async with create("pulse", clock=MonotonicClock()) as mic:
        print("open", mic.label, flush=True)
        async for chunk in mic:
            heard.append(chunk.samples)
            loud = [np.abs(h).max() > 0.05 for h in heard]
            if any(loud) and not any(loud[-30:]) or len(heard) > 2000:
                break
    np.savez(sys.argv[1], sound=np.concatenate(heard), blocks=[len(h) for h in heard])

asyncio.run(listen())
"""


@pytest.mark.slow
def test_a_real_portaudio_device(tmp_path):
    """A second of tone played into PulseAudio comes out of PortAudio whole, in small blocks, at the right pitch."""
    need_pulse()
    with pulse_server(tmp_path) as server:
        ear = subprocess.Popen([sys.executable, "-c", LISTEN, str(tmp_path / "heard.npz")], env=server.environment,
                               stdout=subprocess.PIPE, text=True)
        assert ear.stdout.readline().startswith("open pulse")
        silence = np.zeros(16_000, np.float32)
        server.play(wav(tmp_path / "tone.wav", np.concatenate([silence, tone(1.0, 16_000, 440), silence])))
        assert ear.wait(30) == 0
    heard = np.load(tmp_path / "heard.npz")
    loud = np.abs(heard["sound"]) > 0.05
    spoken = heard["sound"][np.argmax(loud):len(loud) - np.argmax(loud[::-1])]
    assert abs(len(spoken) - 16_000) < 800                      # the first and last ramps of the server's resampler
    spectrum = np.abs(np.fft.rfft(spoken * np.hanning(len(spoken))))
    assert abs(np.argmax(spectrum) * 16_000 / len(spoken) - 440) < 2
    assert np.median(heard["blocks"]) <= 320
