import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limner.engine.types import ARKIT_INDEX, AudioChunk, Expression
from limner.streams.slots import Slot
from limner.streams.wire import CONTROLS, MAX_HEADER, VERSION, Event, Image, Message, WireError, pack, unpack
from tests.streams.mp4_reader import plain


def sent(topic, body, **more) -> Message:
    """There and back through plain bytes, as a socket would."""
    return unpack([bytes(memoryview(part)) for part in pack(topic, body, **more)])


def parts(topic="audio", payload=b"\0" * 640, **header) -> list:
    base = {"v": VERSION, "session": "s", "generation": 0, "pts": 0, "dtype": "s16", "rate": 16_000, "start": 0}
    return [topic.encode(), msgpack.packb({k: v for k, v in (base | header).items() if v is not None}), payload]


def test_a_picture_there_and_back():
    picture = plain(7200, (48, 64), luma=99)
    got = sent("video", picture, session="me", generation=3, times={"captured": 5, "sent": 9})
    np.testing.assert_array_equal(got.body.planes, picture.planes)
    assert (got.body.size, got.body.pts, got.body.duration, got.body.captured_ns) == ((48, 64), 7200, 3600, 5)
    assert (got.session, got.generation, got.times) == ("me", 3, {"captured": 5, "sent": 9})


def test_sound_there_and_back():
    chunk = AudioChunk(np.linspace(-1, 1, 320, dtype=np.float32), 16_000, 640, 3600, 0)
    got = sent("audio", chunk).body
    np.testing.assert_array_equal(got.samples, chunk.samples)
    assert (got.rate, got.start, got.pts) == (16_000, 640, 3600)


def test_sound_as_s16_and_nan_is_cleaned():
    np.testing.assert_allclose(unpack(parts(payload=np.int16([0, 16384, -32768]).tobytes())).body.samples, [0, 0.5, -1])
    got = unpack(parts(payload=np.float32([np.nan, np.inf, 0.5]).tobytes(), dtype="f32")).body
    np.testing.assert_array_equal(got.samples, np.float32([0, 1, 0.5]))


def test_an_expression_there_and_back():
    weights = np.zeros(52, np.float32)
    weights[ARKIT_INDEX["jawOpen"]] = 0.7
    got = sent("expression", Expression(weights, np.float32([0.1, 0, 0, 0, 0, 0]), 900)).body
    np.testing.assert_array_equal(got.weights, weights)
    assert got.pts == 900 and got.pose[0] == np.float32(0.1)


@pytest.mark.parametrize("name", [name for name in CONTROLS if name not in ("say", "express")])
def test_control_and_event_there_and_back(name):
    assert sent("control", Event(name)).body.name == name
    assert sent("reply", Event("ok", {"utterance": 3})).body.data == {"utterance": 3}
    assert sent("event", Event("utterance", {"state": "done", "n": 3}, 90)).body == Event("utterance", {"state": "done", "n": 3}, 90)


def test_what_say_and_express_bring():
    chunk = AudioChunk(np.linspace(-1, 1, 320, dtype=np.float32), 22_050, 0, 0, 0)
    got = sent("control", Event("say", {"id": "x"}, body=chunk)).body
    np.testing.assert_array_equal(got.body.samples, chunk.samples)
    assert (got.name, got.data, got.body.rate) == ("say", {"id": "x"}, 22_050)
    expression = Expression(np.full(52, 0.25, np.float32), np.zeros(6, np.float32), 0)
    assert sent("control", Event("express", body=expression)).body.body.weights[3] == 0.25


@pytest.mark.parametrize("kind, shape", [("rgb", (48, 64, 3)), ("bgra", (48, 64, 4)), ("jpeg", (900,))])
def test_other_forms_of_a_picture(kind, shape):
    data = np.arange(np.prod(shape)).astype(np.uint8).reshape(shape)
    got = sent("video", Image(kind, data, (48, 64), 7200, 0, 3600, "between")).body
    np.testing.assert_array_equal(got.data, data)
    assert (got.kind, got.size, got.pts, got.duration, got.drawn, got.slot) == (kind, (48, 64), 7200, 3600, "between", None)


def test_a_picture_elsewhere():
    slot = Slot("psm_1", 64, 4608, 8)
    got = sent("video", Image("i420", np.zeros(0, np.uint8), (48, 64), 0, 0, slot=slot)).body
    assert got.slot == slot and not got.data.size


def test_a_payload_shares_memory():
    picture = plain(0)
    assert pack("video", picture)[2] is picture.planes


VIDEO = {"kind": "i420", "shape": [2, 2], "duration": 0}
BAD = {
    "no parts": [], "two parts": parts()[:2], "four parts": [*parts(), b""], "unknown topic": parts("weather"),
    "not msgpack": [b"audio", b"\xc1\xff", b""], "a list": [b"audio", msgpack.packb([1]), b""],
    "cut header": [b"audio", parts()[1][:-3], b""], "long header": [b"audio", b"\x80" * (MAX_HEADER + 1), b""],
    "deep header": [b"audio", b"\x91" * 3000, b""], "old version": parts(v=0), "no version": parts(v=None),
    "pts in words": parts(pts="soon"), "pts too large": parts(pts=2**63), "generation below": parts(generation=-1),
    "true is no number": parts(pts=True), "session is a number": parts(session=4), "times is a list": parts(times=[1]),
    "rate 0": parts(rate=0), "rate absent": parts(rate=None), "half a sample": parts(payload=b"abc"), "dtype": parts(dtype="f64"),
    "eleven seconds": parts(payload=bytes(11 * 32_000)), "negative start": parts(start=-1),
    "short picture": parts("video", b"12345", **VIDEO), "odd shape": parts("video", b"123456", **(VIDEO | {"shape": [3, 2]})),
    "vast shape": parts("video", b"", **(VIDEO | {"shape": [2**40, 2]})), "shape of floats": parts("video", b"", **(VIDEO | {"shape": [2.0, 2]})),
    "vast jpeg": parts("video", bytes(13), **(VIDEO | {"kind": "jpeg"})), "kind": parts("video", b"123456", **(VIDEO | {"kind": []})),
    "shm is text": parts("video", b"", **VIDEO, shm="x"), "shm without a name": parts("video", b"", **VIDEO, shm={"offset": 0}),
    "vast slot": parts("video", b"", **VIDEO, shm={"name": "x", "offset": 0, "size": 7, "sequence": 2}),
    "slot and payload": parts("video", b"123456", **VIDEO, shm={"name": "x", "offset": 0, "size": 6, "sequence": 2}),
    "say without sound": parts("control", b"", name="say", rate=None), "say too long": parts("control", bytes(121 * 32_000), name="say"),
    "express too short": parts("control", b"123", name="express"), "interrupt with payload": parts("control", b"x", name="interrupt"),
    "drawn": parts("video", b"123456", **VIDEO, drawn=[]),
    "short expression": parts("expression", bytes(57 * 4)), "nan expression": parts("expression", np.full(58, np.nan, "<f4").tobytes()),
    "event with payload": parts("event", b"x", name="a"), "event without name": parts("event", b""), "control": parts("control", b"", name="shutdown"),
    "data is text": parts("event", b"", name="a", data="x"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_does_not_follow_the_layout(case):
    with pytest.raises(WireError):
        unpack(BAD[case])


PLAIN = st.recursive(st.none() | st.booleans() | st.integers(-2**63, 2**64 - 1) | st.floats() | st.text(max_size=8) | st.binary(max_size=8),
                     lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.integers(0, 9), inner, max_size=3), max_leaves=6)
FIELDS = st.sampled_from(["v", "session", "generation", "pts", "times", "kind", "shape", "duration", "drawn", "dtype", "rate", "start", "name", "data", "shm"])
TOPICS = st.sampled_from([b"video", b"audio", b"expression", b"event", b"control", b"reply"])


@given(TOPICS, st.dictionaries(FIELDS, PLAIN), st.binary(max_size=300))
@settings(deadline=None, max_examples=150)
def test_any_header_is_understood_or_refused(topic, fields, payload):
    """Nothing but WireError, whatever the fields hold."""
    base = msgpack.unpackb(parts("video" if topic == b"video" else "audio")[1]) | VIDEO | {"name": "interrupt"}
    try:
        message = unpack([topic, msgpack.packb(base | fields), payload])
    except WireError:
        return
    assert message.topic == topic.decode()


@given(st.lists(st.binary(max_size=80), max_size=4))
@settings(deadline=None, max_examples=150)
def test_any_bytes_are_refused(parts):
    with pytest.raises(WireError):
        unpack(parts)


@given(st.integers(0, 300), st.integers(0, 255))
@settings(deadline=None, max_examples=150)
def test_one_damaged_byte(at, value):
    whole = [bytes(memoryview(p)) for p in pack("audio", AudioChunk(np.zeros(32, np.float32), 16_000, 0, 0, 0), session="abc")]
    header = bytearray(whole[1])
    header[at % len(header)] = value
    try:
        unpack([whole[0], bytes(header), whole[2]])
    except WireError as error:
        assert "\n" not in str(error)
