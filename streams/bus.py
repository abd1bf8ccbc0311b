"""ZeroMQ sockets that are safe to open: loopback and ipc as they are, everything else only encrypted.

An endpoint is ZeroMQ's own, with options after a question mark: `tcp://0.0.0.0:5555?key=server.key_secret&clients=DIR`.
`key` is a CURVE certificate with its secret half (`zmq.auth.create_certificates`), `clients` a folder of the public
certificates that may connect; without it nobody may. Which further options there are is the caller's matter.
"""

import contextlib
import ipaddress
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import zmq
import zmq.asyncio
import zmq.auth
from zmq.auth.asyncio import AsyncioAuthenticator

from limner.engine.errors import DeviceError, UsageError

MAX_MESSAGE = 64 * 2**20               # bytes; who sends more is disconnected before it is read


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to bind, with which certificate; `options` are the further ones that were asked for."""

    address: str
    key: Path | None = None
    clients: Path | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    def beside(self, address: str) -> "Endpoint":
        """Another address with the same certificates. Raises UsageError as `parse` does."""
        return _checked(Endpoint(address, self.key, self.clients))


def parse(text: str, options: Collection[str] = ()) -> Endpoint:
    """Raises UsageError for what is no endpoint, has others than `options`, or is reachable from outside without a
    certificate.
    """
    address, _, query = text.partition("?")
    asked = dict(parse_qsl(query, keep_blank_values=True))
    if unknown := set(asked) - {"key", "clients", *options}:
        known = ", ".join(("key=FILE", "clients=DIR", *(f"{name}=..." for name in options)))
        raise UsageError(f"zmq:{text}: unknown option {', '.join(sorted(unknown))}; there are {known}")
    key, clients = (Path(asked.pop(name)) if name in asked else None for name in ("key", "clients"))
    return _checked(Endpoint(address, key, clients, asked))


def _checked(found: Endpoint) -> Endpoint:
    text = found.address
    if urlsplit(text).scheme not in ("tcp", "ipc", "inproc"):
        raise UsageError(f"zmq:{text}: expected an endpoint such as tcp://127.0.0.1:5555 or ipc:///tmp/limner")
    if found.key is None and not local(text):
        raise UsageError(f"zmq:{text}: others could listen in; bind to 127.0.0.1, or add ?key=FILE&clients=DIR with CURVE "
                         "certificates")
    if found.key and not (found.clients and found.clients.is_dir()):
        raise UsageError(f"zmq:{text}: clients=DIR has to name the folder of public certificates that may connect")
    return found


def local(address: str) -> bool:
    """Whether only this machine can reach an address."""
    parts = urlsplit(address)
    if parts.scheme != "tcp":
        return True
    host = (parts.hostname or "").strip("[]")
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


class Bus:
    """One bound socket and, where it has a certificate, the check of who connects. Never blocks on leaving."""

    def __init__(self, endpoint: Endpoint, kind: int, queue: int) -> None:
        """`kind` zmq.PUB, PULL or ROUTER; `queue` messages per peer before PUB drops or senders wait."""
        self._endpoint, self._kind, self._queue = endpoint, kind, queue
        self._context: zmq.asyncio.Context | None = None
        self._auth: AsyncioAuthenticator | None = None
        self.address = endpoint.address          # after `open`, with the port that was chosen for tcp://...:*

    def open(self) -> zmq.asyncio.Socket:
        """Bind. Raises DeviceError for an address in use, UsageError for a broken certificate."""
        self._context = zmq.asyncio.Context()
        self.socket = self._context.socket(self._kind)
        try:
            self.socket.set_hwm(self._queue)
            self.socket.linger = 0
            self.socket.maxmsgsize = MAX_MESSAGE
            self.socket.ipv6 = "[" in self._endpoint.address
            if self._endpoint.key:
                self._encrypt(self._endpoint.key)
            self.socket.bind(self._endpoint.address)
        except zmq.ZMQError as error:
            self.close()
            raise DeviceError(f"zmq:{self._endpoint.address}: cannot be bound ({error.strerror}); is another limner running? "
                              "Choose another port") from error
        except BaseException:
            self.close()
            raise
        self.address = self.socket.getsockopt_string(zmq.LAST_ENDPOINT)
        return self.socket

    def _encrypt(self, key: Path) -> None:
        try:
            public, secret = zmq.auth.load_certificate(key)
        except (OSError, ValueError) as error:
            raise UsageError(f"{key}: not a CURVE certificate ({error}); make one with zmq.auth.create_certificates") from error
        if secret is None:
            raise UsageError(f"{key}: holds only the public half; expected the .key_secret file")
        self._auth = AsyncioAuthenticator(self._context)
        self._auth.start()
        self._auth.configure_curve(domain="*", location=str(self._endpoint.clients))
        self.socket.curve_publickey, self.socket.curve_secretkey, self.socket.curve_server = public, secret, True

    def close(self) -> None:
        """Drop what was not sent and free the address; nothing happens when it is not open."""
        if self._context is None:
            return
        if self._auth:
            self._auth.stop()
        self.socket.close()
        self._context.term()
        self._context = self._auth = None
