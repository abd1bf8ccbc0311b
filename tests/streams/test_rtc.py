import asyncio
from fractions import Fraction

import aioice.ice
import av
import pytest
from aiortc.mediastreams import MediaStreamError
from aiortc.rtcdtlstransport import SRTP_PROFILES, RTCCertificate
from OpenSSL import SSL

from limner.engine.clock import TICKS
from limner.streams import rtc


def packet(n: int) -> av.Packet:
    made = av.Packet(b"%d" % n)
    made.pts, made.time_base = n * 320, Fraction(1, 16000)
    return made


async def test_a_track_keeps_nothing_before_it_is_asked():
    asked = []
    track = rtc.PacketTrack("audio", 4, on_start=lambda: asked.append(True))
    track.put(packet(0))
    waiting = asyncio.create_task(track.recv())
    await asyncio.sleep(0)
    assert asked == [True]
    track.put(packet(1))
    assert bytes(await waiting) == b"1"
    assert track.sent == TICKS // 50                        # 320 samples of 16 kHz, in ticks


async def test_a_full_track_drops_the_oldest_and_counts_it():
    track = rtc.PacketTrack("audio", 3)
    track.flowing = True
    for n in range(5):
        track.put(packet(n))
    assert [bytes(await track.recv()) for _ in range(3)] == [b"2", b"3", b"4"] and track.dropped == 2


async def test_a_full_track_can_drop_the_newest_instead():
    full = []
    track = rtc.PacketTrack("video", 2, on_full=lambda: full.append(track.clear()))
    track.flowing = True
    for n in range(4):
        track.put(packet(n))
    assert len(full) == 1 and track.dropped == 1
    assert bytes(await track.recv()) == b"3"


async def test_a_stopped_track_ends_whoever_waits_for_it():
    track = rtc.PacketTrack("video", 2)
    waiting = asyncio.create_task(track.recv())
    await asyncio.sleep(0)
    track.stop()
    with pytest.raises(MediaStreamError):
        await waiting


def test_peers_with_rsa_certificates_find_a_cipher():
    rtc.accept_rsa_peers()
    rtc.accept_rsa_peers()                                  # again changes nothing
    context = RTCCertificate.generateCertificate()._create_ssl_context(srtp_profiles=SRTP_PROFILES)
    ciphers = SSL.Connection(context).get_cipher_list()
    assert "ECDHE-RSA-AES128-GCM-SHA256" in ciphers and "ECDHE-ECDSA-AES128-GCM-SHA256" in ciphers


def test_this_machine_itself_is_an_address_to_reach(monkeypatch):
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: ["192.0.2.7"])
    rtc.offer_loopback()
    rtc.offer_loopback()
    assert aioice.ice.get_host_addresses(True, False) == ["192.0.2.7", "127.0.0.1"]
    assert aioice.ice.get_host_addresses(False, True) == ["192.0.2.7"]


def test_the_epoch_is_fixed_by_its_first_use():
    epoch = rtc.MediaEpoch()
    epoch.start(9000)
    zero = epoch.ntp(0)
    epoch.start(10 * TICKS)
    assert epoch.ntp(0) == zero and epoch.ntp(TICKS // 2) - zero == 1 << 31
