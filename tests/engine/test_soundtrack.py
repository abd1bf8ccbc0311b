"""The one sound of a session: who is heard, what is waited for, what may be lengthened."""

import asyncio

import numpy as np
import pytest

from limner.engine.clock import TICKS_PER_MS
from limner.engine.config import Settings
from limner.engine.metrics import Metrics
from limner.engine.schedule import Timing
from limner.engine.soundtrack import FADE, QuietGate, Slack, Soundtrack
from limner.engine.testing import FakeAnimator, FakeExtractor
from limner.engine.types import AudioChunk
from limner.engine.utterance import Utterance

MS = 16                                      # samples


@pytest.fixture
def track():
    timing = Timing.declared(Settings(), FakeExtractor(), FakeAnimator(), ())
    return Soundtrack(timing, Metrics())


def chunk(value=0.0, count=320, captured_ns=0):
    return AudioChunk(np.full(count, value, np.float32), 16_000, 0, 0, captured_ns)


def loud(track, blocks=1, at=None):
    """`blocks` of live voice, each laid where it was captured."""
    for _ in range(blocks):
        track.hear(chunk(0.5), track.head + 320 if at is None else at)


def test_silence_is_there_when_due_and_not_before(track):
    assert not track.cover(320, 0, late=-5)
    assert track.cover(320, 0, late=0)
    assert track.head == 320
    assert not track.read(0, 320).any()


def test_live_sound_lies_where_it_was_captured_and_fades_in(track):
    track.hear(chunk(0.5), expected=1000)
    assert track.live
    assert track.head == 1000
    samples = track.read(0, 1000)
    assert not samples[:680].any()
    assert np.all(np.diff(samples[680 : 680 + FADE]) >= 0)
    assert (samples[680 + FADE :] == 0.5).all()


def test_sound_from_before_the_beginning_is_left_out(track):
    track.hear(chunk(0.5), expected=100)
    assert track.head == 0
    assert not track.live


def test_a_voice_is_waited_for_and_then_given_up(track):
    loud(track, 3, at=None)
    head = track.head
    room = track._timing.room
    assert not track.cover(head + 320, 0, late=room)
    assert track.head == head
    assert track.cover(head + 320, 0, late=room + 1)
    assert not track.live
    assert track._metrics.counters["dropouts"] == 1
    tail = track.read(head - 1, 321)
    assert np.abs(np.diff(tail)).max() < 0.01
    assert not tail[FADE + 1 :].any()


def test_in_a_pause_silence_stands_in_after_one_block(track):
    for _ in range(5):
        track.hear(chunk(0.0), track.head + 320)
    head, block = track.head, track._timing.block
    assert not track.cover(head + 320, 0, late=block)
    assert track.cover(head + 320, 0, late=block + 1)
    assert track._metrics.counters["dropouts"] == 0


def test_beyond_the_cap_live_sound_is_skipped_and_joined(track):
    loud(track, 2)
    expected = track.head
    room = track._timing.room * 8 // 45
    for _ in range(20):
        track.hear(chunk(0.25), expected)
    assert track.head - expected <= room
    assert track._metrics.counters["skipped_samples"] == 20 * 320 - (track.head - expected)
    assert track.room_left(0) == pytest.approx(0, abs=MS)


def test_pauses_shorten_what_came_too_early(track):
    loud(track, 1)
    expected = track.head - 640               # everything is 40 ms ahead from now on
    for _ in range(120):
        expected += 320
        track.hear(chunk(0.0), expected)
    assert track._metrics.counters["shortened_samples"] == 640
    assert track.head == expected


def test_a_voice_is_never_shortened(track):
    loud(track, 1)
    expected = track.head - 640
    for _ in range(300):
        expected += 320
        track.hear(chunk(0.5), expected)
    assert track._metrics.counters["shortened_samples"] == 0
    assert track.head == expected + 640


def test_wanted_slack_is_kept_and_its_lack_reported_in_pauses_only(track):
    for _ in range(110):
        track.hear(chunk(0.0), max(320, track.head + 320))
    track.wanted = 30 * TICKS_PER_MS
    assert track.shortfall == 480
    track.lengthened(480)
    assert track.shortfall == 0
    for _ in range(110):
        track.hear(chunk(0.0), track.head + 320 - 480)
    assert track._metrics.counters["shortened_samples"] == 0
    loud(track, 1, at=track.head + 320)
    track.wanted = 90 * TICKS_PER_MS
    assert track.shortfall == 0


def test_live_samples_know_when_they_were_captured(track):
    track.hear(chunk(0.5, captured_ns=2_000_000_000), expected=3200)
    assert track.captured_at(3199) == 2_000_000_000
    assert track.captured_at(3200 - 161) == 1_990_000_000
    assert track.captured_at(100) is None


def test_what_is_held_back_takes_from_the_room(track):
    loud(track, 1, at=3200)
    room = track._timing.room
    assert track.room_left(0) == room
    track.lengthened(160)
    assert track.room_left(0) == room - 900
    assert track.room_left(track.head) == room


# Speech


def speech(track, samples, complete=True):
    async def make():
        utterance = Utterance()
        utterance.feed(np.asarray(samples, np.float32))
        utterance.complete = complete
        track.queue(utterance)
        return utterance

    return asyncio.run(make())


def test_speech_is_taken_as_it_is_needed_and_ends_when_seen(track):
    utterance = speech(track, np.full(1000, 0.5))
    assert track.next_up is utterance
    track.begin()
    assert track.cover(320, 0, late=-10_000)         # it need not be waited for
    assert utterance.held == 680
    assert track.cover(1600, 0, late=0)
    assert track.speaking is None
    track.seen(999)
    assert utterance.state == "speaking"
    track.seen(1000)
    assert utterance.state == "finished"
    assert not track.read(1000, 600).any()


def test_speech_masks_the_live_voice(track):
    loud(track, 2)
    speech(track, np.full(3200, 0.25))
    track.cut(320)
    track.begin()
    track.hear(chunk(0.9), track.head + 320)
    assert track.cover(1600, 0, late=0)
    assert track._metrics.counters["masked_samples"] == 320
    assert (track.read(320 + FADE, 1000) == 0.25).all()


def test_speech_that_runs_dry_is_waited_for_under_the_cap(track):
    utterance = speech(track, np.full(320, 0.5), complete=False)
    track.begin()
    assert not track.cover(640, 0, late=track._timing.room)
    assert track.head == 320
    assert track.cover(640, 0, late=track._timing.room + 1)
    assert utterance.starving
    assert track.cover(960, 0, late=0)               # and not waited for again
    utterance.feed(np.full(320, 0.5, np.float32))
    assert track.cover(1280, 0, late=0)
    assert track.read(1000, 280).all()


def test_a_cut_fades_what_was_due(track):
    loud(track, 10, at=None)
    track.cut(track.head - 640)
    at = track.head
    assert track.cover(at + 640, 0, late=0)
    tail = track.read(at - 1, 641)
    assert np.abs(np.diff(tail)).max() < 0.01
    assert not tail[FADE + 1 :].any()


def test_a_cut_of_silence_leaves_what_follows_as_it_is(track):
    track.cover(1600, 0, late=0)
    speech(track, np.full(320, 0.5))
    track.cut(800)
    track.begin()
    track.cover(1120, 0, late=0)
    assert (track.read(800, 320) == 0.5).all()


def test_a_cut_ahead_of_everything_is_reached_by_silence(track):
    track.cut(500)
    assert track.head == 500


def test_silenced_speech_is_interrupted_even_when_only_its_end_is_unseen(track):
    first, second = speech(track, np.full(100, 0.5)), speech(track, np.full(100, 0.5))
    track.begin()
    track.cover(150, 0, late=0)
    track.silence_speech()
    assert (first.state, second.state) == ("interrupted", "interrupted")
    assert track.speaking is None
    assert track.next_up is None


# Its parts


def test_the_gate_knows_words_from_pauses():
    gate = QuietGate()
    rng = np.random.default_rng(0)
    for _ in range(5):
        gate.hear(np.zeros(320, np.float32))
    assert gate.quiet
    gate.hear(0.2 * rng.standard_normal(320).astype(np.float32))
    assert not gate.quiet
    for _ in range(2):
        gate.hear(np.zeros(320, np.float32))
    assert not gate.quiet                            # 40 ms might be a stop consonant
    gate.hear(np.zeros(320, np.float32))
    assert gate.quiet


def test_the_gate_learns_a_noisy_room_but_not_a_held_note():
    rng = np.random.default_rng(0)
    noisy, held = QuietGate(), QuietGate()
    for _ in range(50):
        noisy.hear(0.01 * rng.standard_normal(320).astype(np.float32))
        held.hear(0.2 * np.sin(np.arange(320) * 0.08, dtype=np.float32))
    assert noisy.quiet
    assert not held.quiet


def test_slack_is_the_least_of_a_whole_span():
    slack = Slack()
    for k in range(Slack.SPAN):
        slack.add(100 + k)
    assert slack.least is None
    assert slack.newest == 100
    slack.add(50)
    assert slack.least == 50
    slack.shift(25)
    assert slack.least == 75
    for _ in range(2 * Slack.SPAN):
        slack.add(400)
    assert slack.least == 400


@pytest.mark.parametrize("count", [1, 5, FADE - 1, FADE, FADE + 1])
def test_a_voice_that_returns_in_short_chunks_fades_in_over_all_of_them(track, count):
    track.cover(320, 0, late=0)
    start = track.head
    while track.head < start + 2 * FADE:
        track.hear(chunk(0.5, count), track.head + count)
    voice = track.read(track.head - 2 * FADE, 2 * FADE)
    assert voice[-FADE:] == pytest.approx(0.5)
    assert (np.diff(voice) >= 0).all() and np.diff(voice).max() <= 0.5 / (FADE - 1) + 1e-6


@pytest.mark.parametrize("between", [0, 40, 100])
def test_a_cut_right_after_a_cut_keeps_the_fade(track, between):
    loud(track, 2)
    track.cut(320)
    if between:
        track.cover(320 + between, 0, late=1)
    track.cut(320 + between)
    track.cover(320 + 2 * FADE, 0, late=1)
    heard = track.read(320, 2 * FADE)
    assert heard[0] == pytest.approx(0.5, abs=0.02) and heard[-1] == 0
    assert np.abs(np.diff(heard)).max() <= 0.5 / 20
