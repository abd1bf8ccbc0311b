"""From Expressions to the 73 coefficients PIRenderer was trained on (Deep3DFaceRecon's, on the Basel Face Model 2009).

The expression basis of that model may not be redistributed, so the map from 52 ARKit weights to its 64 coefficients is
fitted here from what the user has, an .npz file (no pickles) with one of

* `matrix` [64, 52]: the map itself;
* `weights` [n, 52] and `coefficients` [n, 64]: frames measured both ways, by an ARKit tracker and by Deep3DFaceRecon;
* `expression` [3 v, 64] and `blendshapes` [3 v, 52]: both models' offsets on the same v vertices, in the same unit;

and optionally `source` [73]: the portrait's own coefficients. Fits are least squares with a little ridge, because weights
such as the two eyeBlinks hardly occur apart. Without `source` the crop is estimated from the landmarks.
"""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from limner.engine.errors import TooLarge, UsageError
from limner.engine.types import ARKIT, EXPRESSION_ROW

from .network import COEFFICIENTS

EXPRESSIONS = 64
MOST_BYTES = 512 << 20                           # of a basis, unpacked
RIDGE = 1e-3                                     # of the mean energy of a weight
FACE_WIDTH = 1.5                                 # of the average Basel face, in its own unit of 10 cm
# ARFaceAnchor-like pose to the model's right-handed axes (x right, y up, z to the viewer): chin up, tilt to the
# person's left shoulder and y downwards all run against them.
_TURN = np.array([-1.0, 1.0, -1.0], np.float32)
_SHIFT = np.array([1.0, -1.0, -1.0], np.float32) * np.float32(FACE_WIDTH)
_SPAN, _EYES = 102.0, 0.62                       # px per unit in Deep3DFaceRecon's crop; distance of the eyes in units
_LEVEL = 0.45                                    # of the way from eyes to mouth lies the model's origin
_FORMS = (("matrix",), ("weights", "coefficients"), ("expression", "blendshapes"))


@dataclass(frozen=True, slots=True)
class Basis:
    """`matrix` [64, 52] from weights to expression coefficients; `source` [73] of the portrait, or None to estimate."""

    matrix: NDArray[np.float32]
    source: NDArray[np.float32] | None = None


def read_basis(path: Path) -> Basis:
    """Read and fit. Raises UsageError for a file that is none of the three forms, TooLarge above 512 MiB unpacked."""
    arrays = _arrays(path)
    form = next((names for names in _FORMS if all(name in arrays for name in names)), None)
    if form is None:
        raise UsageError(f"{path}: holds {', '.join(arrays) or 'nothing'}; expected matrix, or weights and coefficients, "
                         "or expression and blendshapes (see the documentation of pirender)")
    source = arrays.get("source")
    if source is not None and source.shape != (COEFFICIENTS,):
        raise UsageError(f"{path}: source {source.shape}; expected ({COEFFICIENTS},): 64 expression, 3 angles, 3 shifts, 3 crop")
    return Basis(_fit(path, form, arrays), source)


def _arrays(path: Path) -> dict[str, NDArray[np.float32]]:
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > MOST_BYTES:
            raise TooLarge(f"{path}: {size >> 20} MiB unpacked; at most {MOST_BYTES >> 20} MiB are accepted")
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        arrays = {name: np.asarray(array, np.float32) for name, array in arrays.items() if array.dtype.kind in "fiu"}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise UsageError(f"{path}: not a basis that can be read ({error}); expected an .npz of plain arrays") from error
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise UsageError(f"{path}: holds values that are not finite; measure or export it again")
    return arrays


def _fit(path: Path, form: tuple[str, ...], arrays: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    widths = {"matrix": len(ARKIT), "weights": len(ARKIT), "coefficients": EXPRESSIONS, "expression": EXPRESSIONS,
              "blendshapes": len(ARKIT)}
    found = [arrays[name] for name in form]
    good = all(a.ndim == 2 and a.shape[1] == widths[name] for name, a in zip(form, found, strict=True))
    rows = EXPRESSIONS if form == ("matrix",) else len(found[0])
    if not good or any(len(a) != rows for a in found):
        shapes = ", ".join(f"{name} {a.shape}" for name, a in zip(form, found, strict=True))
        wanted = ", ".join(f"{name} ({'64' if name == 'matrix' else 'n'}, {widths[name]})" for name in form)
        raise UsageError(f"{path}: {shapes}; expected {wanted}")
    if form == ("matrix",):
        return found[0]
    a, b = (f.astype(np.float64) for f in found)
    return (least_squares(a, b).T if form[0] == "weights" else least_squares(a, b)).astype(np.float32)


def least_squares(a: NDArray[np.float64], b: NDArray[np.float64], ridge: float = RIDGE) -> NDArray[np.float64]:
    """x [p, q] that makes `a` [n, p] @ x nearest to `b` [n, q]; `ridge` as a share of a column's mean energy."""
    energy = a.T @ a
    weight = ridge * max(float(np.trace(energy)) / len(energy), 1e-12)
    return np.linalg.solve(energy + weight * np.eye(len(energy)), a.T @ b)


def estimated_source(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """[73] for a portrait of which only landmarks [478, 2+] in a 256 px picture are known: at rest, facing the camera.

    The crop is Deep3DFaceRecon's: the scale that makes the face 102 px per unit, and where the model's origin lies (y up).
    """
    eyes = landmarks[[468, 473], :2]
    mouth = landmarks[[61, 291], :2].mean(axis=0)
    middle = eyes.mean(axis=0)
    origin = middle + _LEVEL * (mouth - middle)
    source = np.zeros(COEFFICIENTS, np.float32)
    ratio = _SPAN * _EYES / max(float(np.linalg.norm(eyes[1] - eyes[0])), 1.0)
    source[-3:] = ratio, origin[0], 255 - origin[1]
    return source


class Driver:
    """Rows to coefficients. Rows of 58 are Expressions and go through the basis; rows of 73 or 70 are coefficients."""

    def __init__(self, basis: Basis | None, source: NDArray[np.float32]):
        self._matrix = None if basis is None else basis.matrix
        self._source = source

    def coefficients(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """[n, 58 | 70 | 73] -> [n, 73]. Raises UsageError for other widths, and for Expressions without a basis."""
        width = rows.shape[1]
        if width == COEFFICIENTS:
            return rows
        out = np.repeat(self._source[None], len(rows), axis=0)
        if width == COEFFICIENTS - 3:
            out[:, :width] = rows
        elif width == EXPRESSION_ROW and self._matrix is not None:
            weights, pose = rows[:, :len(ARKIT)], rows[:, len(ARKIT):]
            out[:, :EXPRESSIONS] += weights @ self._matrix.T
            out[:, EXPRESSIONS:EXPRESSIONS + 3] += pose[:, :3] * _TURN
            out[:, EXPRESSIONS + 3:EXPRESSIONS + 6] += pose[:, 3:] * _SHIFT
        else:
            raise UsageError(f"PIRenderer was given rows of {width} numbers; expected {COEFFICIENTS} coefficients, or "
                             f"Expressions ({EXPRESSION_ROW}) together with a basis (--basis FILE.npz)")
        return out
