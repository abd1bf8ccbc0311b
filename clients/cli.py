"""`limner`: one command, one line of error, exit status 0 done, 2 wrong usage or bad input, 1 anything else."""

import os

# Read by OpenMP when torch is first imported: spinning threads on busy cores make small operations crawl.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from limner.engine.errors import LimnerError

from . import logs
from .options import MOODS

INTERRUPTED = 130                              # 128 + SIGINT, as shells count


def common() -> argparse.ArgumentParser:
    """Options every command that shows a face shares; unset ones stay None so that --config can fill them."""
    p = argparse.ArgumentParser(add_help=False)
    g = p.add_argument_group("face")
    g.add_argument("--portrait", type=Path, metavar="FILE", help="a picture of one person (or an idle clip, for neural animators)")
    g.add_argument("--avatar", metavar="NAME|FILE", help="a bundled avatar or a pack made by `limner rig`")
    g.add_argument("--face", type=int, metavar="N", help="which face of the picture, from the left, 0 first")
    g.add_argument("--force", action="store_true", default=None, help="accept a portrait outside the stated limits")
    g.add_argument("--animator", metavar="NAME", help="morphable (default), or a published network: see `limner models`")
    g.add_argument("--weights", type=Path, metavar="FILE", help="the animator's checkpoint")
    g.add_argument("--graph", type=Path, metavar="FILE", help="Deep Speech graph or distilled bridge, where the animator listens to it")
    g.add_argument("--basis", type=Path, metavar="FILE", help="expression basis, where the animator is driven by coefficients")
    g.add_argument("--fps", type=int, metavar="N", help="24, 25 (default), 30, 50 or 60")
    g.add_argument("--size", type=int, metavar="PX", help="side of the square picture, 256 to 1024 (default 512)")
    g.add_argument("--interpolate", metavar="NAME", help="off (default), blend or amt")
    g.add_argument("--interpolate-weights", type=Path, metavar="FILE")
    g.add_argument("--restore", metavar="NAME[:MS]", help="off (default), sharpen, or a published restorer with a budget: gfpgan:8ms")
    g.add_argument("--restore-weights", type=Path, metavar="FILE")
    g.add_argument("--device", metavar="D", help="auto (default), cpu or cuda:N")
    g.add_argument("--half", action="store_true", default=None,
                   help="DINet, Wav2Lip and a restorer joined to them in 16 bits: faster on a GPU, within 50 dB of 32")
    g.add_argument("--seed", type=int, metavar="N", help="of every random choice (default 0)")
    g.add_argument("--liveliness", type=float, metavar="X", help="idle motion, 0 still to 1 natural (default)")
    g.add_argument("--mood", choices=MOODS)
    g.add_argument("--background", metavar="B", help="keep (default), a colour (#00b140, green), blur[:PIXELS], transparent, or a picture file")
    g.add_argument("--cap-ms", type=int, metavar="MS", help="most delay ever allowed (default 250)")
    g.add_argument("--config", type=Path, metavar="FILE.toml", help="the same options from a file; the command line wins")
    g.add_argument("--report", type=Path, metavar="FILE.json", help="write numbers about the run")
    return p


def build_parser() -> argparse.ArgumentParser:
    """The whole command line; each command's own file adds its arguments."""
    from . import commands

    p = argparse.ArgumentParser(prog="limner", description="One portrait and a live voice in, a talking head out.")
    p.add_argument("--version", action="version", version=f"limner {version('limner')}")
    p.add_argument("--log-level", default="warning", choices=("debug", "info", "warning", "error"))
    p.add_argument("--log-json", action="store_true", help="log lines as JSON objects")
    commands.add_all(p.add_subparsers(dest="command", required=True, metavar="COMMAND"), common())
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit status; prints one line on an error a user can mend."""
    args = build_parser().parse_args(argv)
    logs.configure(args.log_level, args.log_json)
    try:
        return int(args.handler(args) or 0)
    except LimnerError as error:
        print(f"limner {args.command}: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(f"limner {args.command}: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        return 0
    except Exception as error:
        if os.environ.get("LIMNER_DEBUG"):
            raise
        print(f"limner {args.command}: internal error: {type(error).__name__}: {error} (LIMNER_DEBUG=1 shows where)", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
