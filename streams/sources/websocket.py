"""Speech over a WebSocket, without the socket: what a client may send and what it means.

The first message is JSON text, `{"rate": 24000}`; it may add `"channels": 2`, `"live": true` and `"session": ID`.
Then binary messages are s16le samples, cut anywhere, and text messages commands: `{"type": "say-end"}` (the speech sent
so far is whole) and `{"type": "interrupt"}`.
"""

import json
from dataclasses import dataclass
from typing import Literal

from limner.engine.clock import TICKS, Clock
from limner.engine.errors import InputError, TooLarge, UsageError
from limner.streams.pcm import MAX_CHANNELS, RATES, PcmFeed

Command = Literal["say-end", "interrupt"]
COMMANDS = ("say-end", "interrupt")
MAX_TEXT = 4096               # characters of a message
MAX_AHEAD = 120               # s of speech that may wait to be said, beside the half minute the session holds
MAX_EARLY = 2                 # s by which live sound may come before its time


@dataclass(frozen=True, slots=True)
class Hello:
    """How the client's sound is to be taken. `live` sound is heard as it comes, other sound is speech to be said whole."""

    rate: int
    channels: int = 1
    live: bool = False
    session: str | None = None


def parse_hello(text: str) -> Hello:
    """Raises UsageError for anything but a JSON object of the known keys and types, TooLarge past 4096 characters."""
    message = _object(text, '{"rate": 16000}')
    unknown = sorted(set(message) - {"rate", "channels", "live", "session"})
    if unknown:
        raise UsageError(f"unknown key {unknown[0][:40]!r} in the first message; known: rate, channels, live, session")
    rate, channels = message.get("rate"), message.get("channels", 1)
    if type(rate) is not int or not RATES[0] <= rate <= RATES[1]:
        raise UsageError(f"rate = {str(rate)[:20]}: expected a whole number of Hz from {RATES[0]} to {RATES[1]}")
    if type(channels) is not int or not 1 <= channels <= MAX_CHANNELS:
        raise UsageError(f"channels = {str(channels)[:20]}: expected 1 to {MAX_CHANNELS}")
    live, session = message.get("live", False), message.get("session")
    if type(live) is not bool or not isinstance(session, str | None):
        raise UsageError("live must be true or false and session a string")
    return Hello(rate, channels, live, session)


def parse_command(text: str) -> Command:
    """Raises UsageError for anything but a known command, TooLarge past 4096 characters."""
    command = _object(text, '{"type": "say-end"}').get("type")
    if command not in COMMANDS:
        raise UsageError(f"type = {str(command)[:40]!r}: expected {' or '.join(COMMANDS)}")
    return command


def _object(text: str, example: str) -> dict:
    if len(text) > MAX_TEXT:
        raise TooLarge(f"a text message of {len(text)} characters; at most {MAX_TEXT} are read")
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        message = None
    if not isinstance(message, dict):
        raise UsageError(f"the message {text[:40]!r} is not a JSON object; expected {example}")
    return message


class SocketSound:
    """A client's sound in bounds: `take` raises where a flood would fill the memory. One PcmFeed for each speech."""

    def __init__(self, hello: Hello, clock: Clock) -> None:
        self.hello = hello
        self.feed: PcmFeed | None = None         # of the speech that is being sent
        self._clock = clock
        self._feeds: list[PcmFeed] = []
        self._began: int | None = None
        self._bytes = 0

    def take(self, data: bytes) -> PcmFeed | None:
        """Samples; a PcmFeed when they begin a new speech. Raises InputError for more sound than can be used."""
        begun = None
        if self.feed is None:
            begun = self.feed = PcmFeed(self.hello.rate, self.hello.channels, live=self.hello.live, clock=self._clock)
            self._feeds.append(begun)
        self._bound(len(data))
        self.feed.take(data)
        return begun

    def end(self) -> None:
        """The speech sent so far is whole."""
        if self.feed:
            self.feed.end()
            self.feed = None

    def discard(self) -> None:
        """Nothing sent so far is wanted any more."""
        for feed in self._feeds:
            feed.discard()
        self._feeds, self.feed = [], None

    def _bound(self, size: int) -> None:
        if self.hello.live:
            self._bound_pace(size)
            return
        self._feeds = [feed for feed in self._feeds if feed is self.feed or feed.waiting]
        waiting = sum(feed.waiting for feed in self._feeds) / PcmFeed.rate + self._seconds(size)
        if waiting > MAX_AHEAD:
            raise InputError(f"more than {MAX_AHEAD} s of speech are waiting to be said; send no further ahead")

    def _bound_pace(self, size: int) -> None:
        now = self._clock.now()
        if self._began is None:
            self._began = now
        self._bytes += size
        early = self._seconds(self._bytes) - (now - self._began) / TICKS
        if early > MAX_EARLY:
            raise InputError(f"live sound came {early:.1f} s before its time; send it as it is captured, or leave out live")
        if early < 0:                            # after a pause the count begins anew
            self._began, self._bytes = now, 0

    def _seconds(self, size: int) -> float:
        return size / (2 * self.hello.channels * self.hello.rate)
