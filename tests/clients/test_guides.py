"""What docs/serve.md and docs/recording.md tell to type is answered as they say."""

import asyncio
import re
import shutil
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.parser import text_string_to_metric_families

from limner.clients.serve import ServeOptions, make_app
from limner.clients.serve_avatars import Gallery
from limner.engine.testing import speech_like
from tests.clients.serving import PATIENCE, Factory, Stage, loopback, rigged, wav  # noqa: F401 - a fixture

DOCS = Path(__file__).resolve().parents[2] / "docs"


def text_of(name: str) -> str:
    path = DOCS / name
    if not path.is_file():
        pytest.skip(f"docs/{name} is not here: this is no checkout")
    return path.read_text()


@pytest.fixture
async def house(tmp_path):
    """A server with one session, into whose folder recordings go."""
    app = make_app(Factory(), Gallery(make=rigged), ServeOptions(recordings=tmp_path))
    async with TestClient(TestServer(app)) as client:
        stage = Stage(client, None)
        answer, _ = await stage.connect("/whep?size=256", microphone=False)
        stage.session = answer.headers["Limner-Session"]
        yield stage
        await asyncio.gather(*(browser.close() for browser in stage.browsers))


@pytest.mark.parametrize(("name", "statuses"), [("serve.md", [200, 202, 200, 201, 200]), ("recording.md", [201, 200])])
async def test_every_curl_line_does_what_it_is_there_for(house, tmp_path, name, statuses):
    if not shutil.which("curl"):
        pytest.skip("no curl: apt install curl")
    (tmp_path / "speech.wav").write_bytes(wav(speech_like(1.0)))
    (tmp_path / "me.jpg").write_bytes(b"face")
    found = []
    for line in re.findall(r"^curl .*?(?=\s+#|$)", text_of(name), re.M):
        here = line.replace("127.0.0.1:8400", f"127.0.0.1:{house.client.port}").replace("session=ID", f"session={house.session}")
        curl = await asyncio.create_subprocess_shell(f"{here} -s -o answer.txt -w '%{{http_code}}'", cwd=tmp_path, stdout=asyncio.subprocess.PIPE)
        found.append(int((await curl.communicate())[0]))
    assert found == statuses, (tmp_path / "answer.txt").read_text()


async def test_every_address_and_every_metric_of_the_guide_exists(house):
    text = text_of("serve.md")
    known = {(route.method, route.resource.canonical) for route in house.client.app.router.routes() if route.resource}
    named = {(method, path) for line in re.findall(r"^\| (`(?:GET|POST) .*?) \|", text, re.M)
             for method, path in re.findall(r"`(GET|POST) (/\S*)`", line)}
    assert len(named) >= 15 and named <= known
    metrics = ""
    async with asyncio.timeout(PATIENCE):
        while "limner_pictures_key" not in metrics:
            metrics = await (await house.client.get("/metrics")).text()
    families = list(text_string_to_metric_families(metrics))
    samples = {sample.name for family in families for sample in family.samples} | {family.name for family in families}
    table = text.partition("## Metrics")[2]
    names = {name for cell in re.findall(r"^\| (`.*?) \|", table, re.M) for name in re.findall(r"`([a-z_]+)`", cell) if name[0] != "_"}
    engine = "".join(path.read_text() for path in (DOCS.parent / "engine").glob("*.py"))
    rare = {name for name in names if f'"{name.removesuffix("_total")}"' in engine}          # counted once it has happened
    assert len(names) >= 15 and {f"limner_{name}" for name in names - rare} <= samples
