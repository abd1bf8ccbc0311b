"""`limner score`: how well the lips of a finished clip follow its sound."""

import json
import sys
from itertools import islice
from pathlib import Path

import numpy as np

from limner.engine.errors import MediaError, WeightsError
from limner.models.catalogue import by_name
from limner.models.idleclip import follow
from limner.models.lipscore import FPS, Score, embed_v2, embed_wav2lip, lip_sync_error
from limner.models.syncnet import build_network
from limner.models.video import at_rate, open_video
from limner.models.weights import identify, load_weights, missing_weights
from limner.streams.media import decode_mono

MOST_SECONDS = 60
_NETWORKS = {"syncnet_v2": ("v2", embed_v2), "wav2lip.sync": ("wav2lip", embed_wav2lip)}


def run(clip: Path, weights: Path | None = None, json_path: Path | None = None) -> int:
    """Print offset, LSE-D and LSE-C of a clip; LSE values compare between clips only for SyncNet's own weights.

    Raises WeightsError without usable weights, MediaError or PortraitError for a clip without lips or voice.
    """
    if weights is None:
        raise missing_weights("syncnet_v2", f"{by_name('wav2lip.sync').file} from {by_name('wav2lip.sync').page}")
    name = next((entry.name for entry in identify(weights) if entry.name in _NETWORKS), None)
    if name is None:
        raise WeightsError(f"{weights}: no lip-sync network that can score; expected {by_name('syncnet_v2').file} "
                           f"from {by_name('syncnet_v2').page}")
    score = measure(clip, weights, name)
    title = by_name(name).title
    print(f"offset {score.offset:+d} frames ({score.offset * 1000 // FPS:+d} ms, sound early is positive)   LSE-D {score.distance:.3f}   "
          f"LSE-C {score.confidence:.3f}   {score.frames} frames, {title}")
    if json_path:
        numbers = {"offset_frames": score.offset, "lse_d": score.distance, "lse_c": score.confidence, "frames": score.frames, "network": name}
        Path(json_path).write_text(json.dumps(numbers) + "\n")
    return 0


def measure(clip: Path, weights: Path, name: str) -> Score:
    """The score of a clip's first minute by the network called `name` in the catalogue."""
    variant, embed = _NETWORKS[name]
    network = load_weights(build_network(variant), weights, name)
    with open_video(clip) as (rate, pictures):
        frames = list(islice(at_rate(pictures, rate, FPS), MOST_SECONDS * FPS + 1))
    if len(frames) > MOST_SECONDS * FPS:
        print(f"{clip}: only the first {MOST_SECONDS} seconds are scored", file=sys.stderr)
        frames.pop()
    if not frames:
        raise MediaError(f"{clip}: no picture in it; expected a talking clip")
    samples = np.concatenate(list(decode_mono(clip)))[:MOST_SECONDS * 16_000]
    return lip_sync_error(*embed(network, frames, follow(frames, clip), samples))
