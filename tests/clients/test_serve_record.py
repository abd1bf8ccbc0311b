"""Sessions of fakes kept in files by HTTP, read back with PyAV."""

import asyncio

import pytest
from aiohttp.test_utils import TestClient, TestServer

from limner.clients.serve import ServeOptions, make_app
from limner.clients.serve_avatars import Gallery
from limner.engine.errors import OutputError
from limner.streams.mp4 import Mp4Writer
from tests.clients.serving import PATIENCE, Factory, Stage, line, loopback, next_picture, rigged, stage  # noqa: F401
from tests.streams.mp4_reader import read_film


@pytest.fixture
async def studio(tmp_path):
    """A server that may record into `tmp_path`."""
    factory = Factory()
    app = make_app(factory, Gallery(make=rigged), ServeOptions(recordings=tmp_path))
    async with TestClient(TestServer(app)) as client, asyncio.timeout(PATIENCE):
        it = Stage(client, factory)
        yield it
        await asyncio.gather(*(browser.close() for browser in it.browsers))


async def grown(folder, size=4000):
    while sum(path.stat().st_size for path in folder.iterdir()) < size:
        await asyncio.sleep(0.02)


async def post(studio, path, status):
    answer = await studio.client.post(path)
    assert answer.status == status, await answer.text()
    return await answer.json()


async def test_a_session_is_kept_from_start_to_stop(studio, tmp_path):
    answer, _ = await studio.connect("/talk?size=256&fps=25")
    session = answer.headers["Limner-Session"]
    began = await post(studio, f"/record?session={session}", 201)
    assert began["session"] == session and began["name"].startswith("limner-")
    assert "already" in await line(await studio.client.post("/record"), 409)
    await grown(tmp_path)
    assert await post(studio, "/record/stop", 200) == began
    assert [path.name for path in tmp_path.iterdir()] == [began["name"]]
    film = read_film(tmp_path / began["name"])
    assert len(film.times) >= 12 and len(film.sound)
    assert "nothing is being recorded" in await line(await studio.client.post("/record/stop"), 409)
    assert (await post(studio, "/record", 201))["name"] != began["name"]


async def test_nobody_need_watch(studio, tmp_path):
    """A session whose only peer sends sound draws nothing, until it is recorded."""
    await studio.connect("/whip?size=256", video=False)
    name = (await post(studio, "/record", 201))["name"]
    await grown(tmp_path)
    await post(studio, "/record/stop", 200)
    assert len(read_film(tmp_path / name).times) >= 12


async def test_the_end_of_the_session_is_the_end_of_its_recording(studio, tmp_path):
    answer, tracks = await studio.connect("/talk?size=256")
    await next_picture(tracks["video"])
    name = (await post(studio, "/record", 201))["name"]
    await grown(tmp_path)
    await studio.client.delete(answer.headers["Location"])
    while not (tmp_path / name).exists():
        await asyncio.sleep(0.02)
    assert len(read_film(tmp_path / name).times) >= 12
    await studio.until_sessions(0)
    for path in ("/record", "/record/stop"):
        assert "no such session" in await line(await studio.client.post(path), 400)
    assert len(list(tmp_path.iterdir())) == 1


async def test_a_full_disk_is_said_at_the_stop_without_the_servers_folders(studio, tmp_path, monkeypatch):
    def full(self, picture):
        raise OutputError(f"{self.path}: cannot be written (no room left on the disk); what came before is in {self.part}")

    monkeypatch.setattr(Mp4Writer, "show", full)
    _, tracks = await studio.connect("/talk?size=256")
    await post(studio, "/record", 201)
    live = next(iter(studio.factory.sessions))
    while not live.metrics.counters["sink_failures"]:
        await asyncio.sleep(0.01)
    said = await line(await studio.client.post("/record/stop"), 500)
    assert "no room left" in said and str(tmp_path) not in said
    monkeypatch.undo()
    await next_picture(tracks["video"])                               # the session goes on
    await post(studio, "/record", 201)
    await post(studio, "/record/stop", 200)


async def test_after_a_failure_another_may_be_begun_without_a_stop(studio, tmp_path, monkeypatch):
    monkeypatch.setattr(Mp4Writer, "show", lambda self, picture: 1 / 0)
    await studio.connect("/talk?size=256")
    await post(studio, "/record", 201)
    while not studio.factory.sessions[0].metrics.counters["sink_failures"]:
        await asyncio.sleep(0.01)
    monkeypatch.undo()
    while (await studio.client.post("/record")).status == 409:        # the file is still being closed
        await asyncio.sleep(0.01)
    assert len(studio.factory.sessions[0]._outboxes._boxes) == 2


async def test_a_folder_that_has_gone_is_one_line(studio, tmp_path):
    await studio.connect("/talk?size=256")
    tmp_path.rmdir()
    said = await line(await studio.client.post("/record"), 400)
    assert "cannot be created" in said and str(tmp_path) not in said
    await line(await studio.client.post("/record/stop"), 409)


async def test_without_a_folder_nothing_is_recorded(stage):  # noqa: F811
    await stage.connect("/talk?size=256")
    for path in ("/record", "/record/stop"):
        assert "--recordings DIR" in await line(await stage.client.post(path), 403)
    await line(await stage.client.get("/record"), 405)


async def test_pages_of_others_cannot_record(studio, tmp_path):
    await studio.connect("/talk?size=256")
    refused = await studio.client.post("/record", headers={"Origin": "https://example.org"})
    assert "another site" in await line(refused, 403) and not list(tmp_path.iterdir())


async def test_the_servers_end_leaves_a_whole_film(tmp_path):
    factory = Factory()
    app = make_app(factory, Gallery(make=rigged), ServeOptions(recordings=tmp_path))
    async with TestClient(TestServer(app)) as client, asyncio.timeout(PATIENCE):
        it = Stage(client, factory)
        await it.connect("/talk?size=256")
        name = (await post(it, "/record", 201))["name"]
        await grown(tmp_path)
        await app.shutdown()
        assert len(read_film(tmp_path / name).times) >= 12
        await asyncio.gather(*(browser.close() for browser in it.browsers))
