import numpy as np
import pytest
from aiortc.rtp import RtpPacket

from limner.engine.clock import ManualClock, ticks_from_samples
from limner.engine.testing import check_source, speech_like
from limner.engine.types import AudioChunk
from limner.streams.encode import OpusEncoder
from limner.streams.sources.webrtc import QUEUE, WebRTCMicrophone


def voice_packets(samples: np.ndarray) -> list[RtpPacket]:
    """What a browser would send: 20 ms of Opus each, RTP time in 48 kHz."""
    encoder = OpusEncoder()
    encoded = encoder.encode(AudioChunk(samples, 16000, 0, 0, 0))
    packets = []
    for n, data in enumerate(encoded):
        packet = RtpPacket(payload_type=96, sequence_number=(65_500 + n) % 65_536, timestamp=(n * 960) % 2**32)
        packet.payload = bytes(data)
        packets.append(packet)
    return packets


async def heard(packets, clock=None) -> tuple[WebRTCMicrophone, list[AudioChunk]]:
    microphone, chunks = WebRTCMicrophone(clock), []
    reader = aiter(microphone)
    for packet in packets:
        before = microphone._chunks.qsize()
        microphone.take(packet)
        chunks += [await anext(reader) for _ in range(microphone._chunks.qsize() - before)]
    microphone.end()
    return microphone, chunks + [c async for c in reader]


def gap_free(chunks: list[AudioChunk]) -> bool:
    ends = [c.start + len(c.samples) for c in chunks]
    return [c.start for c in chunks] == [0, *ends[:-1]] and all(c.pts == ticks_from_samples(c.start) for c in chunks)


def likeness(a: np.ndarray, b: np.ndarray) -> float:
    """Best normalised correlation within 20 ms of delay."""
    n = min(len(a), len(b)) - 320
    return max(float(np.dot(a[d : d + n], b[:n]) / np.linalg.norm(a[d : d + n]) / np.linalg.norm(b[:n])) for d in range(320))


async def test_the_voice_comes_through():
    voice, clock = speech_like(2.0), ManualClock()
    await clock.advance(900)
    microphone, chunks = await heard(voice_packets(voice), clock)
    sound = np.concatenate([c.samples for c in chunks])
    assert gap_free(chunks) and chunks[0].rate == 16000 and chunks[0].captured_ns == clock.now_ns()
    assert abs(len(sound) - len(voice)) <= 32                              # what the resampler holds back
    assert likeness(sound, voice) > 0.8                                    # Opus for voice cuts low and bends phase
    assert microphone.lost == microphone.damaged == 0


async def test_it_keeps_the_contract_of_a_source():
    microphone = WebRTCMicrophone()
    for packet in voice_packets(speech_like(0.5)):
        microphone.take(packet)
    microphone.end()
    await check_source(microphone)


@pytest.mark.parametrize("share", [0.1, 0.3])
async def test_lost_packets_leave_no_hole_in_time(share):
    voice = speech_like(4.0)
    packets, rng = voice_packets(voice), np.random.default_rng(1)
    kept = [p for n, p in enumerate(packets) if n == 0 or rng.random() > share]
    microphone, chunks = await heard(kept)
    sound = np.concatenate([c.samples for c in chunks])
    assert gap_free(chunks) and microphone.lost > 0
    assert abs(len(sound) - len(voice)) <= 5 * 320                         # only what was lost at the very end may lack
    assert likeness(sound, voice) > 0.6


async def test_reordered_packets_sound_the_same_once_the_path_is_known():
    packets = voice_packets(speech_like(2.0))
    straight = np.concatenate([c.samples for c in (await heard(packets))[1]])
    swapped = packets[:2] + [p for pair in zip(packets[3::2], packets[2::2], strict=False) for p in pair]
    microphone, chunks = await heard(swapped)
    sound = np.concatenate([c.samples for c in chunks])
    assert microphone.lost == 0
    np.testing.assert_array_equal(sound, straight[: len(sound)])


async def test_a_pause_of_a_sparing_sender_is_silence():
    """With discontinuous transmission the sequence goes on and the time jumps (RFC 7587 section 3.1.3)."""
    packets = voice_packets(speech_like(0.4))
    for packet in packets[10:]:
        packet.timestamp += 5 * 960
    _, chunks = await heard(packets)
    assert gap_free(chunks)
    assert sum(len(c.samples) for c in chunks) >= 25 * 320 - 32
    assert any(len(c.samples) == 5 * 320 and not c.samples.any() for c in chunks)


async def test_after_an_outage_the_sound_resumes_without_filler():
    packets = voice_packets(speech_like(1.0))
    for packet in packets[25:]:
        packet.timestamp += 50 * 960
    _, chunks = await heard(packets)
    assert gap_free(chunks) and sum(len(c.samples) for c in chunks) <= 16000


async def test_nobody_reading_costs_a_second_of_memory_at_most():
    microphone = WebRTCMicrophone()
    for packet in voice_packets(speech_like(3.0)):
        microphone.take(packet)
    assert microphone._chunks.qsize() == QUEUE and microphone.dropped == 150 - QUEUE


async def test_junk_packets_are_counted_and_passed_over():
    microphone, rng = WebRTCMicrophone(), np.random.default_rng(0)
    good = voice_packets(speech_like(0.2))
    for n in range(200):
        packet = RtpPacket(payload_type=96, sequence_number=n, timestamp=n * 960)
        packet.payload = b"" if n % 7 == 0 else rng.bytes(int(rng.integers(1, 200)))
        microphone.take(packet)
    for n, packet in enumerate(good, 200):
        packet.sequence_number, packet.timestamp = n, n * 960
        microphone.take(packet)
    chunks = [microphone._chunks.get_nowait() for _ in range(microphone._chunks.qsize())]
    assert microphone.damaged > 0
    assert all(np.isfinite(c.samples).all() and np.abs(c.samples).max() <= 1 for c in chunks)
