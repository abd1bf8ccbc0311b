"""The page as a visitor meets it: real browser, real buttons, real face, a WAV for a microphone."""

import os

import numpy as np
import pytest

from limner.clients.browser import write_wav
from limner.engine.testing import speech_like
from limner.models.avatar import default_avatar, save_avatar
from limner.streams.audio import resample

LOUD, SILENT = 0.02, 0.003         # RMS; the test voice has about 0.1, silence after Opus under 0.001
LIPS = (13, 14, 61, 291)           # MediaPipe's inner lip centres and mouth corners


def mouth_box() -> list[float]:
    """x, y, width, height of the mouth and chin as shares of the picture."""
    portrait = default_avatar().portrait
    lips = portrait.landmarks[list(LIPS), :2] / portrait.image.shape[0]
    width = float(np.ptp(lips[:, 0])) * 1.3
    centre = lips.mean(0)
    return [float(centre[0]) - width / 2, float(centre[1]) - width * 0.35, width, width * 0.8]


async def until(page, expression: str, *, tries: int = 400) -> None:
    """Ask the page every 50 ms until `expression` is true."""
    for _ in range(tries):
        if await page.evaluate(expression):
            return
        await page.wait_for_timeout(50)
    raise AssertionError(f"never became true: {expression}")


async def shows(page, selector: str, text: str) -> None:
    """Until the element's words include `text`: a click returns before the page has answered it."""
    await until(page, f"document.querySelector({selector!r}).innerText.includes({text!r})")


def crowded() -> bool:
    """Whether other work takes the cores away; browser and server alone keep the load near the number of cores."""
    return os.getloadavg()[0] > 1.75 * os.cpu_count()


async def frame_rate(page, windows: int = 6, enough: float = 24.0) -> float:
    """The best of several windows of 2 s, since other work may share the machine; stops at the first good one."""
    best = 0.0
    for _ in range(windows):
        frames, at = await page.evaluate("testFrames()")
        await page.wait_for_timeout(2000)
        more, later = await page.evaluate("testFrames()")
        best = max(best, 1000 * (more - frames) / (later - at))
        if best >= enough:
            break
    return best


async def test_a_visitor_speaks_and_the_portrait_speaks_with_them(visit):
    page = await visit()
    await page.click("#talk")
    await page.wait_for_selector('#state[data-state="talking"]')
    await until(page, f"testLoudness() > {LOUD}")                           # sound arrives
    assert await frame_rate(page) >= (12 if crowded() else 24)              # of 25; the engine repeats what it cannot draw
    seen = np.array(await page.evaluate(f"testWatch(13, {mouth_box()})"))   # two turns of speech and silence
    loudness, motion = seen[:, 1], seen[:, 2]
    near = np.lib.stride_tricks.sliding_window_view(np.pad(loudness, 12, mode="edge"), 25)    # half a second both ways
    speaking, resting = motion[near.mean(1) > LOUD], motion[near.max(1) < SILENT]
    assert len(speaking) > 25 and len(resting) > 25
    # Lips open and close within a few frames, so the liveliest tenth tells; the head's slow sway moves all frames by about
    # one grey level. Measured: 5 to 6.5 while speaking, 1.4 at rest.
    assert np.quantile(speaking, 0.9) > 2.5 * np.quantile(resting, 0.9), (np.quantile(speaking, 0.9), np.quantile(resting, 0.9))
    assert not page.problems


async def test_a_file_is_spoken_and_can_be_interrupted(visit, tmp_path):
    page = await visit()
    write_wav(tmp_path / "speech.wav", resample(speech_like(60.0, pause=0.02), 16_000, 48_000))
    await page.set_input_files("#sound-file", tmp_path / "speech.wav")
    await page.wait_for_selector('#state[data-state="speaking"]')
    await until(page, f"testLoudness() > {LOUD}")
    await page.click("#interrupt")
    await page.wait_for_selector('#state[data-state="ready"]')              # told when the last word was seen
    await until(page, f"testLoudness() < {SILENT}")
    quiet = [await page.evaluate("testLoudness()") for _ in range(20) if not await page.wait_for_timeout(50)]
    assert max(quiet) < LOUD                                                # and it stays so: 50 s of speech were left


async def test_stopping_closes_the_microphone(visit, site):
    page = await visit()
    await page.click("#talk")
    await until(page, f"testLoudness() > {LOUD}")
    await page.click("#talk")
    await shows(page, "#talk", "Start talking")
    await page.wait_for_selector('#state[data-state="ready"]')
    await until(page, f"testLoudness() < {SILENT}")


async def test_a_refused_microphone_is_explained_and_the_face_stays(visit):
    page = await visit(script="""
        navigator.mediaDevices.getUserMedia = async () => { throw new DOMException("no", "NotAllowedError"); };""")
    await page.click("#talk")
    await shows(page, "#notice", "Allow it beside the address bar")
    await shows(page, "#talk", "Start talking")
    assert await frame_rate(page, enough=1) > 0


async def test_an_insecure_page_says_what_to_do(visit):
    page = await visit(script="Object.defineProperty(Navigator.prototype, 'mediaDevices', { get: () => undefined });")
    await page.click("#talk")
    await shows(page, "#notice", "secure pages only")


async def test_a_lost_connection_comes_back_by_itself(visit, site):
    page = await visit()
    await page.click("#talk")
    await site.sessions[0].close()
    await until(page, "document.getElementById('state').dataset.state !== 'talking'")
    await page.wait_for_selector('#state[data-state="talking"]')            # the microphone is sent again, unasked
    assert len(site.sessions) == 2
    await until(page, f"testLoudness() > {LOUD}")


async def test_everything_works_by_keyboard(visit):
    page = await visit()
    reached = []
    for _ in range(20):
        await page.keyboard.press("Tab")
        reached.append(await page.evaluate("document.activeElement.id || document.activeElement.name"))
        if reached[-1] == "talk" and reached.count("talk") == 1:
            await page.keyboard.press("Enter")
            await page.wait_for_selector('#state[data-state="talking"]')
    assert {"hud-toggle", "theme", "talk", "interrupt", "sound-file", "record", "sound", "portrait", "size", "fps"} <= set(reached)
    unnamed = await page.evaluate("""[...document.querySelectorAll("button, input, select")].filter((e) => e.checkVisibility()
        && !(e.innerText || e.getAttribute("aria-label") || e.labels?.length)).length""")
    assert unnamed == 0


async def test_a_portrait_of_ones_own_is_taken(visit, site, tmp_path):
    page = await visit()
    save_avatar(default_avatar(), tmp_path / "me.avatar")
    await page.set_input_files("#portrait-file", tmp_path / "me.avatar")
    await until(page, "document.querySelector('#portraits input:checked').value.startsWith('own-')")
    await page.wait_for_selector('#state[data-state="ready"]')
    await until(page, "document.getElementById('frame').dataset.playing === 'true'")
    assert len(site.sessions) == 2
    (tmp_path / "cat.jpg").write_text("this is no picture")
    await page.set_input_files("#portrait-file", tmp_path / "cat.jpg")
    await page.wait_for_selector('#notice:not([hidden])[data-kind="error"]')
    assert "\n" not in (await page.inner_text("#notice p"))


async def test_other_sizes_and_rates_are_given(visit):
    page = await visit()
    await page.select_option("#size", "256")
    await until(page, "document.getElementById('face').videoWidth === 256")


async def test_another_mood_and_liveliness_are_given(visit, site):
    asked = []
    make = site._make
    site._make = lambda request: asked.append((request.mood, request.liveliness)) or make(request)
    page = await visit()
    await page.select_option("#mood", "serious")
    await page.wait_for_selector('#frame[data-playing="true"]')
    await page.fill("#liveliness", "0")
    await page.wait_for_selector('#frame[data-playing="true"]')
    assert [*dict.fromkeys(asked)] == [("neutral", 1.0), ("serious", 1.0), ("serious", 0.0)]
    assert not page.problems


async def test_the_stream_can_be_kept(visit, tmp_path):
    page = await visit()
    await page.click("#record")
    await page.wait_for_selector("#recording:not([hidden])")
    await page.wait_for_timeout(1500)
    async with page.expect_download() as started:
        await page.click("#record")
    download = await started.value
    await download.save_as(tmp_path / download.suggested_filename)
    film = (tmp_path / download.suggested_filename).read_bytes()
    assert download.suggested_filename.startswith("limner-") and len(film) > 10_000


async def test_the_timing_is_shown(visit):
    page = await visit()
    await page.click("#talk")
    await page.click("#hud-toggle")
    await until(page, r"/Sound to screen\s+\d+ ms/.test(document.getElementById('hud').innerText)")


@pytest.mark.parametrize("size", [(390, 844), (320, 568), (844, 390), (1280, 800), (2000, 1200)])
async def test_nothing_is_cut_off_at_any_size(visit, size):
    page = await visit(size=size, ready=False)
    await page.wait_for_selector("#portraits img")
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    box = await (await page.query_selector("#talk")).bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= size[0] and box["height"] >= 44      # a thumb's width
