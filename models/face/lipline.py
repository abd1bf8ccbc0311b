"""Where closed lips meet: one line for both inner contours, laid on the dark line between the lips."""

import cv2
import numpy as np
from numpy.typing import NDArray

from .canonical import INNER_LOWER, INNER_UPPER

CLOSED = 0.035               # of the distance between the outer eye corners: a smaller measured gap counts as closed
SEARCH = 0.035               # the same unit: how far from the landmarks the dark line is looked for


def settle_lips(image: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Landmarks with the inner lip contours of a closed mouth laid together; those of an open mouth stay."""
    out = landmarks.copy()
    upper, lower = np.array(INNER_UPPER[1:-1]), np.array(INNER_LOWER[1:-1])
    eyes = float(np.linalg.norm(landmarks[33] - landmarks[263]))
    gap = np.linalg.norm(landmarks[upper, :2] - landmarks[lower, :2], axis=1)
    if float(gap[2:7].mean()) > CLOSED * eyes:
        return out
    middle = (landmarks[upper] + landmarks[lower]) / 2
    middle[:, 1] = _dark_line(image, landmarks[[INNER_UPPER[0], INNER_UPPER[-1]], :2], middle[:, :2], SEARCH * eyes)
    out[upper] = out[lower] = middle
    return out


def _dark_line(image: NDArray[np.uint8], corners: NDArray[np.float32], points: NDArray[np.float32],
               reach: float) -> NDArray[np.float32]:
    """y px [n] at the points' x along the darkest smooth path from corner to corner (Viterbi over columns)."""
    grey = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), 0.8)
    x = np.linspace(corners[0, 0], corners[1, 0], 64, dtype=np.float32)
    known_x = np.concatenate([[corners[0, 0]], points[:, 0], [corners[1, 0]]])
    known_y = np.concatenate([[corners[0, 1]], points[:, 1], [corners[1, 1]]])
    base = np.interp(x, known_x, known_y).astype(np.float32)
    steps = np.linspace(-1, 1, 41, dtype=np.float32)
    taper = np.minimum(1, 4 * np.minimum(np.arange(64), np.arange(64)[::-1]) / 63)[:, None]
    rows = base[:, None] + steps[None] * reach * taper.astype(np.float32)
    values = cv2.remap(grey, np.repeat(x[:, None], 41, 1), rows.astype(np.float32), cv2.INTER_LINEAR)
    cost = values / max(float(values.std()), 1.0) + 0.6 * steps[None] ** 2
    jump = 25.0 * (steps[:, None] - steps[None]) ** 2
    total, origin = cost[0], []
    for column in cost[1:]:
        choices = total[None] + jump
        origin.append(choices.argmin(1))
        total = choices.min(1) + column
    path = [int(total.argmin())]
    for step in origin[::-1]:
        path.append(int(step[path[-1]]))
    line = rows[np.arange(64), np.array(path[::-1])]
    line = cv2.GaussianBlur(line[None].astype(np.float32), (0, 0), 2.0, borderType=cv2.BORDER_REPLICATE)[0]
    return np.interp(points[:, 0], x, line).astype(np.float32)
