"""What a user may ask of a face, as plain values. Every registry file's `create` is given one of these."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class FaceOptions:
    """Settings of an animator and the extractor it listens to."""

    size: int = 512                    # px, side of the square picture
    fps: int = 25
    seed: int = 0
    liveliness: float = 1.0            # 0 still .. 1 natural
    mood: str = "neutral"              # neutral | warm | serious
    alpha: bool = False                # no background: frames carry the person's opacity
    weights: Path | None = None        # checkpoint of a published network
    graph: Path | None = None          # Deep Speech 0.1.0 frozen graph or distilled bridge, for animators that listen to it
    basis: Path | None = None          # expression basis, for animators driven by coefficients
    clip: Path | None = None           # idle clip instead of a portrait
    device: str = "auto"               # auto | cpu | cuda:N
    half: bool = False                 # 16-bit where a network keeps 50 dB to float32 in it
