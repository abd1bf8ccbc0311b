"""WHIP and WHEP by clients that are not ours: the npm package whip-whep (MIT) in Chromium, on a page of another site.

It makes its offer before it has any candidate and sends them all by PATCH, with `If-Match` and the token.
"""

import asyncio
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from limner.clients.browser import chromium
from limner.clients.options import Options
from limner.clients.present import session_factory
from limner.clients.serve import ServeOptions, serve
from limner.clients.serve_avatars import Gallery

PATIENCE = 90          # s; only a broken connection ever waits so long
TOKEN = "a-token-of-good-length"
FOREIGN = Path(__file__).with_name("foreign")
PAGE = """<!doctype html><title>Another site</title><video autoplay></video><script>
const plain = window.fetch;
window.answers = [];
window.fetch = async (url, options = {}) => {
  const answer = await plain(url, options);
  window.answers.push([options.method, new URL(url).pathname.split("/")[1], answer.status]);
  return answer;
};
</script>"""

PUBLISH = """async ([url, token]) => {
  const {WHIPClient} = await import("/whip-whep/whip.js");
  const peer = new RTCPeerConnection(), sound = await navigator.mediaDevices.getUserMedia({audio: true});
  for (const track of sound.getTracks()) peer.addTransceiver(track, {direction: "sendonly", streams: [sound]});
  window.whip = new WHIPClient();
  await window.whip.publish(peer, url + "/whip?size=256", token);
}"""
PLAY = """async ([url, token]) => {
  const {WHEPClient} = await import("/whip-whep/whep.js");
  const peer = window.player = new RTCPeerConnection();
  const video = document.querySelector("video");
  video.srcObject = new MediaStream();
  for (const kind of ["video", "audio"]) peer.addTransceiver(kind, {direction: "recvonly"});
  peer.ontrack = ({track}) => video.srcObject.addTrack(track);
  window.whep = new WHEPClient();
  await window.whep.view(peer, url + "/whep?size=256", token);
}"""
SEEN = """async () => {
  const found = {};
  for (const stat of (await window.player.getStats()).values())
    if (stat.type === "inbound-rtp") found[stat.kind] = stat.kind === "video" ? stat.framesDecoded : stat.totalAudioEnergy;
  found.size = [document.querySelector("video").videoWidth, document.querySelector("video").videoHeight];
  return found;
}"""


@pytest.fixture(scope="session")
def packages(tmp_path_factory) -> Path:
    """The folder whip-whep is in, installed as `package-lock.json` pins it."""
    if not shutil.which("npm"):
        pytest.skip("no npm: apt install npm")
    folder = tmp_path_factory.mktemp("foreign")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(FOREIGN / name, folder)
    installed = subprocess.run(["npm", "ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"], cwd=folder,
                               capture_output=True, text=True, timeout=240, check=False, env={**os.environ, "CI": "1"})
    if installed.returncode:
        pytest.skip(f"npm cannot install whip-whep here: {installed.stderr.strip()[-200:]}")
    return folder / "node_modules" / "whip-whep"


@pytest.fixture
async def foreign(packages, microphone):
    """(address of our server, a page of another site that it lets in and that remembers how it was answered)."""
    app = web.Application()

    async def page(request: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    app.router.add_get("/", page)
    app.router.add_static("/whip-whep", packages)
    async with TestServer(app) as site, chromium(microphone) as context:
        origin, ready = f"http://127.0.0.1:{site.port}", asyncio.get_running_loop().create_future()
        options = ServeOptions(port=0, token=TOKEN, origins=(origin,))
        serving = asyncio.create_task(serve(session_factory(Options()), Gallery(), options, ready=ready.set_result))
        await asyncio.wait({serving, ready}, return_when=asyncio.FIRST_COMPLETED)
        url = (serving.result() if serving.done() else ready.result()).partition("#")[0].rstrip("/")
        page = await context.new_page()
        await page.goto(origin)
        yield url, page
        serving.cancel()
        await asyncio.wait({serving})


async def sessions(url: str) -> int:
    async with ClientSession() as http, http.get(url + "/health") as answer:
        return (await answer.json())["sessions"]


async def test_a_voice_published_by_whip_is_seen_and_heard_by_whep(foreign):
    url, page = foreign
    await page.evaluate(PUBLISH, [url, TOKEN])
    await page.evaluate(PLAY, [url, TOKEN])
    async with asyncio.timeout(PATIENCE):
        seen = {}
        while seen.get("video", 0) < 50 or seen.get("audio", 0) < 1e-4:
            seen = await page.evaluate(SEEN)
        assert seen["size"] == [256, 256]
        assert await sessions(url) == 1                         # who plays sees the session of who publishes
        await page.evaluate("() => Promise.all([window.whip.stop(), window.whep.stop()])")
        while await sessions(url):
            await asyncio.sleep(0.05)
    answers = {tuple(answer) for answer in await page.evaluate("window.answers")}
    assert answers == {(method, path, status) for path in ("whip", "whep")
                       for method, status in (("POST", 201), ("PATCH", 204), ("DELETE", 200))}


@pytest.mark.parametrize("script", [PUBLISH, PLAY])
async def test_a_wrong_token_is_refused(foreign, script):
    url, page = foreign
    with pytest.raises(Exception, match="status 401"):
        await page.evaluate(script, [url, TOKEN[::-1]])
    assert await sessions(url) == 0
