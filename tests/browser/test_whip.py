"""Chromium's own WebRTC at the far end of `--to whip:URL`: it decodes the pictures and hears the voice."""

import asyncio

import numpy as np
from aiohttp import web
from aiohttp.test_utils import TestServer

from limner.clients.browser import chromium
from limner.engine.clock import TICKS, MonotonicClock, ticks_from_samples
from limner.engine.types import AudioChunk, Picture
from limner.streams.sinks.whip import create

SIZE = (128, 192)
PATIENCE = 60          # s; only a broken connection ever waits so long
ANSWER = """async (offer) => {
  const peer = window.peer = new RTCPeerConnection();
  const video = document.body.appendChild(document.createElement("video"));
  video.autoplay = true; video.srcObject = new MediaStream();
  peer.ontrack = ({track}) => video.srcObject.addTrack(track);
  await peer.setRemoteDescription({type: "offer", sdp: offer});
  await peer.setLocalDescription(await peer.createAnswer());
  while (peer.iceGatheringState !== "complete") await new Promise((go) => peer.onicegatheringstatechange = go);
  return peer.localDescription.sdp;
}"""
SEEN = """async () => {
  const video = document.querySelector("video");
  const found = {width: video.videoWidth, height: video.videoHeight, grey: 0};
  for (const stat of (await window.peer.getStats()).values())
    if (stat.type === "inbound-rtp") found[stat.kind] = stat.kind === "video" ? stat.framesDecoded : stat.totalAudioEnergy;
  if (video.videoWidth) {
    const canvas = new OffscreenCanvas(1, 1).getContext("2d");
    canvas.drawImage(video, 0, 0, 1, 1);
    found.grey = canvas.getImageData(0, 0, 1, 1).data[0];
  }
  return found;
}"""


async def stream(sink):
    """Light grey and a tone, 25 a second in real time, until cancelled."""
    clock, at = MonotonicClock(), 0
    planes = np.full((SIZE[0] * 3 // 2, SIZE[1]), 128, np.uint8)
    planes[: SIZE[0]] = 180                                  # 191 in full range
    tone = 0.3 * np.sin(np.arange(640) * 2 * np.pi * 500 / 16_000).astype(np.float32)
    while True:
        await sink.play(AudioChunk(tone, 16_000, at * 640, ticks_from_samples(at * 640), 0))
        await sink.show(Picture(planes, SIZE, at * TICKS // 25, captured_ns=0))
        at += 1
        await clock.sleep_until(at * TICKS // 25)


async def test_a_browser_at_the_far_end_sees_and_hears_the_stream():
    methods = []

    async def handle(request):
        methods.append(request.method)
        if request.method != "POST":
            return web.Response()
        answer = await page.evaluate(ANSWER, await request.text())
        return web.Response(status=201, text=answer, content_type="application/sdp", headers={"Location": "/stream"})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    async with TestServer(app) as server, asyncio.timeout(PATIENCE), chromium() as context:
        page = context.pages[0] if context.pages else await context.new_page()
        async with create(f"http://127.0.0.1:{server.port}/whip", size=SIZE, fps=25) as sink:
            streaming = asyncio.create_task(stream(sink))
            seen = {}
            while seen.get("video", 0) < 25 or seen.get("audio", 0) < 1e-3 or abs(seen["grey"] - 191) > 6:
                seen = await page.evaluate(SEEN)
            streaming.cancel()
            assert (seen["height"], seen["width"]) == SIZE
        assert methods == ["OPTIONS", "POST", "DELETE"]
