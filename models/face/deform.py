"""Expression to vertex positions: linear shapes, jaw rotation, lids, lips that meet, then the head's motion."""

from dataclasses import dataclass, replace

import numpy as np
from numba import njit
from numpy.typing import NDArray

from limner.engine.types import ARKIT, ARKIT_INDEX

from .basis import basis
from .fit import Mesh
from .lids import LID_INPUTS, LidRig, lid_rig
from .lips import LipRig, lip_rig, rounding
from .regions import regions

JAW_AXIS = (0.6, -2.2)       # y, z cm of the line through both jaw joints
FULL_GAP = 0.38              # lip gap at jawOpen = 1 over the distance between the outer eye corners
MOST_JAW = 0.52              # rad, about as far as a jaw turns (30 degrees)
GLASSES_BROWS = 0.35         # share of the brows' motion left under a frame
BREATH = 0.10                # cm the shoulders rise at breath = 1
PIVOT = (0.0, -3.0, -4.5)    # cm, where the skull sits on the spine
FACE_WIDTH = 15.4            # cm between the canonical face's sides, the unit of an Expression's translation
_BROWS = [i for name, i in ARKIT_INDEX.items() if name.startswith("brow")]
_JAW, _CLOSE = ARKIT_INDEX["jawOpen"], ARKIT_INDEX["mouthClose"]
_LIDS = np.array([[ARKIT_INDEX[n + side] for n in LID_INPUTS] for side in ("Right", "Left")])


@dataclass(frozen=True, slots=True)
class Rig:
    """All that is constant while one person is animated."""

    mesh: Mesh
    shapes: NDArray[np.float32]              # [52, V, 3] cm
    jaw: NDArray[np.float32]                 # [V] share of the jaw's rotation
    jaw_full: float                          # rad at jawOpen = 1
    jaw_stretch: float                       # how much further than the jaw the lips part
    lips: LipRig
    lids: tuple[LidRig, LidRig]              # right, left


@dataclass(slots=True)
class Posed:
    """Where everything is in one picture. Buffers are reused from call to call."""

    cm: NDArray[np.float32]                  # [V, 3] the bent face, canonical axes, before the head moves
    px: NDArray[np.float32]                  # [V, 2]
    head: NDArray[np.float32]                # [3, 4] skull cm -> picture axes px (x right, y up, z near)
    jaw: float                               # rad


def build_rig(mesh: Mesh, glasses: bool = False) -> Rig:
    """Shapes, lips and lids of one person; with `glasses` brows and lids stir less of the skin that a frame covers."""
    face = basis(mesh.template.vertices)
    field = regions(mesh.template.vertices)
    if glasses:
        face[_BROWS] *= GLASSES_BROWS
    shapes = face[:, mesh.anchor] * mesh.follow[None, :, None]
    jaw = (field.jaw.astype(np.float32)[mesh.anchor] * mesh.follow).astype(np.float32)
    lips = lip_rig(mesh, field)
    lids = (lid_rig(mesh, 0, glasses), lid_rig(mesh, 1, glasses))
    return _calibrated(Rig(mesh, np.ascontiguousarray(shapes), jaw, 0.25, 1.0, lips, lids))


def new_posed(rig: Rig) -> Posed:
    """Buffers for `pose`."""
    return Posed(rig.mesh.shape.copy(), rig.mesh.rest.copy(), np.zeros((3, 4), np.float32), 0.0)


def pose(rig: Rig, weights: NDArray[np.float32], turn: NDArray[np.float32], relax: float, breath: float,
         out: Posed) -> None:
    """Bend the face by `weights` [52] in [0, 1] and move the head by `turn` [6] (radians, then face widths).

    `relax` in [0, 1] takes an open or smiling portrait to lips that just meet; `breath` in [-1, 1] lifts the shoulders.
    """
    mesh = rig.mesh
    out.jaw = float(weights[_JAW]) * rig.jaw_full
    _bend(mesh.shape, rig.shapes, weights, rig.lips.ease, relax, out.cm)
    shut = rig.lips.gaps(out.cm) - weights[_JAW] * rig.lips.lift
    _turn_jaw(rig.jaw, out.jaw, JAW_AXIS[0], JAW_AXIS[1], out.cm)
    for side, lids in enumerate(rig.lids):
        lids.apply(weights[_LIDS[side]], out.cm)
    rig.lips.apply(shut, float(weights[_CLOSE]), rig.jaw_stretch, relax, rounding(weights), out.cm)
    motion = head_matrix(turn)
    _project(out.cm, mesh.shape, mesh.rest, mesh.head, motion, mesh.fit.rotation, np.float32(mesh.fit.scale),
             np.float32(BREATH * breath), out.px)
    out.head[:, :3] = mesh.fit.scale * mesh.fit.rotation @ motion[:, :3]
    out.head[:, 3] = mesh.fit.scale * mesh.fit.rotation @ motion[:, 3] + mesh.fit.shift


def head_matrix(turn: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rigid motion f32 [3, 4] in canonical centimetres for an Expression's pose [6] (rotation about x, y, z; shift)."""
    pitch, yaw, roll = (float(v) for v in turn[:3])
    cx, sx, cy, sy, cz, sz = np.cos(pitch), np.sin(pitch), np.cos(yaw), np.sin(yaw), np.cos(roll), np.sin(roll)
    # Chin up is a rotation that carries +z towards +y; a tilt to the person's left carries +y towards +x.
    about_x = np.array([[1, 0, 0], [0, cx, sx], [0, -sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, sz, 0], [-sz, cz, 0], [0, 0, 1]])
    rotation = about_y @ about_x @ about_z
    pivot = np.array(PIVOT)
    shift = np.array([turn[3], -turn[4], turn[5]], float) * FACE_WIDTH
    return np.concatenate([rotation, (pivot + shift - rotation @ pivot)[:, None]], axis=1).astype(np.float32)


def _calibrated(rig: Rig) -> Rig:
    """`rig` with the jaw that parts relaxed lips by FULL_GAP eye distances; beyond MOST_JAW the lips do the rest."""
    wanted = FULL_GAP * rig.mesh.eye_distance
    for _ in range(6):                           # the gap is almost linear in either, so this converges at once
        angle = min(rig.jaw_full * wanted / _gap_at_full(rig), MOST_JAW)
        rig = replace(rig, jaw_full=float(np.clip(angle, 0.1, MOST_JAW)))
    for _ in range(4):
        rig = replace(rig, jaw_stretch=max(rig.jaw_stretch * wanted / _gap_at_full(rig), 1.0))
    return rig


def _gap_at_full(rig: Rig) -> float:
    weights, out = np.zeros(len(ARKIT), np.float32), new_posed(rig)
    weights[_JAW] = 1
    pose(rig, weights, np.zeros(6, np.float32), 1.0, 0.0, out)
    return max(rig.lips.gap(out.cm), 1e-3)


@njit(cache=True, nogil=True)
def _bend(shape, shapes, weights, ease, relax, out):
    n = shape.shape[0]
    out[:] = shape
    for k in range(shapes.shape[0]):
        w = weights[k]
        if w != 0:
            for v in range(n):
                out[v, 0] += w * shapes[k, v, 0]
                out[v, 1] += w * shapes[k, v, 1]
                out[v, 2] += w * shapes[k, v, 2]
    if relax > 0:
        for v in range(n):
            out[v, 0] += relax * ease[v, 0]
            out[v, 1] += relax * ease[v, 1]
            out[v, 2] += relax * ease[v, 2]


@njit(cache=True, nogil=True)
def _turn_jaw(jaw, angle, axis_y, axis_z, cm):
    if angle == 0:
        return
    for v in range(cm.shape[0]):
        if jaw[v] > 0:
            c, s = np.cos(angle * jaw[v]), np.sin(angle * jaw[v])
            y, z = cm[v, 1] - axis_y, cm[v, 2] - axis_z
            cm[v, 1] = axis_y + c * y - s * z
            cm[v, 2] = axis_z + s * y + c * z


@njit(cache=True, nogil=True)
def _project(cm, shape, rest, head, motion, rotation, scale, lift, out):
    for v in range(cm.shape[0]):
        x, y, z = cm[v, 0], cm[v, 1], cm[v, 2]
        w = head[v]
        dx = w * (motion[0, 0] * x + motion[0, 1] * y + motion[0, 2] * z + motion[0, 3] - x) + x - shape[v, 0]
        dy = w * (motion[1, 0] * x + motion[1, 1] * y + motion[1, 2] * z + motion[1, 3] - y) + y - shape[v, 1]
        dy += (1 - w) * lift
        dz = w * (motion[2, 0] * x + motion[2, 1] * y + motion[2, 2] * z + motion[2, 3] - z) + z - shape[v, 2]
        out[v, 0] = rest[v, 0] + scale * (rotation[0, 0] * dx + rotation[0, 1] * dy + rotation[0, 2] * dz)
        out[v, 1] = rest[v, 1] - scale * (rotation[1, 0] * dx + rotation[1, 1] * dy + rotation[1, 2] * dz)
