"""The 52 ARKit shapes as displacements of the face, in centimetres at weight one.

Each shape is an analytic function of canonical coordinates: no scan, no data. Amplitudes follow the descriptions of
Apple's ARFaceAnchor.BlendShapeLocation and the action units of Ekman & Friesen's FACS. Three families are not linear
and live elsewhere: the jaw's rotation and the meeting of the lips (`lips`), the lids (`lids`), gaze and tongue (drawn,
not bent). A `*Left` shape is the person's left; right shapes are the mirror images.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from limner.engine.types import ARKIT, ARKIT_INDEX

from .regions import LIP_LINE, Regions, regions, smoothstep

Field = NDArray[np.float64]
Shape = Callable[[Regions], tuple[Field | float, Field | float, Field | float]]      # x, y, z in cm


def _outward(r: Regions) -> Field:
    """-1 on the person's right, 1 on the left, soft across the middle."""
    return np.tanh(r.x / 0.8)


def _jaw_open(r: Regions) -> tuple[Field, Field, float]:
    """What the lips do besides the jaw's own rotation: the upper one arches a little, the corners come in."""
    return _towards_middle(r, 0.05), 0.20 * r.upper * r.spot(0, -3.7, 1.5, 1.2), 0.0


def _towards_middle(r: Regions, amount: float) -> Field:
    """x displacement that narrows the mouth by `amount` of its width, evenly from corner to corner."""
    return -amount * r.x * r.mouth


def _funnel(r: Regions) -> tuple[Field, Field, Field]:
    lips = r.spot(0, LIP_LINE, 2.6, 1.7)
    x = _towards_middle(r, 0.12)
    y = 0.20 * r.upper * r.spot(0, -3.6, 2.0, 1.6) - 0.24 * r.lower * r.spot(0, -5.0, 2.0, 1.6)
    return x, y, 0.7 * lips


def _pucker(r: Regions) -> tuple[Field, Field, Field]:
    lips = r.spot(0, LIP_LINE, 2.4, 1.6)
    thick = 0.13 * r.spot(0, -3.4, 1.2, 0.5) - 0.15 * r.spot(0, -5.4, 1.2, 0.5)
    return _towards_middle(r, 0.29), thick, 0.9 * lips


def _smile(r: Regions) -> tuple[Field, Field, Field]:
    pull = r.spot(2.6, -4.1, 1.5, 1.3)
    cheek = r.spot(3.7, -1.2, 1.8, 1.7)
    lip = r.spot(1.2, LIP_LINE, 1.6, 1.2)
    fold = r.spot(3.0, -2.6, 1.3, 1.3)
    x = _outward(r) * (0.50 * pull + 0.16 * lip + 0.10 * fold + 0.05 * cheek)
    y = 0.55 * pull + 0.12 * lip + 0.28 * fold + 0.26 * cheek
    return x, y, -0.30 * pull + 0.16 * cheek


def _frown(r: Regions) -> tuple[Field, Field, Field]:
    pull = r.spot(2.5, -4.7, 1.3, 1.3)
    return 0.08 * _outward(r) * pull, -0.50 * pull - 0.12 * r.spot(3.2, -3.0, 1.4, 1.2), -0.05 * pull


def _stretch(r: Regions) -> tuple[Field, Field, Field]:
    pull = r.spot(2.6, -4.5, 1.6, 1.5)
    lips = r.spot(1.2, LIP_LINE, 1.6, 1.3)
    x = _outward(r) * (0.52 * pull + 0.20 * lips + 0.12 * r.spot(4.0, -5.5, 1.6, 1.8))
    return x, -0.12 * pull, -0.32 * pull


def _dimple(r: Regions) -> tuple[Field, Field, Field]:
    pull = r.spot(2.6, -4.2, 1.2, 1.1)
    return 0.32 * _outward(r) * pull, 0.08 * pull, -0.35 * pull


def _upper_up(r: Regions) -> tuple[Field | float, Field, Field]:
    lip = r.upper * r.spot(1.0, -3.7, 1.5, 1.5)
    wing = r.spot(1.6, -1.6, 0.9, 0.9)
    return 0.0, 0.56 * lip + 0.10 * wing + 0.08 * r.spot(2.6, -2.0, 1.2, 1.3), 0.10 * lip


def _lower_down(r: Regions) -> tuple[Field, Field, Field]:
    lip = r.lower * r.spot(1.0, -5.0, 1.5, 1.3)
    return 0.05 * _outward(r) * lip, -0.80 * lip, -0.05 * lip


def _press(r: Regions) -> tuple[Field, Field, Field]:
    upper, lower = r.upper * r.spot(1.0, -3.6, 1.7, 0.5), r.lower * r.spot(1.0, -5.0, 1.7, 0.5)
    pull = r.spot(2.5, LIP_LINE, 0.9, 0.8)
    return 0.06 * _outward(r) * pull, -0.16 * upper + 0.20 * lower, -0.12 * (upper + lower)


def _roll_lower(r: Regions) -> tuple[float, Field, Field]:
    lip = r.lower * r.spot(0, -5.1, 2.0, 0.75)
    inner = r.lower * r.spot(0, -4.45, 2.0, 0.45)
    return 0.0, 0.30 * lip + 0.16 * inner + 0.10 * r.spot(0, -6.3, 1.8, 1.0), -0.35 * lip


def _roll_upper(r: Regions) -> tuple[float, Field, Field]:
    lip = r.upper * r.spot(0, -3.4, 2.0, 0.6)
    return 0.0, -0.24 * lip, -0.30 * lip


def _shrug_lower(r: Regions) -> tuple[float, Field, Field]:
    lip, chin = r.lower * r.spot(0, -5.0, 2.2, 1.3), r.spot(0, -7.0, 2.0, 1.6)
    return 0.0, 0.34 * lip + 0.30 * chin, 0.22 * lip + 0.10 * chin


def _shrug_upper(r: Regions) -> tuple[float, Field, Field]:
    lip = r.upper * r.spot(0, -3.6, 2.2, 1.2)
    return 0.0, 0.26 * lip, 0.15 * lip


def _puff(r: Regions) -> tuple[Field, Field, Field]:
    cheek = r.spot(4.3, -4.2, 2.0, 2.2)
    return 0.55 * _outward(r) * cheek, 0.0 * cheek, 0.45 * cheek + 0.2 * r.spot(0, -3.2, 2.4, 0.8)


def _cheek_squint(r: Regions) -> tuple[float, Field, Field]:
    cheek = r.spot(3.5, -0.3, 1.8, 1.5)
    return 0.0, 0.34 * cheek, 0.12 * cheek


def _sneer(r: Regions) -> tuple[Field, Field, Field]:
    wing = r.spot(1.5, -0.8, 1.0, 1.2)
    lip = r.upper * r.spot(1.3, -3.4, 1.0, 1.0)
    return 0.05 * _outward(r) * wing, 0.30 * wing + 0.18 * lip + 0.10 * r.spot(1.2, 1.2, 0.9, 1.2), 0.05 * wing


def _brow_down(r: Regions) -> tuple[Field, Field, Field]:
    brow = r.spot(2.6, 4.4, 2.4, 1.1) * smoothstep(2.9, 3.9, r.y)
    return -0.16 * _outward(r) * r.spot(1.6, 4.3, 1.6, 1.2), -0.42 * brow, 0.08 * brow


def _brow_inner(r: Regions) -> tuple[Field, Field, float]:
    brow = r.spot(1.2, 4.5, 1.9, 1.5) * smoothstep(2.9, 4.0, r.y) + 0.45 * r.spot(0.9, 6.2, 2.4, 1.3)
    return -0.05 * _outward(r) * brow, 0.50 * brow, 0.0


def _brow_outer(r: Regions) -> tuple[float, Field, float]:
    brow = r.spot(4.2, 4.5, 1.8, 1.4) * smoothstep(3.1, 4.1, r.y) + 0.35 * r.spot(3.8, 6.2, 2.0, 1.3)
    return 0.0, 0.50 * brow, 0.0


def _eye_wide(r: Regions) -> tuple[float, Field, float]:
    return 0.0, 0.10 * r.spot(3.0, 4.4, 2.4, 0.9) * smoothstep(2.9, 3.9, r.y), 0.0


def _eye_squint(r: Regions) -> tuple[float, Field, float]:
    return 0.0, 0.14 * r.spot(3.3, 1.4, 1.7, 0.8), 0.0


_BOTH: dict[str, Shape] = {
    "browInnerUp": _brow_inner, "cheekPuff": _puff, "mouthFunnel": _funnel, "mouthPucker": _pucker,
    "mouthRollLower": _roll_lower, "mouthRollUpper": _roll_upper,
    "mouthShrugLower": _shrug_lower, "mouthShrugUpper": _shrug_upper,
    "jawOpen": _jaw_open,
    "jawForward": lambda r: (0.0, -0.05 * r.jaw, 0.7 * r.jaw),
    "jawLeft": lambda r: (0.8 * r.jaw, 0.0, 0.0), "jawRight": lambda r: (-0.8 * r.jaw, 0.0, 0.0),
    "mouthLeft": lambda r: (0.7 * r.mouth, 0.10 * r.mouth * r.x / 3, 0.0),
    "mouthRight": lambda r: (-0.7 * r.mouth, -0.10 * r.mouth * r.x / 3, 0.0),
}
_SIDED: dict[str, Shape] = {
    "browDown": _brow_down, "browOuterUp": _brow_outer, "cheekSquint": _cheek_squint, "eyeSquint": _eye_squint,
    "eyeWide": _eye_wide, "mouthDimple": _dimple, "mouthFrown": _frown, "mouthLowerDown": _lower_down,
    "mouthPress": _press, "mouthSmile": _smile, "mouthStretch": _stretch, "mouthUpperUp": _upper_up,
    "noseSneer": _sneer,
}


def basis(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Displacements f32 [52, V, 3] cm at canonical points [V, 3]; zero for what is not a linear shape."""
    r = regions(points)
    out = np.zeros((len(ARKIT), len(points), 3), np.float32)
    for name, shape in _BOTH.items():
        out[ARKIT_INDEX[name]] = _stack(shape(r), len(points))
    for name, shape in _SIDED.items():
        field = _stack(shape(r), len(points))
        out[ARKIT_INDEX[name + "Left"]] = field * r.left[:, None]
        out[ARKIT_INDEX[name + "Right"]] = field * (1 - r.left[:, None])
    return out


def _stack(parts: tuple[Field | float, Field | float, Field | float], n: int) -> NDArray[np.float64]:
    return np.stack([np.broadcast_to(np.asarray(p, float), (n,)) for p in parts], axis=1)
