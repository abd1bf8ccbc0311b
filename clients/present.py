"""`limner serve`: the common options and the server's own, put together and started."""

import argparse
import asyncio
import dataclasses
import sys
from functools import cache
from pathlib import Path

from limner.engine.errors import UsageError
from limner.engine.session import Session
from limner.streams.icelinks import read

from . import assemble, certificates
from .memory import keep_flat, settle
from .options import Options
from .recordings import checked
from .serve import ServeOptions, serve
from .serve_avatars import Gallery
from .serve_security import check_bind
from .serve_sessions import SessionFactory, SessionRequest


def run(options: Options, args: argparse.Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM. Returns 0; raises UsageError and DeviceError for what cannot be opened."""
    if not 0 <= args.port <= 65535:
        raise UsageError(f"--port {args.port}: expected 0 (any free one) to 65535")
    chosen = assemble.choose_avatar(options) if options.portrait or options.avatar else None
    cert, key = certificate(args)
    where = ServeOptions(
        host=args.host, port=args.port, token=args.token, max_sessions=args.max_sessions, fps=options.fps,
        size=options.size, cert=cert, key=key, origins=tuple(args.origin), ice_servers=tuple(map(read, args.ice_server)),
        listen=args.listen, recordings=checked(args.recordings), mood=options.mood, liveliness=options.liveliness,
    )
    keep_flat()
    asyncio.run(serve(session_factory(options), Gallery(chosen), where, ready=announce))
    return 0


def certificate(args: argparse.Namespace) -> tuple[Path | None, Path | None]:
    """The certificate and key named, or those of this machine's own making. Raises UsageError for both at once."""
    if not args.self_signed:
        return args.cert, args.key
    if args.cert or args.key:
        raise UsageError("--self-signed makes its own certificate; leave out --cert and --key")
    check_bind(args.host, args.token)
    cert, key = certificates.self_signed(args.host)
    print(f"self-signed certificate, SHA-256 {certificates.fingerprint(cert)}", file=sys.stderr)
    return cert, key


def session_factory(options: Options) -> SessionFactory:
    """Sessions as a peer asks for them, everything else as the server was told. Seating happens off the loop.

    Weights are loaded here, once for all sessions where the animator can share its network.
    """
    make_animator, make_stages = assemble.animators(options), assemble.chains(options)
    settle_once = cache(settle)

    async def make(request: SessionRequest) -> Session:
        asked = dataclasses.replace(options, fps=request.fps, size=request.size,
                                    background=request.background or options.background, mood=request.mood or options.mood,
                                    liveliness=options.liveliness if request.liveliness is None else request.liveliness)
        face = await asyncio.to_thread(assemble.face, asked, request.avatar, make_animator, make_stages)
        settle_once()                            # the first face brought in the last modules
        return assemble.session(asked, sinks=list(request.sinks), prepared=face)

    return make


def announce(url: str) -> None:
    print(f"limner is at {url}  (Ctrl-C ends)", file=sys.stderr, flush=True)
