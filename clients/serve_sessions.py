"""The running sessions of a server: who is in which, and when each ends.

A session lives as long as one of its peers. One that fails takes its own peers with it and nobody else's.
"""

import asyncio
import dataclasses
import logging
import secrets
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from operator import attrgetter

from limner.engine.clock import Clock
from limner.engine.errors import Busy, UsageError
from limner.engine.protocols import AVSink
from limner.engine.session import Session
from limner.engine.types import AudioChunk
from limner.models.avatar import Avatar
from limner.streams.peer import Peer
from limner.streams.sinks.webrtc import WebRTCSink
from limner.streams.takes import Take

from .logs import SESSION
from .serve_admission import Admission, Load, Meter, cores_here
from .serve_limits import RateLimit

log = logging.getLogger(__name__)
STATUS_EVERY = 0.5            # s between the figures sent to each page
COSTS = ("features", "draw", "stages", "colour")
LOOK = attrgetter("fps", "size", "background", "mood", "liveliness")     # of a request: those who agree on it may share a session


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """What a peer asks for; `avatar` None is the server's default one."""

    avatar: Avatar | None
    fps: int
    size: int                                      # px, side of the square picture
    sinks: tuple[AVSink, ...] = ()
    background: str | None = None                  # as `models.backdrop` names it; None is the server's own
    mood: str | None = None                        # one of `options.MOODS`; None is the server's own
    liveliness: float | None = None                # 0 still .. 1 natural; None is the server's own


SessionFactory = Callable[[SessionRequest], Awaitable[Session]]


@dataclass(eq=False, slots=True)
class Live:
    """One session, what it shows itself on, and who is connected."""

    id: str
    request: SessionRequest
    session: Session
    sink: WebRTCSink
    on_failure: Callable[[Exception], Awaitable[None]]
    shared: bool = False                           # anybody may join who asks for the same face
    peers: dict[str, Peer] = field(default_factory=dict)
    tasks: set[asyncio.Task] = field(default_factory=set)
    utterances: int = 0                            # given to it in all
    waiting: int = 0                               # of them, not yet finished
    meter: Meter = field(default_factory=Meter)
    take: Take | None = None                       # the last recording, until it is stopped

    def start(self, work: Coroutine) -> None:
        """Run `work` for as long as the session lives; if it fails, so does the session."""
        task = asyncio.get_running_loop().create_task(self._care(work))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _care(self, work: Coroutine) -> None:
        SESSION.set(self.id)                      # for every line logged by this task and those it makes
        try:
            await work
        except Exception as error:                # whatever broke, it must not reach the other sessions
            await self.on_failure(error)

    def tell(self, message: dict) -> None:
        """Send to every page that watches."""
        for peer in self.peers.values():
            peer.tell(message)

    @property
    def recording(self) -> bool:
        return self.take is not None and not self.take.over.is_set()

    @property
    def load(self) -> Load:
        return Load(self.request.size**2 * self.request.fps, self.meter.cores)

    def measure(self, now_ns: int) -> None:
        """Note what drawing and encoding cost of late; while nobody watches there is nothing to learn."""
        if self.sink.watched:
            hops = self.session.metrics.hops
            self.meter.read(sum(hops[hop].sum_ns for hop in COSTS) + self.sink.encoding_ns, now_ns)
        else:
            self.meter.pause()

    def status(self) -> dict:
        """Figures for the page: the engine's own, and what the network sink adds."""
        return {"session": self.id, "latency": self.session.latency(), "engine": self.session.metrics.snapshot(),
                "viewers": len(self.peers), "recording": self.recording, "packets_dropped": self.sink.packets_dropped,
                "voice_lost": sum(p.microphone.lost for p in self.peers.values() if p.microphone)}


class Sessions:
    """Opens, finds and closes. `limit` sessions at once; more, or more than `admission` finds room for, are refused with Busy."""

    def __init__(self, factory: SessionFactory, clock: Clock, limit: int = 8, admission: Admission | None = None) -> None:
        self.limit = limit
        self._clock, self._admission = clock, admission or Admission(cores_here())
        self.failed = self.opened = 0
        self._factory, self._rate = factory, RateLimit(clock)
        self._live: dict[str, Live] = {}
        self._opening = 0
        self._draining = False

    def __iter__(self):
        return iter(list(self._live.values()))

    def __len__(self) -> int:
        return len(self._live)

    async def open(self, avatar: Avatar | None, fps: int, size: int, *, background: str | None = None, mood: str | None = None,
                   liveliness: float | None = None, shared: bool = False) -> Live:
        """A new running session; with `shared`, the one that already shows this face to all, if there is one. Raises Busy when the server is full, draining or asked too often."""
        self._rate.check()
        wanted = SessionRequest(avatar, fps, size, (), background, mood, liveliness)
        if shared and (running := self._showing(wanted)):
            return running
        if self._draining or len(self._live) + self._opening >= self.limit:
            raise Busy(f"all {self.limit} places are taken; try again when somebody has left")
        self._admission.check((live.load for live in self), size**2 * fps)
        self._opening += 1
        try:
            sink = WebRTCSink((size, size), fps, clock=self._clock)
            request = dataclasses.replace(wanted, sinks=(sink,))
            live = Live(secrets.token_urlsafe(9), request, await self._factory(request), sink,
                        lambda error: self._fail(live, error), shared)
        finally:
            self._opening -= 1
        self._live[live.id] = live
        self.opened += 1
        live.start(self._run(live))
        live.start(self._report(live))
        log.info("session opened", extra={"fields": {"session": live.id, "fps": fps, "size": size}})
        return live

    def _showing(self, wanted: SessionRequest) -> Live | None:
        for live in self._live.values():
            ours, theirs = wanted.avatar, live.request.avatar
            same = ours is theirs or (ours and theirs and ours.sha256 == theirs.sha256)
            if live.shared and same and LOOK(live.request) == LOOK(wanted):
                return live
        return None

    def join(self, live: Live, peer: Peer, *, converses: bool = False) -> str:
        """Count `peer` in; its id. Its voice, if it sends one, is heard from now on: as the avatar's own, or, if it
        `converses`, as whom the avatar listens to.
        """
        peer_id = secrets.token_urlsafe(9)
        live.peers[peer_id] = peer
        live.start(self._hear(peer, live.session.listen if converses else live.session.push))
        live.start(self._follow(live, peer_id, peer))
        return peer_id

    def find(self, wanted: str | None) -> Live:
        """The session with this id, or with a peer of this id; without an id the only one there is.

        Raises UsageError when there is none or it is not clear which.
        """
        if wanted is None and len(self._live) == 1:
            return next(iter(self._live.values()))
        for live in self._live.values():
            if wanted is not None and (live.id == wanted or wanted in live.peers):
                return live
        if wanted is None and self._live:
            raise UsageError(f"{len(self._live)} sessions are running; say which with ?session=ID (the end of its Location)")
        raise UsageError("no such session is running; open the page or POST an offer to /talk first")

    def newest(self) -> Live:
        """The session opened last. Raises UsageError when none is running."""
        if not self._live:
            raise UsageError("no session is running yet; open the page or POST an offer to /talk first")
        return next(reversed(self._live.values()))

    def find_peer(self, peer_id: str) -> Peer | None:
        return next((live.peers[peer_id] for live in self._live.values() if peer_id in live.peers), None)

    async def close(self, live: Live) -> None:
        """End a session and all its peers; again is harmless."""
        if self._live.pop(live.id, None) is None:
            return
        await live.session.close()
        for peer in list(live.peers.values()):
            await peer.close()
        for task in live.tasks - {asyncio.current_task()}:
            task.cancel()
        log.info("session closed", extra={"fields": {"session": live.id}})

    async def drain(self) -> None:
        """Take nobody new and end everything."""
        self._draining = True
        await asyncio.gather(*(self.close(live) for live in self), return_exceptions=True)

    async def _run(self, live: Live) -> None:
        await live.session.run()
        await self.close(live)

    async def _fail(self, live: Live, error: Exception) -> None:
        self.failed += 1
        log.error("session failed", exc_info=error, extra={"fields": {"session": live.id}})
        live.tell({"error": f"the session failed ({type(error).__name__}); connect again"})
        await self.close(live)

    async def _hear(self, peer: Peer, take: Callable[[AudioChunk], None]) -> None:
        if peer.microphone:
            async for chunk in peer.microphone:
                take(chunk)

    async def _follow(self, live: Live, peer_id: str, peer: Peer) -> None:
        await peer.closed.wait()
        live.peers.pop(peer_id, None)
        if peer.viewer:
            live.sink.remove(peer.viewer)
        # Watchers alone do not keep a session that is somebody's own: its owner may already talk in another.
        if not any(live.shared or each.microphone for each in live.peers.values()):
            await self.close(live)

    async def _report(self, live: Live) -> None:
        while True:
            await asyncio.sleep(STATUS_EVERY)
            live.measure(self._clock.now_ns())
            live.tell({"status": live.status()})
