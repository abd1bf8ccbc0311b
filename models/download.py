"""Fetching one file that the user asked for: resumable, checked, and in place only when it is whole."""

import hashlib
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlsplit

from limner.engine.errors import InputError, OutputError, TooLarge, UsageError

MOST_BYTES = 4 << 30
_CHUNK = 1 << 20
_PATIENCE = 30.0                             # seconds without a byte
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def fetch(url: str, sha256: str, path: Path, progress: Callable[[int, int | None], None] = lambda done, total: None) -> Path:
    """Download `url` to `path`. What an interrupted call left in `path`.part is gone on from.

    `sha256` is the expected digest, 64 hex digits; a file already there with that digest is left alone. `progress` is
    told bytes done and in all (None where the server does not say). Raises UsageError for an address or digest that is
    none, InputError when the server fails or the digest differs, TooLarge above 4 GiB, OutputError when disk space ends.
    """
    sha256 = _checked(url, sha256)
    if path.is_file() and digest(path) == sha256:
        return path
    partial = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _receive(url, partial, progress)
        found = digest(partial)
        if found != sha256:
            partial.unlink()
            raise InputError(f"{url}: SHA-256 {found[:16]}... instead of {sha256[:16]}...; the file was not kept, check address and digest")
        partial.replace(path)
    except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", None) or error
        raise InputError(f"{url}: cannot be fetched ({reason}); what came is kept, call again to go on") from error
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error}); free some space or choose another folder") from error
    return path


def _checked(url: str, sha256: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise UsageError(f"{url}: expected an https address")
    if not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise UsageError(f"--sha256 {sha256[:70]!r}: expected the 64 hex digits of the file's SHA-256; nothing is fetched unchecked")
    return sha256.lower()


def _receive(url: str, partial: Path, progress: Callable[[int, int | None], None]) -> None:
    begun = partial.stat().st_size if partial.is_file() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "limner"} | ({"Range": f"bytes={begun}-"} if begun else {}))
    try:
        answer = urllib.request.urlopen(request, timeout=_PATIENCE)
    except urllib.error.HTTPError as error:
        if error.code == 416 and begun:                                  # nothing is left after what we have
            return
        raise
    with answer:
        resumed = answer.status == 206
        done = begun if resumed else 0
        length = answer.headers.get("Content-Length")
        total = done + int(length) if length and length.isdigit() else None
        _room(url, total or 0)
        with partial.open("ab" if resumed else "wb") as file:
            while chunk := answer.read(_CHUNK):
                file.write(chunk)
                done += len(chunk)
                _room(url, done)
                progress(done, total)
    if total is not None and done < total:
        raise InputError(f"{url}: ended after {done} of {total} bytes; what came is kept, call again to go on")


def _room(url: str, size: int) -> None:
    if size > MOST_BYTES:
        raise TooLarge(f"{url}: more than {MOST_BYTES >> 30} GiB, refused")


def digest(path: Path) -> str:
    """SHA-256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
