"""The commands about published networks: what there is, scoring, interpolation, restoration, training."""

import argparse
from pathlib import Path

from .loader import work
from .options import check


def add_all(subparsers: argparse._SubParsersAction) -> None:
    """Every one of them, in the order a user meets them."""
    for add in (add_models, add_score, add_interpolate, add_restore, add_train):
        add(subparsers)


def add_models(subparsers) -> None:
    p = subparsers.add_parser("models", help="published networks: what each needs, its licence, whether it is here")
    p.add_argument("--folder", type=Path, metavar="DIR", help="where else to look for checkpoints")
    p.add_argument("--json", action="store_true")
    p.add_argument("--get", metavar="URL", help="fetch one checkpoint you chose, resumable and checked by --sha256")
    p.add_argument("--sha256", metavar="HEX")
    p.add_argument("-o", "--out", type=Path, metavar="FILE", help="where --get puts it")
    p.add_argument("--hear", type=Path, metavar="SOUND", help="what Deep Speech loses live on this sound, with --graph and --bridge")
    p.add_argument("--graph", type=Path, metavar="FILE.pb")
    p.add_argument("--bridge", type=Path, metavar="FILE.pth")
    p.set_defaults(handler=models)


def models(a: argparse.Namespace) -> int:
    if a.get:
        check(bool(a.sha256), "--get needs --sha256 HEX, so that what arrives is what you chose")
        return work("models_list").get(a.get, a.sha256, a.out)
    if a.hear:
        check(a.graph is not None, "--hear needs --graph FILE.pb, the frozen Deep Speech graph")
        return work("hearing").run(a.hear, a.graph, a.bridge)
    return work("models_list").run(a.folder, a.json)


def add_score(subparsers) -> None:
    p = subparsers.add_parser("score", help="how well the lips of a finished clip follow its sound (LSE-D, LSE-C, offset)")
    p.add_argument("clip", type=Path)
    p.add_argument("--weights", type=Path, metavar="FILE", help="SyncNet checkpoint")
    p.add_argument("--json", type=Path, metavar="FILE")
    p.set_defaults(handler=lambda a: work("score").run(a.clip, a.weights, a.json))


def add_interpolate(subparsers) -> None:
    p = subparsers.add_parser("interpolate", help="any clip at another frame rate, its sound kept")
    p.add_argument("clip", type=Path)
    p.add_argument("-o", "--out", type=Path, required=True, metavar="OUT.mp4")
    p.add_argument("--fps", type=int, default=50, metavar="N")
    p.add_argument("--method", default="blend", choices=("blend", "amt"))
    p.add_argument("--weights", type=Path, metavar="FILE", help="AMT checkpoint")
    p.add_argument("--check", action="store_true", help="rebuild every second frame and report PSNR and SSIM against blend")
    add_care(p)
    p.set_defaults(handler=interpolate)


def interpolate(a: argparse.Namespace) -> int:
    return work("interpolate").run(a.clip, a.out, fps=a.fps, method=a.method, weights=a.weights, device=a.device, check=a.check,
                                   report=a.report, quiet=a.quiet)


def add_restore(subparsers) -> None:
    p = subparsers.add_parser("restore", help="sharper faces in a picture or a clip")
    p.add_argument("source", type=Path)
    p.add_argument("-o", "--out", type=Path, required=True)
    p.add_argument("--model", default="sharpen", help="sharpen (default), gfpgan, gpen, codeformer or restoreformer")
    p.add_argument("--weights", type=Path, metavar="FILE")
    p.add_argument("--fidelity", type=float, metavar="X", help="CodeFormer: 0 more restored to 1 nearer to the input")
    add_care(p)
    p.set_defaults(handler=restore)


def restore(a: argparse.Namespace) -> int:
    return work("restore").run(a.source, a.out, model=a.model, weights=a.weights, device=a.device, fidelity=a.fidelity,
                               report=a.report, quiet=a.quiet)


def add_care(p: argparse.ArgumentParser) -> None:
    """What long work on a file shares."""
    p.add_argument("--device", default="auto", metavar="D", help="auto (default), cpu or cuda:N")
    p.add_argument("--report", type=Path, metavar="FILE.json")
    p.add_argument("--quiet", action="store_true", help="no progress bar")


def add_train(subparsers) -> None:
    p = subparsers.add_parser("train", help="train a person's face, or the bridge that makes Deep Speech quick")
    kinds = p.add_subparsers(dest="kind", required=True, metavar="WHAT")
    dinet = kinds.add_parser("dinet", help="the published recipe, stage by stage, on a folder of talking videos")
    dinet.add_argument("videos", type=Path)
    dinet.add_argument("--stage", default="frame64", choices=("frame64", "frame128", "frame256", "clip256"))
    dinet.add_argument("--start", type=Path, metavar="FILE", help="generator of an earlier stage, or a published one")
    dinet.add_argument("--vgg", type=Path, metavar="FILE", help="VGG-19 weights for the perception loss")
    dinet.add_argument("--sync", type=Path, metavar="FILE", help="lip-sync network, for the clip stage")
    dinet.add_argument("--steps", type=int, metavar="N", help="stop before the recipe ends")
    dinet.add_argument("--batch", type=int, metavar="N")
    dinet.add_argument("--freeze-norm", action="store_true", help="keep BatchNorm statistics: fine-tuning on one person")
    dinet.set_defaults(handler=train_dinet)
    bridge = kinds.add_parser("bridge", help="distil a Deep Speech graph into a small causal network, on a folder of speech")
    bridge.add_argument("speech", type=Path)
    bridge.add_argument("--steps", type=int, default=6000, metavar="N")
    bridge.set_defaults(handler=train_bridge)
    for q, seed in ((dinet, 456), (bridge, 0)):
        q.add_argument("-o", "--out", type=Path, required=True)
        q.add_argument("--graph", type=Path, required=True, metavar="FILE.pb", help="frozen Deep Speech 0.1.0 graph")
        q.add_argument("--seed", type=int, default=seed)
        q.add_argument("--device", default="auto", metavar="D")


def train_dinet(a: argparse.Namespace) -> int:
    return work("train").run_dinet(a.videos, a.out, graph=a.graph, stage=a.stage, start=a.start, vgg=a.vgg, sync=a.sync, steps=a.steps,
                                   batch=a.batch, freeze_norm=a.freeze_norm, seed=a.seed, device=a.device)


def train_bridge(a: argparse.Namespace) -> int:
    return work("train").run_bridge(a.speech, a.out, graph=a.graph, steps=a.steps, seed=a.seed, device=a.device)
