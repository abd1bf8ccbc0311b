"""Train the speech driver from nothing: `python -m limner.models.training.speech`.

Speaks hours of text with flite and espeak-ng, computes features, trains the causal network and writes the weights and
the report. Everything is seeded; the corpus is kept in the cache folder, so a second run starts training at once.
The full recipe takes about an hour on two cores.
"""

import argparse
import sys
from pathlib import Path

from limner.engine.errors import LimnerError, MissingPackage

MODELS = Path(__file__).resolve().parent.parent
CACHE = Path.home() / ".cache" / "limner" / "speech"


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m limner.models.training.speech", description=__doc__)
    parser.add_argument("--hours", type=float, default=12.0, help="hours of speech to synthesise (default %(default)s)")
    parser.add_argument("--flite-share", type=float, default=0.75, help="part of it by flite (default %(default)s)")
    parser.add_argument("--steps", type=int, default=3750, help="training steps (default %(default)s)")
    parser.add_argument("--varied-steps", type=int, default=1200, help="steps with more varied voices after them (default %(default)s)")
    parser.add_argument("--batch", type=int, default=16, help="crops of 8 s per step (default %(default)s)")
    parser.add_argument("--width", type=int, default=128, help="channels of the network (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of corpus and training (default %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch (default %(default)s)")
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder for corpus and features (default %(default)s)")
    parser.add_argument("--out", type=Path, default=MODELS / "data" / "speech.npz", help="weights (default %(default)s)")
    parser.add_argument("--report", type=Path, default=MODELS.parent / "docs" / "speech-training.md",
                        help="report (default %(default)s)")
    return parser.parse_args(argv)


def run(options: argparse.Namespace) -> list[dict]:
    """Corpus, features, training, weights, report; returns the training history.

    Raises:
        MissingPackage: PyTorch, flite or espeak-ng is not installed.
    """
    try:
        import torch
    except ImportError as e:
        raise MissingPackage("training needs PyTorch: pip install 'limner[neural]'") from e
    from . import speech_corpus, speech_data, speech_net, speech_report, speech_train

    torch.set_num_threads(options.threads)
    shards = speech_corpus.make_corpus(options.cache / "corpus", options.hours, options.flite_share, options.seed)
    streams = {p: speech_data.load_stream(p, options.cache / "rows", options.seed) for p in shards}
    by_engine = {e: [streams[p] for p in shards if p.name.startswith(e)] for e in ("flite", "espeak")}
    held = {e: s[-1:] for e, s in by_engine.items() if s}
    plan = speech_train.Plan(steps=options.steps, varied_steps=options.varied_steps, batch=options.batch,
                             width=options.width, seed=options.seed)
    history: list[dict] = []

    def checkpoint(net: speech_net.CausalNet, so_far: list[dict]) -> None:
        history[:] = so_far
        speech_net.export(net, options.out)
        speech_report.write_report(options.report, shards, plan, history, options.seed, options.out.stat().st_size)

    speech_train.train([s for some in by_engine.values() for s in some[:-1]], held, plan, checkpoint=checkpoint)
    return history


def main(argv: list[str] | None = None) -> int:
    try:
        run(arguments(argv))
    except LimnerError as e:
        print(f"limner: {e}", file=sys.stderr)
        return e.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
