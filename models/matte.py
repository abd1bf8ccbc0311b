"""The person against the background, and the view behind the person.

The segmentation network (MediaPipe selfie, 256 x 256) knows where the person is but not where the edge runs; a guided
filter (He et al. 2013, doi:10.1109/TPAMI.2012.213) moves its soft edge onto the picture's own.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from .tflite import network

_SIDE = 256                          # px of the network's square input
WIDE = 1.5                           # how much wider the second look is
_SEED = 20                           # of the grain laid over the painted background


def person_matte(image: NDArray[np.uint8], landmarks: NDArray[np.float32],
                 wide: NDArray[np.uint8] | None = None) -> NDArray[np.float32]:
    """Opacity of the person whose face is at `landmarks` [>=468, 3] px, f32 [H, W] in [0, 1].

    `image` is u8 RGB [H, W, 3] and shows head and shoulders. `wide` is the same view from `WIDE` times as far, if the picture
    has it: more of a body helps to see what belongs to it. Other people are background where they do not touch.
    """
    height, width = image.shape[:2]
    small = cv2.resize(image, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    coarse = np.maximum(_segment(small), _segment(small[:, ::-1])[:, ::-1])      # what one misses the other finds
    if wide is not None:
        far = cv2.resize(wide, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        shift = (1 - WIDE) * (_SIDE - 1) / 2
        nearer = np.float32([[WIDE, 0, shift], [0, WIDE, shift]])
        coarse = np.maximum(coarse, cv2.warpAffine(_segment(far), nearer, (_SIDE, _SIDE), flags=cv2.INTER_LINEAR))
    soft = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return _refine(image, soft, landmarks)


def _segment(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """The network's answer for f32 RGB [256, 256, 3] in [0, 1]."""
    return network("selfie_segmentation.tflite")(image)[_SIDE * _SIDE].reshape(_SIDE, _SIDE)


def matte_without_network(image: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Like `person_matte`, by GrabCut (Rother et al. 2004) from where head and shoulders are below and around a face.

    Coarser at the hair; for machines that have a landmark file but no segmentation network.
    """
    height, width = image.shape[:2]
    small = cv2.resize(image, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    labels = _likely_person(landmarks[:468, :2] * np.array([_SIDE / width, _SIDE / height]))
    cv2.setRNGSeed(0)                                # its colour clusters start at random
    cv2.grabCut(small, labels, None, np.zeros((1, 65)), np.zeros((1, 65)), 4, cv2.GC_INIT_WITH_MASK)
    hard = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)
    soft = cv2.resize(cv2.GaussianBlur(hard, (0, 0), 2), (width, height), interpolation=cv2.INTER_CUBIC)
    return _refine(image, soft, landmarks)


def _likely_person(points: NDArray[np.floating]) -> NDArray[np.uint8]:
    """GrabCut labels u8 [256, 256] around face points [468, 2] px: face and chest surely, hair and shoulders maybe."""
    (x0, y0), (x1, chin) = points.min(0), points.max(0)
    w, h, middle = x1 - x0, chin - y0, (x0 + x1) / 2

    def column(*steps: tuple[float, float]) -> list[NDArray[np.int32]]:
        """A shape symmetrical about the face: (half width in face widths, rows below the chin in face heights)."""
        right = [(middle + a * w, chin + b * h) for a, b in steps]
        left = [(middle - a * w, chin + b * h) for a, b in reversed(steps)]
        return [np.rint([*right, *left]).astype(np.int32)]

    likely = np.zeros((_SIDE, _SIDE), np.uint8)
    cv2.ellipse(likely, ((middle, y0 + 0.38 * h), (1.45 * w, 1.75 * h), 0.0), 1, -1)
    cv2.fillPoly(likely, column((0.4, -0.1), (1.3, 0.55), (1.5, 4)), 1)
    around = cv2.dilate(likely, _disc(round(0.18 * w)))
    labels = np.choose(likely + around, [cv2.GC_BGD, cv2.GC_PR_BGD, cv2.GC_PR_FGD]).astype(np.uint8)
    cv2.fillPoly(labels, column((0.25, 0), (0.35, 0.4), (1, 0.8), (1, 4)), cv2.GC_FGD)
    return cv2.fillConvexPoly(labels, cv2.convexHull(np.rint(points).astype(np.int32)), cv2.GC_FGD)


def _refine(image: NDArray[np.uint8], soft: NDArray[np.float32], landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Move the edge of a coarse matte onto the picture's own and keep only the person of this face."""
    width = image.shape[1]
    fine = guided_filter(image.astype(np.float32) / 255, soft, radius=max(2, round(width / 64)), eps=1e-4)
    matte = _contrast(np.clip(fine, 0, 1), 0.12, 0.88)
    face = _face_shape(landmarks, image.shape[:2])
    return np.maximum(_connected(matte, face), cv2.GaussianBlur(face.astype(np.float32), (0, 0), width / 256))


def _face_shape(landmarks: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.uint8]:
    """1 inside the hull of the face's mesh, u8 [H, W]."""
    shape = np.zeros(size, np.uint8)
    hull = cv2.convexHull(np.rint(landmarks[:468, :2]).astype(np.int32))
    return cv2.fillConvexPoly(shape, hull, 1)


def _connected(matte: NDArray[np.float32], face: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Only what hangs together with the face, holes closed, its soft rim narrow; haze far from it is dropped."""
    side = matte.shape[1]
    core = ((matte > 0.5) | (face > 0)).astype(np.uint8)
    _, labels = cv2.connectedComponents(core, connectivity=4)
    person = (labels == np.bincount(labels[face > 0]).argmax()).astype(np.uint8)
    open_air, labels = cv2.connectedComponents(1 - person, connectivity=4)
    border = np.unique(np.concatenate([labels[0], labels[:, 0], labels[:, -1]]))
    holes = ~np.isin(labels, border) & (person == 0) if open_air > 1 else np.zeros_like(person, bool)
    rim = cv2.dilate(person, _disc(round(side * 0.02))).astype(np.float32)
    rim = cv2.GaussianBlur(rim, (0, 0), side * 0.006)
    return np.where(holes, 1, matte * rim).astype(np.float32)


def guided_filter(guide: NDArray[np.float32], source: NDArray[np.float32], radius: int,
                  eps: float) -> NDArray[np.float32]:
    """`source` [H, W] as a local linear function of the colour `guide` [H, W, 3]; `eps` in squared guide units."""
    def mean(x: NDArray[np.float32]) -> NDArray[np.float32]:
        return cv2.blur(x, (2 * radius + 1, 2 * radius + 1), borderType=cv2.BORDER_REFLECT)

    middle, level = mean(guide), mean(source)
    covariance = mean(guide * source[..., None]) - middle * level[..., None]
    spread = np.empty((*source.shape, 3, 3), np.float32)
    for i in range(3):
        for j in range(i, 3):
            value = mean(guide[..., i] * guide[..., j]) - middle[..., i] * middle[..., j]
            spread[..., i, j] = spread[..., j, i] = value + (eps if i == j else 0)
    slope = np.linalg.solve(spread, covariance[..., None])[..., 0]
    offset = level - (slope * middle).sum(-1)
    return (mean(slope) * guide).sum(-1) + mean(offset)


def paint_background(image: NDArray[np.uint8], matte: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The picture with the person painted away, u8 RGB like `image`.

    Close to the edge of the hole OpenCV's inpainting continues what is there; deeper in, where it would draw streaks,
    an ever softer blur of the surroundings takes over, so that no shape of the head is left.
    """
    side = image.shape[0]
    hole = cv2.dilate((matte > 0.03).astype(np.uint8), _disc(round(side * 0.03)))
    if hole.all():                                   # nothing of a background is seen: its likeliest colour
        hole[:2], hole[2:] = 0, 1
    near = _inpaint(image, hole)
    far = _diffuse(near, hole)
    depth = cv2.distanceTransform(hole, cv2.DIST_L2, 5) / side
    blend = np.clip(depth / 0.04, 0, 1)[..., None]
    filled = near * (1 - blend) + far * blend + _grain(image, hole)
    edge = cv2.GaussianBlur(hole.astype(np.float32), (0, 0), max(1.0, side / 256))[..., None] * hole[..., None]
    return np.clip(np.rint(image * (1 - edge) + filled * edge), 0, 255).astype(np.uint8)


def _inpaint(image: NDArray[np.uint8], hole: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Telea's inpainting on a quarter of the resolution, brought back up."""
    height, width = image.shape[:2]
    small_size = max(32, width // 4), max(32, height // 4)
    # Average over what is seen only, so that the person's colours do not bleed into the rim of the hole.
    seen = (1 - hole).astype(np.float32)
    weight = cv2.resize(seen, small_size, interpolation=cv2.INTER_AREA)
    colour = cv2.resize(image.astype(np.float32) * seen[..., None], small_size, interpolation=cv2.INTER_AREA)
    small = np.clip(colour / np.maximum(weight, 1e-3)[..., None], 0, 255).astype(np.uint8)
    painted = cv2.inpaint(small, (weight < 0.25).astype(np.uint8), 4, cv2.INPAINT_TELEA)
    return cv2.resize(painted, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.float32)


def _diffuse(image: NDArray[np.float32], hole: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Fill from the surroundings through an image pyramid: each level sees twice as far (push-pull)."""
    weight = (1 - hole).astype(np.float32)
    levels = [(image * weight[..., None], weight)]
    while min(levels[-1][1].shape) > 2:
        colour, weight = (cv2.pyrDown(x) for x in levels[-1])
        levels.append((colour, weight))
    colour, weight = levels.pop()
    filled = colour / np.maximum(weight, 1e-6)[..., None]
    for colour, weight in reversed(levels):
        up = cv2.pyrUp(filled, dstsize=weight.shape[::-1])
        trust = np.clip(weight * 4, 0, 1)[..., None]
        filled = trust * colour / np.maximum(weight, 1e-6)[..., None] + (1 - trust) * up
    return cv2.GaussianBlur(filled, (0, 0), image.shape[0] / 64)


def _grain(image: NDArray[np.uint8], hole: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Noise as strong as the background's own, so that the painted part is not strangely smooth."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    detail = np.abs(grey - cv2.GaussianBlur(grey, (0, 0), 1.5))[hole == 0]
    strength = min(float(np.median(detail)) / 0.6745, 4.0) if detail.size else 0.0      # median to standard deviation
    noise = np.random.default_rng(_SEED).normal(0, 1, image.shape[:2]).astype(np.float32)
    return (cv2.GaussianBlur(noise, (0, 0), 0.7) * strength * 2.0)[..., None]


def _disc(radius: int) -> NDArray[np.uint8]:
    size = 2 * max(1, radius) + 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))


def _contrast(x: NDArray[np.float32], low: float, high: float) -> NDArray[np.float32]:
    """Smoothstep from `low` to `high`: what is nearly person becomes person, what is nearly not becomes background."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)
