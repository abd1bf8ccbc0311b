"""What a client may send over the socket, without a socket."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limner.engine.clock import TICKS, ManualClock
from limner.engine.errors import InputError, LimnerError, UsageError
from limner.streams.sources.websocket import (
    MAX_AHEAD,
    Hello,
    SocketSound,
    parse_command,
    parse_hello,
)


async def samples_of(feed):
    return np.concatenate([np.zeros(0, np.float32), *[chunk.samples async for chunk in feed]])


def test_a_first_message_says_how_sound_is_to_be_taken():
    assert parse_hello('{"rate": 24000}') == Hello(24_000)
    assert parse_hello('{"rate": 48000, "channels": 2, "live": true, "session": "x"}') == Hello(48_000, 2, True, "x")


@pytest.mark.parametrize("text, line", [
    ("", "is not a JSON object"),
    ("[1]", "is not a JSON object"),
    ("{" * 4000, "is not a JSON object"),
    ("[" * 4000, "is not a JSON object"),
    (" " * 5000, "at most 4096"),
    ("{}", "rate = None: expected a whole number of Hz from 8000 to 48000"),
    ('{"rate": 96000}', "rate = 96000: expected"),
    ('{"rate": 7999}', "rate = 7999"),
    ('{"rate": true}', "rate = True"),
    ('{"rate": 16000.0}', "rate = 16000.0"),
    ('{"rate": 1e999}', "rate = inf"),
    ('{"rate": 16000, "channels": 99}', "channels = 99: expected 1 to 8"),
    ('{"rate": 16000, "live": "yes"}', "live must be true or false"),
    ('{"rate": 16000, "session": 5}', "session a string"),
    ('{"rate": 16000, "codec": "opus"}', "unknown key 'codec'"),
])
def test_a_wrong_first_message_is_told_in_one_line(text, line):
    with pytest.raises(LimnerError, match=line.replace("(", r"\(")) as caught:
        parse_hello(text)
    assert "\n" not in str(caught.value)


def test_commands():
    assert [parse_command(json.dumps({"type": each})) for each in ("say-end", "interrupt")] == ["say-end", "interrupt"]
    with pytest.raises(UsageError, match="type = 'dance': expected say-end or interrupt"):
        parse_command('{"type": "dance"}')


@given(st.text(max_size=60))
def test_any_text_is_understood_or_refused(text):
    for parse in (parse_hello, parse_command):
        try:
            parse(text)
        except LimnerError as error:
            assert "\n" not in str(error)


@given(st.lists(st.one_of(st.binary(max_size=99), st.sampled_from(["end", "discard"])), max_size=30))
def test_any_bytes_are_sound(messages):
    sound = SocketSound(Hello(16_000, 2), ManualClock())
    for message in messages:
        if isinstance(message, bytes):
            begun = sound.take(message)
            assert begun is None or begun is sound.feed
        else:
            getattr(sound, message)()
            assert sound.feed is None


async def test_odd_bytes_join_and_each_speech_is_its_own():
    sound, clock = np.arange(1000, dtype="<i2").tobytes(), ManualClock()
    stream = SocketSound(Hello(16_000), clock)
    first = stream.take(sound[:333])
    assert stream.take(sound[333:]) is None
    stream.end()
    second = stream.take(b"\x01\x00\x02")                    # the last byte is half a sample, which never comes
    stream.end()
    assert first is not second
    assert np.array_equal(await samples_of(first), np.arange(1000, dtype=np.float32) / 32768)
    assert np.array_equal(await samples_of(second), np.float32([1 / 32768]))


def test_a_flood_of_speech_is_refused_before_it_fills_the_memory():
    stream, second = SocketSound(Hello(8_000), ManualClock()), bytes(16_000)
    for _ in range(MAX_AHEAD):
        stream.take(second)
        stream.end()                                       # many short ones count together
    with pytest.raises(InputError, match="more than 120 s of speech are waiting to be said"):
        stream.take(second)
    stream.discard()
    stream.take(second)


async def test_live_sound_must_come_at_its_own_pace():
    clock = ManualClock()
    stream = SocketSound(Hello(16_000, live=True), clock)
    for _ in range(500):                                   # ten seconds, 20 ms at a time
        stream.take(bytes(640))
        await clock.advance(TICKS // 50)
    await clock.advance(60 * TICKS)                        # a pause saves nothing up
    for _ in range(100):
        stream.take(bytes(640))
    with pytest.raises(InputError, match=r"live sound came 2\.0 s before its time"):
        for _ in range(10):
            stream.take(bytes(640))
