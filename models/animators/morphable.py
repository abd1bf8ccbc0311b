"""The embedded face as an animator: expression rows in, pictures out. No GPU, no download."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from limner.engine.clock import TICKS
from limner.engine.errors import UsageError
from limner.engine.types import ARKIT_INDEX, AudioChunk, Expression, FeatureWindow, Frame, Portrait
from limner.models.avatar import Avatar
from limner.models.drivers.idle import LOOK_FULL, IdleDriver
from limner.models.face.moods import MOODS, mood
from limner.models.face.renderer import FaceRenderer, fit_layer
from limner.models.options import FaceOptions
from limner.models.voice import VoiceActivity

EXTRACTOR = "drivers/speech"
ROW_TICKS = TICKS // 100
# Weights that mean the mouth is at work; a smiling or open portrait then takes an easy mouth to speak with.
_SPEECH = np.array([ARKIT_INDEX[name] for name in (
    "jawOpen", "mouthClose", "mouthFunnel", "mouthPucker", "mouthRollLower", "mouthRollUpper", "mouthPressLeft",
    "mouthPressRight", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    "mouthStretchLeft", "mouthStretchRight", "tongueOut")])
_ONSET, _RELEASE, _HOLD = 0.05, 0.45, 1.0    # s; how fast it does so, and how slowly the portrait's own smile returns


class MorphableAnimator:
    """Draws a portrait from rows that are Expressions.

    `size` is the side of the square picture in px, `liveliness` in [0, 1] scales everything the face does by itself,
    `mood` is one of `moods.MOODS`; with `alpha` frames have no background: straight colours and the person's opacity.
    Same seed, same rows, same pictures.
    """

    layered = True                               # draws the person before any backdrop, or before none

    def __init__(self, size: int = 512, fps: int = 25, seed: int = 0, liveliness: float = 1.0,
                 mood: str = "neutral", alpha: bool = False) -> None:
        if mood not in MOODS:
            raise UsageError(f"mood is {mood!r}; choose one of {', '.join(MOODS)}")
        if not 128 <= size <= 1024 or size % 2:
            raise UsageError(f"size is {size}; the face is drawn at an even size from 128 to 1024 px")
        self.size = (size, size)
        self._duration = TICKS // fps
        # Between rows the next one is needed; at 25 or 50 frames per second every instant is a row.
        self.window = (0, 1 if self._duration % ROW_TICKS else 0)
        self.idle = IdleDriver(seed, liveliness)
        self._ear = VoiceActivity()
        self.mood = mood
        self.alpha = alpha
        self.reset()

    def sit(self, portrait: Portrait, background: NDArray[np.uint8] | None = None,
            backdrop: NDArray[np.uint8] | None = None) -> None:
        """Prepare one person. `background` u8 RGB of the portrait's size is the view behind them, by default guessed;
        `backdrop` u8 RGB, square, replaces it.
        """
        if background is None:
            hidden = cv2.dilate((portrait.mask > 0.02).astype(np.uint8), np.ones((9, 9), np.uint8))
            background = cv2.inpaint(portrait.image, hidden, 5, cv2.INPAINT_TELEA)
        side = self.size[0]
        self.renderer = FaceRenderer(portrait.image, portrait.landmarks, portrait.mask, background, side,
                                     None if backdrop is None else fit_layer(backdrop, side), self.alpha)
        self.reset()

    def sit_avatar(self, avatar: Avatar, backdrop: NDArray[np.uint8] | None = None) -> None:
        """Prepare the person of an avatar pack."""
        self.sit(avatar.portrait, avatar.background, backdrop)

    def draw(self, window: FeatureWindow) -> Frame:
        """The picture at `window.pts`: rows interpolated there, mood and own motion added."""
        centre = self.window[0]
        row = window.rows[centre]
        if window.offset and centre + 1 < len(window.rows):
            row = row + (window.rows[centre + 1] - row) * np.float32(window.offset / window.step)
        spoken = Expression.from_row(row, window.pts)
        live = self.idle.at(window.pts, bool(window.voiced[centre]))
        weights, turn = self._blend(spoken, live.expression)
        self.expression = Expression(weights, turn, window.pts)
        pixels, alpha = self.renderer.draw(weights, turn, self._relax(spoken), live.breath)
        return Frame(pixels, window.pts, self._duration, window.captured_ns,
                     alpha=alpha if self.alpha else None)

    def listen(self, chunk: AudioChunk) -> None:
        """The other person's voice: the face looks at them while they speak and nods when they pause."""
        for hop, voiced in enumerate(self._ear.push(chunk.samples)):
            self.idle.listen(chunk.pts + hop * ROW_TICKS, bool(voiced))

    def draw_expression(self, expression: Expression) -> NDArray[np.uint8]:
        """The picture u8 RGB [H, W, 3] of exactly this expression, without mood or own motion."""
        relax = float(_speaking(expression.weights))
        return self.renderer.draw(expression.weights, expression.pose, relax)[0]

    def reset(self) -> None:
        """Forget what was heard and drawn."""
        self.idle.reset()
        self._ear.reset()
        self._eased: float | None = None
        self._eased_at = self._worked_at = 0

    def _blend(self, spoken: Expression, own: Expression) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        weights = np.clip(spoken.weights + own.weights + mood(self.mood), 0, 1)
        turn = spoken.pose + own.pose
        if self.idle.liveliness > 0:         # eyes stay on the viewer while the head turns (vestibulo-ocular reflex)
            _counter_gaze(weights, float(turn[1]), float(turn[0]))
        return weights, turn

    def _relax(self, spoken: Expression) -> float:
        """How far an open or smiling portrait has gone over to its speaking mouth, 0..1."""
        wanted, pts = float(_speaking(spoken.weights)), spoken.pts
        if self._eased is None:
            self._eased, self._worked_at = wanted, pts if wanted else pts - int(_HOLD * TICKS)
        elapsed = max(pts - self._eased_at, 0) / TICKS
        if wanted >= self._eased:
            self._eased += (wanted - self._eased) * (1 - math.exp(-elapsed / _ONSET))
        elif pts - self._worked_at > _HOLD * TICKS:
            self._eased += (wanted - self._eased) * (1 - math.exp(-elapsed / _RELEASE))
        if wanted > 0.05:
            self._worked_at = pts
        self._eased_at = pts
        return self._eased


def _speaking(weights: NDArray[np.float32]) -> np.float32:
    return np.minimum(weights[_SPEECH].max() * np.float32(8), np.float32(1))


def _counter_gaze(weights: NDArray[np.float32], yaw: float, pitch: float) -> None:
    for names, angle, full in ((("eyeLookOutRight", "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft"), yaw, 0),
                               (("eyeLookDownLeft", "eyeLookDownRight", "eyeLookUpLeft", "eyeLookUpRight"), pitch, 1)):
        amount = angle / LOOK_FULL[full]
        for name, sign in zip(names, (1, 1, -1, -1), strict=True):
            other = names[(names.index(name) + 2) % 4]
            own = weights[ARKIT_INDEX[name]]
            change = max(sign * amount, 0.0)
            taken = min(float(weights[ARKIT_INDEX[other]]), change)
            weights[ARKIT_INDEX[other]] -= taken
            weights[ARKIT_INDEX[name]] = min(own + change - taken, 1.0)


def create(options: FaceOptions) -> MorphableAnimator:
    """The animator for `options`."""
    return MorphableAnimator(options.size, options.fps, options.seed, options.liveliness, options.mood,
                             options.alpha)
