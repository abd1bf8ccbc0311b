"""STUN and TURN servers as the `Link` headers of WHIP and WHEP name them (RFC 9725 section 4.6, RFC 8288). Pure.

`Link: <turn:turn.example.net?transport=udp>; rel="ice-server"; username="user"; credential="secret"`
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from limner.engine.errors import UsageError

MAX_SERVERS = 8
MAX_HEADER = 4096             # characters of one header that are read
MAX_SECRET = 512              # characters of a user name or credential
RELATION = "ice-server"
TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
PARAMETER = rf'\s*;\s*({TOKEN})(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",;]*)))?'
# A target and all its parameters; `re.sub` takes the groups out of PARAMETER.
LINK = re.compile(rf'[\s,]*<([^<>\s]*)>((?:{re.sub(r"[(](?![?])", "(?:", PARAMETER)})*)\s*(?:,|$)')
# RFC 7064 and 7065, without IPv6 literals, which aiortc does not read.
URL = re.compile(r"(?:stun:{0}|turns?:{0}(?:\?transport=(?:udp|tcp))?)".format(r"[0-9A-Za-z._-]{1,253}(?::([0-9]{1,5}))?"))


@dataclass(frozen=True, slots=True)
class IceServer:
    """One server; `username` and `credential` of TURN alone."""

    url: str
    username: str | None = None
    credential: str | None = field(default=None, repr=False)


def parse(headers: Iterable[str]) -> list[IceServer]:
    """The usable servers in the values of all `Link` headers, at most `MAX_SERVERS`. Whatever else is there is passed over."""
    found: list[IceServer] = []
    for value in headers:
        for url, given in _links(value[:MAX_HEADER]):
            if RELATION not in given.get("rel", "").lower().split() or given.get("credential-type", "password") != "password":
                continue
            server = _server(url, given.get("username"), given.get("credential"))
            if _fault(server) is None and server not in found and len(found) < MAX_SERVERS:
                found.append(server)
    return found


def link(server: IceServer) -> str:
    """The value of the `Link` header that names `server`."""
    value = f'<{server.url}>; rel="{RELATION}"'
    if server.credential is None:
        return value
    return value + f'; username="{_escaped(server.username)}"; credential="{_escaped(server.credential)}"; credential-type="password"'


def read(text: str) -> IceServer:
    """`URL` or `URL,USER,CREDENTIAL` of a command line. Raises UsageError, which does not repeat the credential."""
    url, *secret = text.split(",", 2)
    server = IceServer(url.strip(), *secret)
    if fault := _fault(server):
        raise UsageError(f"--ice-server {url[:80]!r}: {fault}")
    return server


def _server(url: str, username: str | None = None, credential: str | None = None) -> IceServer:
    return IceServer(url) if url.startswith("stun:") else IceServer(url, username, credential)


def _fault(server: IceServer) -> str | None:
    found = URL.fullmatch(server.url)
    if not found or any(port and not 0 < int(port) < 65536 for port in found.groups()):
        return "expected stun:HOST[:PORT], or turn: or turns: with ?transport=udp or tcp, HOST a name or an IPv4 address"
    if server.url.startswith("stun:"):
        return "a STUN server takes no user and no credential" if server.username else None
    if not all(secret and re.fullmatch(rf"[\x20-\x7e]{{1,{MAX_SECRET}}}", secret) for secret in (server.username, server.credential)):
        return "a TURN server needs a user and a credential in ASCII: turn:HOST,USER,CREDENTIAL"
    return None


def _links(value: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Targets and parameters up to the first thing that is no link; of a parameter given twice the first counts."""
    at = 0
    while found := LINK.match(value, at):
        given: dict[str, str] = {}
        for name, quoted, plain in re.findall(PARAMETER, found[2]):
            given.setdefault(name.lower(), re.sub(r"\\(.)", r"\1", quoted) or plain)
        yield found[1], given
        at = found.end()


def _escaped(text: str) -> str:
    return re.sub(r'(["\\])', r"\\\1", text)
