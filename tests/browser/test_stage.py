"""The portrait alone in a real browser: what shows through, whom it follows, and the page's choice of a background."""

import io

import numpy as np
from PIL import Image


async def seen(page) -> np.ndarray:
    """What the window shows, u8 RGBA [H, W, 4]; alpha 0 where the page behind would."""
    return np.array(Image.open(io.BytesIO(await page.screenshot(omit_background=True))).convert("RGBA"))


async def test_a_transparent_portrait_stands_on_nothing(visit, site):
    page = await visit(size=(640, 480), ready=False, path="stage?background=transparent&size=256")
    await page.wait_for_selector('#face[data-playing="true"]')
    await page.wait_for_timeout(400)                                     # it fades in
    picture = await seen(page)
    left = (640 - 480) // 2                                              # of the square in the window
    assert (picture[:, :left - 2, 3] == 0).all() and (picture[:60, left + 4:left + 50, 3] < 8).all()
    assert (picture[200:280, 290:350, 3] > 250).all()                    # the face
    assert picture[200:280, 290:350, :3].mean() > 60
    assert not page.problems


async def test_it_follows_whoever_talks_and_does_not_keep_their_session(visit, site):
    stage = await visit(size=(320, 320), ready=False, path="stage")      # nobody is there yet
    await stage.wait_for_selector('#face[data-playing="false"]', state="attached")
    page = await visit()
    await stage.wait_for_selector('#face[data-playing="true"]')
    assert len(site.sessions) == 1                                       # they watch the same one
    await page.goto("about:blank")
    await stage.wait_for_selector('#face[data-playing="false"]')


async def test_a_colour_chosen_on_the_page_is_behind_the_portrait(visit):
    page = await visit()
    await page.select_option("#background", "colour")
    await page.wait_for_selector('#frame[data-playing="true"]')
    await page.wait_for_timeout(600)
    box = await page.locator("#frame").bounding_box()
    pixels = np.array(Image.open(io.BytesIO(await page.screenshot(clip=box))).convert("RGB")).astype(int)
    corner = pixels[40:70, 40:70].reshape(-1, 3).mean(0)
    assert np.abs(corner - (0, 177, 64)).max() < 16, corner              # H.264 and the display's conversion
