"""The data that flows. Frozen, slotted, plain: NumPy arrays and integers, nothing that owns a device.

`pts` and `duration` are ticks (1/90 000 s, see `clock`), `*_ns` are monotonic nanoseconds of the same clock,
`generation` rises by one whenever what was queued became stale (an interrupt, speech that replaces what was due), so
that what is stale can be told from what is current.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Drawn = Literal["key", "between", "repeat"]

# Apple ARKit's 52 blend shapes in alphabetical order, the field's common tongue (ARFaceAnchor.BlendShapeLocation).
ARKIT = (
    "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight",
    "cheekPuff", "cheekSquintLeft", "cheekSquintRight",
    "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight", "eyeLookInLeft", "eyeLookInRight",
    "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight", "eyeSquintLeft", "eyeSquintRight",
    "eyeWideLeft", "eyeWideRight",
    "jawForward", "jawLeft", "jawOpen", "jawRight",
    "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight", "mouthFunnel",
    "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight", "mouthPucker",
    "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper",
    "mouthSmileLeft", "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight",
    "mouthUpperUpLeft", "mouthUpperUpRight",
    "noseSneerLeft", "noseSneerRight", "tongueOut",
)
ARKIT_INDEX = {name: i for i, name in enumerate(ARKIT)}
POSE_SIZE = 6                                # rotation x, y, z (rad), translation x, y, z (face widths)
EXPRESSION_ROW = len(ARKIT) + POSE_SIZE      # an Expression as one feature row: 52 weights, then pose


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """Mono sound. `start` is the index of the first sample since the stream began; gap-free from chunk to chunk."""

    samples: NDArray[np.float32]             # [n] in [-1, 1]
    rate: int                                # Hz
    start: int                               # sample index
    pts: int                                 # ticks of the first sample
    captured_ns: int                         # monotonic time at which the newest sample was captured
    generation: int = 0


@dataclass(frozen=True, slots=True)
class FeatureRows:
    """What a feature extractor gives for the sound pushed so far."""

    rows: NDArray[np.float32]                # [n, D]
    pts: int                                 # ticks of the first row's instant
    voiced: NDArray[np.bool_]                # [n]
    captured_ns: int                         # of the newest sample used


@dataclass(frozen=True, slots=True)
class FeatureWindow:
    """The rows an animator sees when it draws one instant. Rows outside what was heard repeat the nearest one.

    The centre row (index `before` of the animator's window) is the last one at or before the drawn instant. At 24, 30
    or 60 frames per second instants fall between 10 ms rows: `offset / step` says how far toward the next row, so that
    an animator may interpolate.
    """

    rows: NDArray[np.float32]                # [T, D]
    pts: int                                 # ticks of the drawn instant
    step: int                                # ticks per row
    voiced: NDArray[np.bool_]                # [T]
    captured_ns: int                         # of the newest sample used
    offset: int = 0                          # ticks from the centre row to the drawn instant, in [0, step)


@dataclass(frozen=True, slots=True)
class Expression:
    """A face at one instant, in the field's common units; the seam between drivers, trackers and animators.

    `pose` is relative to the portrait's own: rotation about x (nod, chin up positive), y (turn to the person's left
    positive), z (tilt to the person's left shoulder positive) in radians; translation in face widths, y down.
    """

    weights: NDArray[np.float32]             # [52] in [0, 1], ARKIT order
    pose: NDArray[np.float32]                # [6]
    pts: int

    @classmethod
    def neutral(cls, pts: int = 0) -> "Expression":
        return cls(np.zeros(len(ARKIT), np.float32), np.zeros(POSE_SIZE, np.float32), pts)

    def row(self) -> NDArray[np.float32]:
        """This expression as one feature row, [58]."""
        return np.concatenate([self.weights, self.pose])

    @classmethod
    def from_row(cls, row: NDArray[np.float32], pts: int) -> "Expression":
        n = len(ARKIT)
        return cls(np.clip(row[:n], 0, 1), np.asarray(row[n:EXPRESSION_ROW]), pts)


@dataclass(frozen=True, slots=True)
class Portrait:
    """A picture of one person, measured."""

    image: NDArray[np.uint8]                 # [H, W, 3] RGB
    landmarks: NDArray[np.float32]           # [478, 3] px of `image`, MediaPipe order (468 face, 5 + 5 iris), z toward the camera negative
    to_crop: NDArray[np.float32]             # [2, 3] affine, pixels of `image` -> pixels of the upright square face crop
    mask: NDArray[np.float32]                # [H, W] in [0, 1], the person against the background


@dataclass(frozen=True, slots=True)
class Frame:
    """A drawn picture, possibly still on a device. Stages get `pixels`; a picture nobody touches may have `planes` instead."""

    pixels: Any                              # u8 [H, W, 3] RGB, NumPy or any DLPack array, or None beside `planes`
    pts: int
    duration: int
    captured_ns: int                         # newest sound this picture shows
    drawn: Drawn = "key"
    generation: int = 0
    ready: Any = None                        # device event to wait for, or None
    alpha: Any = None                        # u8 [H, W] or None; `pixels` are straight, not multiplied by it
    planes: Any = None                       # u8 I420 [H*3/2, W], H and W even, on the host, as in `Picture`, or None


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture on the host, ready for an encoder."""

    planes: NDArray[np.uint8]                # I420 [H*3/2, W], BT.601 limited range
    size: tuple[int, int]                    # (H, W), both even
    pts: int
    captured_ns: int
    duration: int = 0
    drawn: Drawn = "key"
    generation: int = 0
    alpha: NDArray[np.uint8] | None = None   # [H, W]; `planes` are straight, not multiplied by it
