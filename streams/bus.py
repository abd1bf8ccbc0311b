"""ZeroMQ sockets that are safe to open: loopback and ipc as they are, everything else only encrypted.

An endpoint is ZeroMQ's own, with options after a question mark: `tcp://0.0.0.0:5555?key=server.key_secret&clients=DIR`.
`key` is a CURVE certificate with its secret half (`zmq.auth.create_certificates`), `clients` a folder of the public
certificates that may connect; without it nobody may.
"""

import contextlib
import ipaddress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import zmq
import zmq.asyncio
import zmq.auth
from limner.engine.errors import DeviceError, UsageError
from zmq.auth.asyncio import AsyncioAuthenticator


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to bind, and with which certificate."""

    address: str
    key: Path | None = None
    clients: Path | None = None


def parse(text: str) -> Endpoint:
    """Raises UsageError for what is no endpoint, or is reachable from outside without a certificate."""
    address, _, query = text.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    if unknown := set(options) - {"key", "clients"}:
        raise UsageError(f"zmq:{text}: unknown option {', '.join(sorted(unknown))}; there are key=FILE and clients=DIR")
    if urlsplit(address).scheme not in ("tcp", "ipc", "inproc"):
        raise UsageError(f"zmq:{text}: expected an endpoint such as tcp://127.0.0.1:5555 or ipc:///tmp/limner")
    found = Endpoint(address, *(Path(options[name]) if name in options else None for name in ("key", "clients")))
    if found.key is None and not local(address):
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
        """`kind` zmq.PUB or zmq.PULL; `queue` messages per peer before PUB drops or senders wait."""
        self._endpoint, self._kind, self._queue = endpoint, kind, queue
        self._auth: AsyncioAuthenticator | None = None
        self.address = endpoint.address          # after `open`, with the port that was chosen for tcp://...:*

    def open(self) -> zmq.asyncio.Socket:
        """Bind. Raises DeviceError for an address in use, UsageError for a broken certificate."""
        self._context = zmq.asyncio.Context()
        self.socket = self._context.socket(self._kind)
        try:
            self.socket.set_hwm(self._queue)
            self.socket.linger = 0
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
        """Drop what was not sent and free the address."""
        if self._auth:
            self._auth.stop()
        self.socket.close()
        self._context.term()
