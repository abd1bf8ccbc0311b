"""The contract checks find what they are for, and the fakes keep their contracts."""

import dataclasses

import numpy as np
import pytest

from limner.engine.clock import ManualClock
from limner.engine.colour import i420
from limner.engine.errors import ContractError
from limner.engine.testing import (
    CollectSink,
    FakeAnimator,
    FakeExtractor,
    FakeSource,
    check_animator,
    check_extractor,
    check_sink,
    check_source,
    check_stage,
    chunks_of,
    speech_like,
    voiced,
)
from limner.engine.types import FeatureRows, Frame


def test_the_fakes_keep_their_contracts():
    for lookahead in (0, 900, 5400):
        check_extractor(FakeExtractor(lookahead=lookahead))
    check_animator(FakeAnimator(), 58)


async def test_the_fake_source_and_sink_keep_theirs():
    samples = speech_like(1.0)
    source = FakeSource(samples, ManualClock(), live=False)
    assert np.array_equal(await check_source(source), samples[:3200])
    sink = CollectSink()
    await check_sink(sink)
    assert len(sink.pictures) == 9
    assert (sink.opened, sink.closed) == (1, 1)


def test_speech_like_is_speech_with_pauses():
    samples = speech_like(10.0)
    assert samples.dtype == np.float32
    assert np.abs(samples).max() <= 1
    assert 0.1 < (samples == 0).mean() < 0.7
    assert np.array_equal(np.concatenate([c.samples for c in chunks_of(samples, [3, 500])]), samples)


class Extractor(FakeExtractor):
    """A fake with one thing wrong."""

    def __init__(self, wrong):
        self.wrong = wrong
        super().__init__(width=4)

    def reset(self):
        if self.wrong != "reset" or not hasattr(self, "_held"):
            super().reset()

    def push(self, chunk):
        if self.wrong == "chunking":
            self._held = np.zeros(0, np.float32) if len(chunk.samples) == 160 else self._held
        rows = super().push(chunk)
        if rows is None:
            return None
        match self.wrong:
            case "dtype":
                return dataclasses.replace(rows, rows=rows.rows.astype(np.float64))
            case "width":
                return dataclasses.replace(rows, rows=rows.rows[:, :3])
            case "pts":
                return dataclasses.replace(rows, pts=rows.pts + 900)
            case "voiced":
                return dataclasses.replace(rows, voiced=rows.voiced[:-1])
            case "nan":
                return dataclasses.replace(rows, rows=rows.rows * np.nan)
            case "growth":
                self.kept = [*getattr(self, "kept", []), np.zeros(4000)]
        return rows


@pytest.mark.parametrize(("wrong", "message"), [
    ("dtype", "float32 is expected"), ("width", "width is 4"), ("pts", "sound began at 0"), ("voiced", "voiced"),
    ("nan", "NaN"), ("reset", "lies at|follow the ones before|streamed"), ("chunking", "rows|no row"), ("growth", "more after"),
])  # fmt: skip
def test_a_broken_extractor_is_found(wrong, message):
    with pytest.raises(ContractError, match=message):
        check_extractor(Extractor(wrong))


def test_an_extractor_that_needs_more_than_it_declares_is_found():
    extractor = FakeExtractor(lookahead=5400)
    extractor.lookahead = 900
    with pytest.raises(ContractError, match="declared look-ahead"):
        check_extractor(extractor)


def test_an_extractor_that_never_gives_a_row_is_found():
    class Mute(FakeExtractor):
        def push(self, chunk) -> FeatureRows | None:
            return None

    with pytest.raises(ContractError, match="no row at all"):
        check_extractor(Mute())


class Animator(FakeAnimator):
    def __init__(self, wrong):
        super().__init__()
        self.wrong, self.count, self.kept = wrong, 0, []

    def reset(self):
        super().reset()
        if self.wrong != "reset":
            self.count = 0

    def draw(self, window):
        frame = super().draw(window)
        self.count += 1
        match self.wrong:
            case "shape":
                return dataclasses.replace(frame, pixels=frame.pixels[:8])
            case "dtype":
                return dataclasses.replace(frame, pixels=frame.pixels.astype(np.float32))
            case "pts":
                return dataclasses.replace(frame, pts=0)
            case "reset":
                return dataclasses.replace(frame, pixels=frame.pixels // 2 + self.count % 7)
            case "restless":
                return dataclasses.replace(frame, pixels=np.full_like(frame.pixels, 200 * (self.count % 2)))
            case "growth":
                self.kept.append(np.zeros((50, 50)))
        return frame


@pytest.mark.parametrize(("wrong", "message"), [
    ("shape", "size says"), ("dtype", "uint8"), ("pts", "frame at 0 ticks"), ("reset", "reset does not equal fresh"),
    ("restless", "of silence changes"), ("growth", "more after"),
])  # fmt: skip
def test_a_broken_animator_is_found(wrong, message):
    with pytest.raises(ContractError, match=message):
        check_animator(Animator(wrong), 58)


class Finisher(FakeAnimator):
    """Gives planes for what speaks; with one thing wrong."""

    def __init__(self, wrong=""):
        super().__init__()
        self.wrong = wrong

    def draw_planes(self, window):
        frame = super().draw(window)
        if window.pts % 7200:
            return dataclasses.replace(frame, pixels=frame.pixels // 2) if self.wrong == "pixels" else frame
        planes = i420(frame.pixels) // (2 if self.wrong == "levels" else 1)
        planes = {"shape": planes[:16], "dtype": planes.astype(np.int16)}.get(self.wrong, planes)
        return dataclasses.replace(frame, pixels=None, planes=planes, pts=9 if self.wrong == "time" else frame.pts)


def test_planes_that_are_the_picture_pass():
    check_animator(Finisher(), 58)


@pytest.mark.parametrize(("wrong", "message"), [
    ("pixels", "other pixels"), ("levels", "levels from what draw gave"), ("shape", "expected uint8"), ("dtype", "int16"),
    ("time", "frame with planes at 9 ticks"),
])  # fmt: skip
def test_wrong_planes_are_found(wrong, message):
    with pytest.raises(ContractError, match=message):
        check_animator(Finisher(wrong), 58)


class Stage:
    """Holds one frame back and puts a copy half way; with one thing wrong."""

    delay, factor = 1, 2

    def __init__(self, wrong=None):
        self.wrong, self.last = wrong, None

    def push(self, frame):
        last, self.last = self.last, frame
        if last is None:
            return []
        middle = dataclasses.replace(last, pts=(last.pts + frame.pts) // 2)
        match self.wrong:
            case "order":
                return [middle, last]
            case "late":
                return []
            case "captured":
                return [last, dataclasses.replace(middle, captured_ns=99)]
            case "missing":
                return [middle]
        return [last, middle]

    def flush(self):
        last = self.last
        if self.wrong != "flush":
            self.last = None
        return [] if last is None else [last]


@pytest.mark.parametrize(("wrong", "message"), [
    ("order", "strictly increase"), ("late", "promises"), ("flush", "increase|not as new"), ("captured", "never pushed"),
    ("missing", "promises|never came out"),
])  # fmt: skip
def test_a_broken_stage_is_found(wrong, message):
    with pytest.raises(ContractError, match=message):
        check_stage(Stage(wrong))


def test_a_sound_stage_passes():
    check_stage(Stage())


async def test_a_broken_source_is_found():
    class Gappy(FakeSource):
        async def __aiter__(self):
            for chunk in chunks_of(np.zeros(1000, np.float32)):
                yield dataclasses.replace(chunk, start=chunk.start * 2)

    with pytest.raises(ContractError, match="starts at 640, 320 follows"):
        await check_source(Gappy(np.zeros(1), ManualClock()))
    with pytest.raises(ContractError, match="no sound at all"):
        await check_source(FakeSource(np.zeros(0, np.float32), ManualClock(), live=False))
    with pytest.raises(ContractError, match="outside"):
        await check_source(FakeSource(np.full(640, 3, np.float32), ManualClock(), live=False))


def test_voiced_reads_what_the_fake_animator_wrote():
    from limner.engine.colour import to_picture
    from limner.engine.types import FeatureWindow

    for flag in (True, False):
        window = FeatureWindow(np.zeros((4, 58), np.float32), 0, 900, np.full(4, flag), 0)
        frame = FakeAnimator().draw(window)
        assert isinstance(frame, Frame)
        assert voiced(to_picture(frame)) == flag
