"""The scene collection asks for exactly what the product offers."""

import json
from pathlib import Path
from urllib.parse import urlsplit

from limner.clients import obs, run
from limner.clients.serve import ServeOptions, _page_routes
from limner.streams.sinks.mpegts import MpegTsSink

COLLECTION = json.loads((Path(next(iter(obs.__path__))) / "limner.json").read_text())
SOURCES = {source["name"]: source for source in COLLECTION["sources"]}


def test_every_item_of_every_scene_is_there():
    for name in (scene["name"] for scene in COLLECTION["scene_order"]):
        items = SOURCES[name]["settings"]["items"]
        assert items and all(item["name"] in SOURCES for item in items)


def test_the_media_source_listens_where_the_sink_sends():
    address = urlsplit(SOURCES["limner stream"]["settings"]["input"])
    sink = run.sink_maker(f"{address.scheme}:{address.netloc}")(size=(64, 64), fps=25)
    assert isinstance(sink, MpegTsSink)


def test_the_browser_source_opens_a_page_that_is_served():
    address = urlsplit(SOURCES["limner stage"]["settings"]["url"])
    assert address.port == ServeOptions().port
    assert address.path in {route.path for route in _page_routes(ServeOptions())}
