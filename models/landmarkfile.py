"""Landmarks someone else measured: JSON, NPZ or NPY files of 468 or 478 mesh points, or of the 68 iBUG points.

Mesh points are [478, 3] or [468, 3] in pixels of the picture, MediaPipe order, z in the scale of x and y and negative
towards the camera; values that all lie within 0 and 1 are taken as parts of the picture's width and height, as
MediaPipe itself writes them. The 68 points [68, 2] are those of the 300-W competition (Sagonas et al. 2016,
doi:10.1016/j.imavis.2016.01.002): the canonical face is posed onto them and bent to pass through each.
"""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from limner.engine.errors import InputError

from .face.canonical import coarse
from .landmarks import LEFT_EYE, RIGHT_EYE

MAX_BYTES = 2 * 2**20
# Mesh vertices at the 68 points: jaw 0-16, brows 17-26, nose 27-35, eyes 36-47, outer lips 48-59, inner lips 60-67.
IBUG = (
    127, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 356,
    70, 63, 105, 66, 107, 336, 296, 334, 293, 300,
    168, 197, 5, 4, 75, 97, 2, 326, 305,
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181,
    78, 82, 13, 312, 308, 317, 14, 87,
)
_ACCEPTED = "468 x 3 or 478 x 3 mesh points in pixels, or 68 x 2 iBUG points"
_IRIS = 0.2                          # iris radius over the eye's width: 11.7 mm across against some 29 mm


def read_landmarks(path: Path, size: tuple[int, int]) -> NDArray[np.float32]:
    """Landmarks f32 [478, 3] px for a picture of (height, width) `size`.

    JSON holds the rows, or an object with them under "landmarks"; rows are lists or {"x", "y", "z"}. NPZ holds an array
    `landmarks`, or a single one. Raises InputError for anything else, or for points that lie off the picture.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"it has over {MAX_BYTES // 2**20} MB")
        data = path.read_bytes()
        points = _from_json(data) if path.suffix.lower() == ".json" else _from_numpy(data)
        return to_mesh(points, size)
    except (OSError, ValueError, KeyError, TypeError, EOFError, RecursionError, zipfile.BadZipFile) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"cannot use the landmark file {path.name}: {reason[:120]}; expected JSON, NPZ or NPY with "
                         f"{_ACCEPTED}") from None


def to_mesh(points: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.float32]:
    """Points of any accepted kind as [478, 3] px. Raises ValueError when they are of no kind or off the picture."""
    if points.shape not in ((468, 3), (478, 3), (68, 2), (68, 3)):
        raise ValueError(f"it holds {' x '.join(map(str, points.shape))} numbers")
    if not np.isfinite(points).all():
        raise ValueError("it holds NaN or infinity")
    height, width = size
    if np.abs(points).max() <= 1.0:
        points = points * np.array([width, height, width])[:points.shape[1]]
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    if (high < 0).any() or (low > (width, height)).any() or (high - low).min() < 16:
        raise ValueError(f"its points span {low.round()} to {high.round()} px, the picture is {width} x {height}")
    mesh = from_ibug(points[:, :2]) if len(points) == 68 else points
    mesh = np.concatenate([mesh, _irises(mesh)]) if len(mesh) == 468 else mesh
    return np.ascontiguousarray(mesh, np.float32)


def from_ibug(points: NDArray[np.floating]) -> NDArray[np.float64]:
    """The mesh [468, 3] whose vertices `IBUG` lie on the 68 `points` [68, 2] px.

    A weak-perspective camera poses the canonical face; a thin-plate spline (Bookstein 1989) over its frontal plane
    carries what is left over from the 68 points to all of them. Depth is the posed canonical face's.
    """
    canonical = np.asarray(coarse()[0], float)
    chosen = canonical[list(IBUG)]
    target = np.asarray(points, float) * [1, -1]
    rotation, scale, shift = _camera(chosen, target)
    posed = scale * canonical @ rotation.T
    posed[:, :2] += shift
    plane = canonical[:, :2]
    posed[:, :2] += _thin_plate(plane[list(IBUG)], target - posed[list(IBUG), :2], plane)
    return posed * [1, -1, -1]


def _camera(model: NDArray[np.float64], seen: NDArray[np.float64]) -> tuple[NDArray[np.float64], float,
                                                                            NDArray[np.float64]]:
    """Rotation [3, 3], scale and shift [2] that project `model` [n, 3] closest to `seen` [n, 2] without perspective."""
    design = np.concatenate([model, np.ones((len(model), 1))], axis=1)
    rows = np.linalg.lstsq(design, seen, rcond=None)[0].T
    u, stretch, vt = np.linalg.svd(rows[:, :3], full_matrices=False)
    two = u @ vt
    return np.vstack([two, np.cross(two[0], two[1])]), float(stretch.mean()), rows[:, 3]


def _thin_plate(knots: NDArray[np.float64], values: NDArray[np.float64],
                at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values [n, k] at `knots` [n, 2], interpolated to `at` [m, 2] with least bending."""
    def kernel(a: NDArray[np.float64]) -> NDArray[np.float64]:
        r2 = np.square(a[:, None] - knots[None]).sum(-1)
        return r2 * np.log(np.maximum(r2, 1e-12)) / 2

    def plane(a: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.concatenate([np.ones((len(a), 1)), a], axis=1)

    n = len(knots)
    system = np.zeros((n + 3, n + 3))
    system[:n, :n], system[:n, n:], system[n:, :n] = kernel(knots), plane(knots), plane(knots).T
    weights = np.linalg.solve(system, np.concatenate([values, np.zeros((3, values.shape[1]))]))
    return kernel(at) @ weights[:n] + plane(at) @ weights[n:]


def _irises(mesh: NDArray[np.floating]) -> NDArray[np.float64]:
    """Ten iris points for a mesh that has none: looking straight ahead, of average size."""
    out = []
    for corners in (RIGHT_EYE, LEFT_EYE):
        a, b = np.asarray(mesh[list(corners)], float)
        radius = _IRIS * float(np.linalg.norm(b[:2] - a[:2]))
        rim = np.array([[0, 0, 0], [radius, 0, 0], [0, -radius, 0], [-radius, 0, 0], [0, radius, 0]])
        out.append((a + b) / 2 + rim)
    return np.concatenate(out)


def _from_json(data: bytes) -> NDArray[np.float64]:
    rows = json.loads(data)
    rows = rows["landmarks"] if isinstance(rows, dict) else rows
    if not isinstance(rows, list) or not 0 < len(rows) <= 478:
        raise ValueError("its JSON holds no list of points")
    if all(isinstance(row, dict) for row in rows):
        rows = [[row[axis] for axis in "xyz"] for row in rows]
    return np.array(rows, dtype=np.float64)


def _from_numpy(data: bytes) -> NDArray[np.float64]:
    """An NPY file, or the one in an NPZ; its header is checked before NumPy may allocate what it claims."""
    if data[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
            name = "landmarks.npy" if "landmarks.npy" in names else names[0] if len(names) == 1 else None
            if name is None:
                raise ValueError(f"none of its {len(names)} arrays is called 'landmarks'")
            with archive.open(name) as stream:
                data = stream.read(MAX_BYTES)
    stream = io.BytesIO(data)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError("its array format is unknown")
    shape, _, kind = np.lib.format.read_array_header_1_0(stream)
    if kind.kind not in "fiu" or not 0 < int(np.prod(shape, dtype=object)) <= 478 * 3:
        raise ValueError(f"it holds an array {shape} of {kind}")
    return np.load(io.BytesIO(data), allow_pickle=False).astype(np.float64)
