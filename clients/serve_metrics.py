"""`GET /metrics` in the Prometheus text format and `GET /health`."""

import re
from collections.abc import Iterator

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from .serve_sessions import Sessions

BOUNDS_MS = (1, 2, 5, 10, 20, 40, 60, 80, 100, 150, 200, 250, 500, 1000)     # 250 ms is the usual cap of the whole way


class SessionCollector:
    """Reads every running session's figures when it is scraped; keeps none itself."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("limner_sessions", "Sessions running", value=len(self._sessions))
        yield GaugeMetricFamily("limner_session_limit", "Sessions this server admits", value=self._sessions.limit)
        yield CounterMetricFamily("limner_sessions_opened", "Sessions opened", value=self._sessions.opened)
        yield CounterMetricFamily("limner_sessions_failed", "Sessions ended by an error", value=self._sessions.failed)
        yield from self._per_session("limner_viewers", "Peers connected", lambda live: len(live.peers))
        yield from self._per_session("limner_latency_seconds", "Declared latency from sound to picture",
                                     lambda live: live.session.latency() / 90_000)
        yield from self._per_session("limner_sent_bytes", "Media bytes sent", lambda live: live.sink.bytes_sent, CounterMetricFamily)
        yield from self._per_session("limner_packets_dropped", "Packets slow peers lost", lambda live: live.sink.packets_dropped,
                                     CounterMetricFamily)
        yield from self._per_session("limner_busy_cores", "Cores kept busy by drawing and encoding",
                                     lambda live: live.meter.cores or 0.0)
        yield from self._counters()
        yield from self._gauges()
        yield self._hops()

    def _per_session(self, name: str, text: str, value, kind=GaugeMetricFamily) -> Iterator[Metric]:
        family = kind(name, text, labels=["session"])
        for live in self._sessions:
            family.add_metric([live.id], value(live))
        yield family

    def _counters(self) -> Iterator[Metric]:
        families: dict[str, CounterMetricFamily] = {}
        for live in self._sessions:
            for name, value in live.session.metrics.counters.items():
                family = families.setdefault(name, CounterMetricFamily(f"limner_{_safe(name)}", f"Engine count: {name}",
                                                                       labels=["session"]))
                family.add_metric([live.id], value)
        yield from families.values()

    def _gauges(self) -> Iterator[Metric]:
        families: dict[str, GaugeMetricFamily] = {}
        for live in self._sessions:
            for name, value in live.session.metrics.gauges.items():
                family = families.setdefault(name, GaugeMetricFamily(f"limner_{_safe(name)}", f"Engine gauge: {name}",
                                                                     labels=["session"]))
                family.add_metric([live.id], value)
        yield from families.values()

    def _hops(self) -> Metric:
        family = HistogramMetricFamily("limner_hop_seconds", "Time spent in each hop of the hot path", labels=["session", "hop"])
        for live in self._sessions:
            for hop, histogram in live.session.metrics.hops.items():
                buckets = [(str(ms / 1000), histogram.at_most(ms * 1_000_000)) for ms in BOUNDS_MS]
                family.add_metric([live.id, hop], [*buckets, ("+Inf", histogram.count)], histogram.sum_ns / 1e9)
        return family


def _safe(name: str) -> str:
    return re.sub(r"\W", "_", name)


def routes(sessions: Sessions) -> list[web.RouteDef]:
    registry = CollectorRegistry()
    registry.register(SessionCollector(sessions))

    async def metrics(request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def health(request: web.Request) -> web.Response:
        full = len(sessions) >= sessions.limit
        return web.json_response({"status": "full" if full else "ok", "sessions": len(sessions), "limit": sessions.limit})

    return [web.get("/metrics", metrics), web.get("/health", health)]
