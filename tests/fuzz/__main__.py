"""`python -m tests.fuzz TARGET|all [--runs N]`: coverage-guided where atheris is installed, else by a mutator of our own.

A finding is written to tests/fuzz/findings/TARGET-HASH, where the suite keeps it, and ends the run.
"""

import argparse
import contextlib
import hashlib
import random
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import atheris
except ImportError:
    atheris = None

OURS = ["limner.streams.wire", "limner.streams.peer", "limner.streams.media", "limner.streams.icelinks", "limner.streams.sources.websocket", "limner.clients.options", "limner.engine.config",
        "limner.models.avatar", "limner.models.picture"]
guide = atheris is not None and "--plain" not in sys.argv
with atheris.instrument_imports(include=OURS) if guide else contextlib.nullcontext():
    from tests.fuzz.targets import TARGETS, quietly, seeds

FINDINGS = Path(__file__).parent / "findings"
LONGEST = 10                                     # s one input may take; longer is a hang


def check(name: str, data: bytes) -> None:
    try:
        quietly(lambda: TARGETS[name](data))
    except BaseException:
        FINDINGS.mkdir(exist_ok=True)
        (FINDINGS / f"{name}-{hashlib.sha1(data).hexdigest()[:12]}").write_bytes(data)
        raise


def guided(name: str, runs: int) -> None:
    """By libFuzzer, which ends the process."""
    folder = tempfile.mkdtemp(prefix=f"limner-fuzz-{name}-")
    for number, data in enumerate(seeds(name)):
        (Path(folder) / str(number)).write_bytes(data)
    flags = [sys.argv[0], f"-runs={runs}", f"-timeout={LONGEST}", "-rss_limit_mb=4096", "-print_final_stats=1", "-verbosity=0", f"-artifact_prefix={tempfile.gettempdir()}/", folder]
    atheris.Setup(flags, lambda data: check(name, data))
    atheris.Fuzz()


def mutated(name: str, runs: int, seed: int = 0) -> None:
    """Bytes flipped, cut, doubled and spliced from good inputs."""
    rng, good = random.Random(seed), seeds(name)
    for _ in range(runs):
        data = bytearray(rng.choice(good))
        for _ in range(rng.randint(1, 8)):
            at, span = rng.randrange(len(data) + 1), rng.choice((0, 1, 1, 2, 4, 16))
            other = rng.choice(good)
            piece = rng.choice((rng.randbytes(span), bytes(data[at : at + span]) * 2, other[at : at + 4 * span], bytes(span), b"\xff" * span))
            data[at : at + span] = piece
        check(name, bytes(data[: rng.choice((len(data), len(data), rng.randrange(len(data) + 1)))]))
    print(f"{name}: {runs} inputs, no finding")


def main() -> int:
    p = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.splitlines()[0])
    p.add_argument("target", choices=[*TARGETS, "all"])
    p.add_argument("--runs", type=int, default=100_000)
    p.add_argument("--plain", action="store_true", help="the mutator of our own, atheris or not")
    args = p.parse_args()
    if args.target == "all":
        again = [sys.executable, "-m", "tests.fuzz", "--runs", str(args.runs), *(["--plain"] if args.plain else [])]
        return max(subprocess.call([*again, name]) for name in TARGETS)
    (guided if guide else mutated)(args.target, args.runs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
