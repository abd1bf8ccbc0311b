"""`/metrics` as Prometheus' own client library reads it."""

import asyncio
import re

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.parser import text_string_to_metric_families

from limner.clients import serve_metrics
from limner.clients.serve_sessions import Sessions
from limner.engine.clock import TICKS, ManualClock
from limner.engine.config import Settings
from limner.engine.session import Session
from limner.engine.testing import CollectSink, FakeAnimator, FakeExtractor, InlineLane, speech_like


@pytest.fixture
async def scrape():
    """Two sessions that have run for two simulated seconds, one of which spoke; their figures as parsed samples."""
    clock = ManualClock()

    async def factory(request):
        lane = InlineLane(clock)
        return Session(extractor=FakeExtractor(), animator=FakeAnimator(16, cost=450, lane=lane),
                       sinks=[*request.sinks, CollectSink()], clock=clock, lane=lane, settings=Settings(fps=request.fps))

    sessions = Sessions(factory, clock, 4)
    for fps in (25, 50):
        await sessions.open(None, fps, 256)
    next(iter(sessions)).session.say(speech_like(1.0))
    await clock.settle()
    await clock.advance(2 * TICKS)
    app = web.Application()
    app.add_routes(serve_metrics.routes(sessions))
    async with TestClient(TestServer(app)) as client:
        answer = await client.get("/metrics")
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        text = await answer.text()
        yield sessions, text, {family.name: family for family in text_string_to_metric_families(text)}
    draining = asyncio.create_task(sessions.drain())
    await clock.advance(3 * TICKS)
    await draining


def values(family, name=None, **labels):
    return [s.value for s in family.samples if s.name == (name or family.name) and labels.items() <= s.labels.items()]


async def test_the_official_parser_reads_all_of_it(scrape):
    sessions, text, families = scrape
    assert values(families["limner_sessions"]) == [2] and values(families["limner_session_limit"]) == [4]
    assert values(families["limner_sessions_opened"], "limner_sessions_opened_total") == [2]
    assert [families[f"limner_{name}"].type for name in ("sent_bytes", "packets_dropped", "viewers")] == ["counter", "counter", "gauge"]
    ids = {live.id for live in sessions}
    for family in families.values():
        assert re.fullmatch(r"limner_[a-z0-9_]+", family.name) and family.documentation
        assert {s.labels["session"] for s in family.samples if "session" in s.labels} <= ids
    assert text.count("# TYPE") == len(families)


async def test_what_the_engine_counts_is_there_session_by_session(scrape):
    sessions, _, families = scrape
    for live in sessions:
        for name, count in live.session.metrics.counters.items():
            assert values(families[f"limner_{name}"], f"limner_{name}_total", session=live.id) == [count]
        latency = live.session.latency() / TICKS
        assert values(families["limner_latency_declared_ms"], session=live.id) == [pytest.approx(1000 * latency)]
    slow, fast = [values(families["limner_pictures_key"], "limner_pictures_key_total", session=live.id)[0] for live in sessions]
    assert fast > 1.5 * slow > 60                                    # 50 and 25 pictures a second
    assert [values(families["limner_fps"], session=live.id) for live in sessions] == [[25], [50]]
    assert all(abs(skew) < 20 for skew in values(families["limner_skew_ms"])) and len(values(families["limner_skew_ms"])) == 2
    assert values(families["limner_governor_step"]) == [0, 0]


async def test_hops_are_histograms(scrape):
    sessions, _, families = scrape
    family = families["limner_hop_seconds"]
    assert family.type == "histogram"
    for live in sessions:
        for hop, histogram in live.session.metrics.hops.items():
            buckets = values(family, "limner_hop_seconds_bucket", session=live.id, hop=hop)
            assert buckets == sorted(buckets) and len(buckets) == len(serve_metrics.BOUNDS_MS) + 1
            assert buckets[-1] == values(family, "limner_hop_seconds_count", session=live.id, hop=hop)[0] == histogram.count
            assert values(family, "limner_hop_seconds_sum", session=live.id, hop=hop) == [pytest.approx(histogram.sum_ns / 1e9)]
