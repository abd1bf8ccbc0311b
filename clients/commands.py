"""The commands: each one's arguments, and the call into the file that does the work (imported only then)."""

import argparse
import os
from pathlib import Path

from . import commands_networks
from .loader import work
from .options import options_of


def add_all(subparsers: argparse._SubParsersAction, face: argparse.ArgumentParser) -> None:
    """Every command, in the order a newcomer meets them. `face` holds the options that commands with a face share."""
    for add in (add_serve, add_render, add_run):
        add(subparsers, face)
    for add in (add_rig, add_view, add_list, add_doctor, add_bench):
        add(subparsers)
    commands_networks.add_all(subparsers)


def add_serve(subparsers, face) -> None:
    p = subparsers.add_parser("serve", parents=[face], help="the presenter in a browser")
    p.add_argument("--host", default="127.0.0.1", help="address to listen on; any but this machine's own demands --token")
    p.add_argument("--port", type=int, default=8400)
    p.add_argument("--token", default=os.environ.get("LIMNER_TOKEN"),
                   help="what clients must send as `Authorization: Bearer`; in LIMNER_TOKEN no other user of the machine can read it")
    p.add_argument("--max-sessions", type=int, default=8)
    p.add_argument("--cert", type=Path, help="TLS certificate (PEM); browsers give a microphone to https only, except on this machine")
    p.add_argument("--key", type=Path, help="its private key (PEM)")
    p.add_argument("--self-signed", action="store_true", help="make a certificate for this machine (kept in the cache); visitors have to accept it once")
    p.add_argument("--origin", action="append", default=[], metavar="URL", help="another site whose pages may call (repeatable)")
    p.add_argument("--ice-server", action="append", default=[], metavar="URL[,USER,CREDENTIAL]",
                   help="stun:, turn: or turns: server for this server, its page and WHIP and WHEP clients (repeatable)")
    p.add_argument("--listen", action="store_true", help="the avatar listens to the visitor's microphone instead of speaking it; it speaks by /say and /audio")
    p.add_argument("--recordings", type=Path, metavar="DIR", help="folder for sessions recorded here by POST /record")
    p.set_defaults(handler=lambda a: work("present").run(options_of(a), a))


def add_render(subparsers, face) -> None:
    p = subparsers.add_parser("render", parents=[face], help="a portrait and a sound file into an MP4, faster than real time")
    p.add_argument("--audio", type=Path, required=True, metavar="FILE", help="anything FFmpeg reads: wav, mp3, m4a, ogg, video")
    p.add_argument("-o", "--out", type=Path, required=True, metavar="OUT.mp4")
    p.add_argument("--quiet", action="store_true", help="no progress bar")
    p.set_defaults(handler=lambda a: work("render").run(options_of(a), a.audio, a.out, report=a.report, quiet=a.quiet))


def add_run(subparsers, face) -> None:
    p = subparsers.add_parser("run", parents=[face], help="a live session between devices, files and buses")
    p.add_argument("--from", dest="source", required=True, metavar="SOURCE", help="mic[:NAME], zmq:ENDPOINT or a media file")
    p.add_argument("--to", dest="sinks", action="append", default=[], metavar="SINK",
                   help="camera[:DEVICE], speaker[:DEVICE], udp:HOST:PORT, zmq:ENDPOINT, whip:URL, FILE.mp4 or null (repeatable)")
    p.add_argument("--listen", metavar="SOURCE", help="mic[:NAME] or zmq:ENDPOINT: whom the avatar talks with; it looks at them and nods")
    p.add_argument("--recordings", type=Path, metavar="DIR", help="folder for what other programs record with the bus's command `record`")
    p.add_argument("--quiet", action="store_true")
    p.set_defaults(handler=lambda a: work("run").run(options_of(a), a.source, a.sinks, listen=a.listen, recordings=a.recordings,
                                                     report=a.report, quiet=a.quiet))


def add_rig(subparsers) -> None:
    p = subparsers.add_parser("rig", help="measure a portrait once and keep it as an .avatar pack")
    p.add_argument("portrait", type=Path)
    p.add_argument("-o", "--out", type=Path, required=True, metavar="OUT.avatar")
    p.add_argument("--face", type=int, metavar="N", help="which face, from the left, 0 first")
    p.add_argument("--force", action="store_true", help="accept a portrait outside the stated limits")
    p.add_argument("--landmarks", type=Path, metavar="FILE", help="JSON or NPZ with 478, 468 or 68 points")
    p.add_argument("--size", type=int, default=512, choices=(512, 768, 1024))
    p.add_argument("--preview", type=Path, metavar="SHEET.png", help="contact sheet to judge it by")
    p.add_argument("--name")
    p.add_argument("--licence", default="", help="of the picture, kept in the pack")
    p.add_argument("--consent", default="", help="note on the person's consent, kept in the pack")
    p.add_argument("--quiet", action="store_true")
    p.set_defaults(handler=rig)


def rig(a: argparse.Namespace) -> int:
    return work("rig").run(a.portrait, a.out, face=a.face, force=a.force, landmarks=a.landmarks, size=a.size,
                           preview=a.preview, name=a.name, licence=a.licence, consent=a.consent, quiet=a.quiet)


def add_view(subparsers) -> None:
    p = subparsers.add_parser("view", help="watch a session on its ZeroMQ bus")
    p.add_argument("endpoint", help="where the session publishes, for example tcp://127.0.0.1:5555")
    p.add_argument("--control", metavar="ENDPOINT", help="where it takes commands: i interrupts, q closes")
    p.add_argument("--frames", type=int, default=1, metavar="N")
    p.add_argument("--save", type=Path, metavar="FILE.png", help="without a window: keep the N-th picture")
    p.set_defaults(handler=lambda a: work("viewer").run(a.endpoint, a.control, frames=a.frames, save=a.save))


def add_list(subparsers) -> None:
    p = subparsers.add_parser("list", help="what can be named on the command line")
    p.add_argument("--json", action="store_true")
    p.set_defaults(handler=lambda a: work("listing").show(a.json))


def add_doctor(subparsers) -> None:
    p = subparsers.add_parser("doctor", help="what works here and what to install")
    p.add_argument("--json", type=Path, metavar="FILE")
    p.set_defaults(handler=lambda a: work("doctor").run(a.json))


def add_bench(subparsers) -> None:
    p = subparsers.add_parser("bench", help="measure, with the reference measured in the same run")
    p.add_argument("what", choices=("engine", "face", "models", "streams", "sessions", "bus", "gpu"))
    p.add_argument("--json", type=Path, metavar="FILE")
    p.add_argument("--quick", action="store_true", help="fewer repetitions")
    p.add_argument("--only", metavar="NAME", help="of the models or the GPU's cases: those whose name contains it")
    p.add_argument("--device", default="auto", metavar="cuda:N", help="of the GPU's cases; cpu tries the bench itself at small sizes")
    p.add_argument("--minutes", type=float, metavar="N", help="of the GPU: not the cases, but N minutes for eight visitors, and whether memory grows")
    p.add_argument("--material", type=Path, metavar="DIR", help="real speech and video to score the face against")
    p.set_defaults(handler=bench)


def bench(a: argparse.Namespace) -> int:
    if a.what == "gpu" and a.minutes is not None:
        return work("bench_gpu_soak").run(a.json, a.minutes, a.device)
    more = {"face": {"material": a.material}, "models": {"only": a.only}, "gpu": {"only": a.only, "device": a.device}}.get(a.what, {})
    work(f"bench_{a.what}").run(a.json, quick=a.quick, **more)
    return 0
