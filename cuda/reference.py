"""The kernels of this folder in NumPy: same names, same arguments, same answers. They define what the GPU must give.

Pictures and maps hold pixel centres at whole numbers unless said otherwise. Arithmetic is float32, as on the device;
stated differences come from the order of sums and from fused multiplications.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Filter = Literal["bilinear", "bicubic"]
Border = Literal["zeros", "border", "reflect"]
Layout = Literal["hwc", "chw"]

FAR = np.float32(4194304)                        # places are brought within it; beyond, float32 has no fractions to speak of
FRACTION, GAIN_ONE = np.float32(32), np.float32(4096)   # fixed-point ones of the drawn map and of its brightness
LEVELS, RADIUS = 4, 3
SIDE = 2 * RADIUS + 1

# Luma, Cb and Cr from R, G, B in 1/65536, limited range (ITU-R BT.601-7, BT.709-6). Chroma rows sum to zero: grey stays grey.
COLOUR = {
    "bt601": (16829, 33039, 6416, -9714, -19070, 28784, 28784, -24103, -4681),
    "bt709": (11966, 40254, 4064, -6596, -22188, 28784, 28784, -26145, -2639),
}  # fmt: skip


def warp(image: NDArray, places: NDArray[np.float32], *, layout: Layout = "hwc", how: Filter = "bilinear",
         border: Border = "zeros") -> NDArray:
    """Read `image` at `places`: a dense backward warp.

    image u8, f16 or f32 [B, H, W, C] ("hwc") or [B, C, H, W] ("chw"); places f32 [B, H', W', 2], (x, y) px. Outside
    the image is 0 ("zeros"), its nearest pixel ("border") or its mirror about the outer pixels' centres ("reflect").
    Bicubic is Keys' with a = -3/4; u8 answers are rounded half to even. Returns [B, H', W', C] or [B, C, H', W'].
    """
    planes = image if layout == "hwc" else np.moveaxis(image, 1, -1)
    height, width = planes.shape[1:3]
    columns, across = _taps(places[..., 0], width, how, border)
    rows, down = _taps(places[..., 1], height, how, border)
    batch = np.arange(len(image))[:, None, None]
    out = np.zeros((*places.shape[:3], planes.shape[-1]), np.float32)
    for y, wy in zip(rows, down, strict=True):
        line = np.zeros_like(out)
        for x, wx in zip(columns, across, strict=True):
            line += wx[..., None] * planes[batch, y, x].astype(np.float32)
        out += wy[..., None] * line
    out = np.rint(np.clip(out, 0, 255)).astype(np.uint8) if image.dtype == np.uint8 else out.astype(image.dtype)
    return out if layout == "hwc" else np.ascontiguousarray(np.moveaxis(out, -1, 1))


def _taps(at: NDArray[np.float32], size: int, how: Filter, border: Border) -> tuple[list[NDArray], list[NDArray]]:
    """Indices and weights, one array each per tap, of places along an axis of `size`."""
    at = np.fmin(np.fmax(at, -FAR), FAR)
    low = np.floor(at)
    part = at - low
    weights = _cubic(part) if how == "bicubic" else [1 - part, part]
    first = low.astype(np.int64) - (1 if how == "bicubic" else 0)
    indices = []
    for n in range(len(weights)):
        index = first + n
        if border == "zeros":
            weights[n] = np.where((index >= 0) & (index < size), weights[n], np.float32(0))
        if border == "reflect" and size > 1:
            index = np.abs(index) % (2 * size - 2)
            index = np.where(index < size, index, 2 * size - 2 - index)
        indices.append(np.clip(index, 0, size - 1))
    return indices, weights


def _cubic(t: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Weights of four taps for places `t` in [0, 1) past the second (Keys 1981, a = -3/4)."""
    a, u = np.float32(-0.75), 1 - t
    outer = ((a * (t + 1) - 5 * a) * (t + 1) + 8 * a) * (t + 1) - 4 * a
    inner = [((a + 2) * s - (a + 3)) * s * s + 1 for s in (t, u)]
    return [outer, *inner, 1 - outer - inner[0] - inner[1]]


def affine(feature: NDArray, theta: NDArray[np.float32], *, mixed: bool = False) -> NDArray:
    """AdaAT: sample every channel of a map with its own matrix (Zhang and Ding, ACM MM 2022, as published).

    feature f16 or f32 [B, C, H, W], C >= 2; theta f32 [B, C, 2, 3] in coordinates -1..1 whose ends are the outer
    pixels' centres; read bilinearly, zero outside, with -1..1 as the outer pixels' edges: the published mismatch. Channel
    k reads depth k C / (C - 1) - 1/2, a mix of two channels; `mixed` says that `feature` holds such mixes already.
    """
    count, height, width = feature.shape[1:]
    x, y = _normal(width), _normal(height)[:, None]
    t = theta.astype(np.float32)[..., None, None]
    px = _place(t[:, :, 0, 0] * x + t[:, :, 0, 1] * y + t[:, :, 0, 2], width)
    py = _place(t[:, :, 1, 0] * x + t[:, :, 1, 1] * y + t[:, :, 1, 2], height)
    wide = feature.astype(np.float32)
    if not mixed:
        return _mixed_sample(wide, px, py).astype(feature.dtype)
    return _sample(wide, px, py, np.arange(count)).astype(feature.dtype)


def _normal(size: int) -> NDArray[np.float32]:
    """Places -1..1 of `size` points, ends included; 0 for a single one."""
    return (np.arange(1 - size, size, 2) / max(size - 1, 1)).astype(np.float32)


def _place(at: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    at = np.float32(0.5) * (at * np.float32(size) + np.float32(size) - 1)
    return np.fmin(np.fmax(at, -FAR), FAR)


def _mixed_sample(feature: NDArray[np.float32], px: NDArray, py: NDArray) -> NDArray[np.float32]:
    count = feature.shape[1]
    whole, over = np.divmod(2 * np.arange(count) * count - (count - 1), 2 * (count - 1))
    upper = (over / (2 * (count - 1))).astype(np.float32)
    lower = np.where(whole >= 0, 1 - upper, 0)[:, None, None]
    upper = np.where(whole + 1 < count, upper, 0)[:, None, None]
    below, above = np.maximum(whole, 0), np.minimum(whole + 1, count - 1)
    return lower * _sample(feature, px, py, below) + upper * _sample(feature, px, py, above)


def _sample(feature: NDArray[np.float32], px: NDArray, py: NDArray, channels: NDArray) -> NDArray[np.float32]:
    """Bilinear reads of channel `channels[k]` at places px, py [B, C, H, W], zero outside."""
    columns, across = _taps(px, feature.shape[3], "bilinear", "zeros")
    rows, down = _taps(py, feature.shape[2], "bilinear", "zeros")
    batch, channel = np.arange(len(feature))[:, None, None, None], channels[:, None, None]
    out = np.zeros(px.shape, np.float32)
    for y, wy in zip(rows, down, strict=True):
        for x, wx in zip(columns, across, strict=True):
            out += wx * wy * feature[batch, channel, y, x]
    return out


def raster(px: NDArray[np.float32], texture: NDArray[np.float32], shade: NDArray[np.float32],
           triangles: NDArray[np.int32], whole: NDArray[np.int16], fraction: NDArray[np.uint16],
           gain: NDArray[np.uint16], owner: NDArray[np.int32]) -> None:
    """Draw a mesh as a backward map into `whole`, `fraction` and `gain`, where triangles lie; later ones cover earlier.

    px f32 [V, 2] picture positions; texture f32 [V, 2] texture px; shade f32 [V] brightness; triangles i32 [T, 3]; whole
    i16 [H, W, 2] and fraction u16 [H, W] (5 bits of y above 5 bits of x) as `cv2.remap` takes them; gain u16 [H, W] in
    1 / 4096; owner i32 [H, W] of zeros, left as zeros.
    """
    for number in range(len(triangles)):
        _cover(px, _sorted(px, triangles[number]), number + 1, owner)
    y, x = np.nonzero(owner)
    if not len(y):
        return
    corners = np.array([_sorted(px, t) for t in triangles])[owner[y, x] - 1]
    owner[y, x] = 0
    a, b, c = (px[corners[:, k]] for k in range(3))
    ab, ac = b - a, c - a
    inverse = 1 / (ab[:, 0] * ac[:, 1] - ac[:, 0] * ab[:, 1])
    dx, dy = x.astype(np.float32) - a[:, 0], y.astype(np.float32) - a[:, 1]

    def plane(values: NDArray[np.float32]) -> NDArray[np.float32]:
        start, p, q = values[corners[:, 0]], *(values[corners[:, k]] - values[corners[:, 0]] for k in (1, 2))
        along = (p * ac[:, 1] - q * ab[:, 1]) * inverse, (q * ab[:, 0] - p * ac[:, 0]) * inverse
        return start + dx * along[0] + dy * along[1]

    u, v = (np.floor(_bounded(plane(texture[:, k]) * FRACTION + np.float32(0.5))).astype(np.int64) for k in (0, 1))
    whole[y, x] = np.stack([u >> 5, v >> 5], 1).astype(np.int16)
    fraction[y, x] = ((v & 31) << 5 | (u & 31)).astype(np.uint16)
    gain[y, x] = _bounded(plane(shade) * GAIN_ONE).astype(np.int64).astype(np.uint16)


def _bounded(x: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.fmin(np.fmax(x, -FAR), FAR)


def _sorted(px: NDArray[np.float32], triangle: NDArray[np.int32]) -> list[int]:
    """Corners from top to bottom, ties by number, so that neighbours walk a shared edge in one direction."""
    return sorted((int(k) for k in triangle), key=lambda k: (px[k, 1], k))


def _cover(px: NDArray[np.float32], corners: list[int], number: int, owner: NDArray[np.int32]) -> None:
    (ax, ay), (bx, by), (cx, cy) = a, b, c = px[corners]
    height, width = owner.shape
    top, bottom = (max(int(np.ceil(_bounded(y))), 0) for y in (ay, cy))
    if top >= min(bottom, height) or not abs((bx - ax) * (cy - ay) - (cx - ax) * (by - ay)) >= 1e-6:
        return
    y = np.arange(top, min(bottom, height), dtype=np.float32)
    x0 = ax + (y - ay) * _slope(a, c)
    x1 = np.where(y < by, ax + (y - ay) * _slope(a, b), bx + (y - by) * _slope(b, c))
    left = np.maximum(np.ceil(_bounded(np.fmin(x0, x1))), 0).astype(int)
    right = np.clip(np.ceil(_bounded(np.fmax(x0, x1))), 0, width).astype(int)
    for row, start, end in zip(y.astype(int), left, right, strict=True):
        owner[row, start:end] = number


def _slope(start: NDArray[np.float32], end: NDArray[np.float32]) -> np.float32:
    return (end[0] - start[0]) / (end[1] - start[1]) if end[1] > start[1] else np.float32(0)


def correlation(queries: NDArray, keys: list[NDArray], coords: NDArray[np.float32]) -> NDArray[np.float32]:
    """7x7 windows of a correlation pyramid, computed where they are read (Teed and Deng 2020; Li et al. 2023).

    queries f16 or f32 [B, H, W, C]; keys, four levels [B, H >> l, W >> l, C], each the 2x2 mean of the one before;
    coords f32 [B, 2, H, W], (x, y) px of level 0. Dot products over sqrt(C), bilinear, zero outside. Returns [B, 196,
    H, W], the window of each level transposed as published: x runs along its rows.
    """
    batch, height, width, channels = queries.shape
    rows = queries.astype(np.float32) / np.float32(channels) ** np.float32(0.5)
    out = np.empty((batch, LEVELS, SIDE, SIDE, height, width), np.float32)
    for b in range(batch):
        for level in range(LEVELS):
            out[b, level] = _windows(rows[b], keys[level][b].astype(np.float32), coords[b] / np.float32(2 ** level))
    return out.reshape(batch, LEVELS * SIDE * SIDE, height, width)


def _windows(rows: NDArray[np.float32], keys: NDArray[np.float32], centre: NDArray[np.float32]) -> NDArray[np.float32]:
    height, width = keys.shape[:2]
    far = np.float32(max(height, width) + 2 * SIDE)
    centre = np.fmin(np.fmax(centre, -far), far)
    corner = np.floor(centre)
    u, v = centre - corner
    dots = np.empty((SIDE + 1, SIDE + 1, *centre.shape[1:]), np.float32)
    for i, j in np.ndindex(dots.shape[:2]):
        x, y = (corner + np.array([i - RADIUS, j - RADIUS]).reshape(2, 1, 1)).astype(np.int64)
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        found = keys[np.where(inside, y, 0), np.where(inside, x, 0)]
        dots[i, j] = np.where(inside, (rows * found).sum(-1), 0)
    across = dots[:-1] * (1 - u) + dots[1:] * u
    return across[:, :-1] * (1 - v) + across[:, 1:] * v


class Spread(NamedTuple):
    """How the colour match carries differences inwards: made once per source frame by `spread`."""

    down: NDArray[np.float32]                    # [h, h] Gaussian over rows, mirrored at the ends
    across: NDArray[np.float32]                  # [w, w] the same over columns
    near: NDArray[np.float32]                    # [h, w] blurred weights
    floor: float                                 # share of the mean difference that reaches everywhere


def spread(surround: NDArray[np.float32]) -> Spread:
    """Tables of `match` for a surround [h, w] of weights; one without any weight matches nothing."""
    height, width = surround.shape
    total = float(surround.sum())
    down, across = _gaussian(height, height / 5), _gaussian(width, height / 5)
    near = down @ surround @ across.T + np.float32(1e-3 * total / surround.size)
    return Spread(down, across, near if total > 0 else np.ones_like(surround), 1e-3 / surround.size)


def _gaussian(size: int, sigma: float) -> NDArray[np.float32]:
    """[size, size]: a Gaussian cut at 4 sigma, mirrored about the outer cells' centres."""
    reach = (round(sigma * 8 + 1) | 1) // 2
    steps = np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 * (steps / sigma) ** 2)
    period = max(2 * size - 2, 1)
    index = np.abs(np.arange(size)[:, None] + steps) % period
    out = np.zeros((size, size))
    np.add.at(out, (np.arange(size)[:, None], np.minimum(index, period - index)), weights / weights.sum())
    return out.astype(np.float32)


def match(drawing: NDArray, seen: NDArray[np.float32], surround: NDArray[np.float32], tables: Spread, *,
          layout: Layout = "hwc", gain: float = 1.0) -> NDArray[np.float32]:
    """What to add to a drawing so that its colours meet their surround, f32 [gh, gw, 3] in 0..255.

    drawing f16 or f32 [h, w, 3] ("hwc") or [3, h, w] ("chw"), times `gain` in 0..255; seen f32 [gh, gw, 3] the source in
    its place as cell means, gh <= h, gw <= w; surround f32 [gh, gw] weights of the cells whose colours are to be kept.
    """
    pixels = _pixels(drawing, layout, gain)
    cells = _area(pixels.shape[0], len(seen)) @ pixels.transpose(2, 0, 1) @ _area(pixels.shape[1], seen.shape[1]).T
    apart = (seen - cells.transpose(1, 2, 0)) * surround[..., None]
    blurred = (tables.down @ apart.transpose(2, 0, 1) @ tables.across.T).transpose(1, 2, 0)
    return ((blurred + np.float32(tables.floor) * apart.sum((0, 1))) / tables.near[..., None]).astype(np.float32)


def _pixels(drawing: NDArray, layout: Layout, gain: float) -> NDArray[np.float32]:
    return (drawing if layout == "hwc" else drawing.transpose(1, 2, 0)).astype(np.float32) * np.float32(gain)


def _area(size: int, cells: int) -> NDArray[np.float32]:
    """[cells, size]: means over equal parts of an axis, edges cut exactly."""
    edges, at = np.arange(cells + 1) * (size / cells), np.arange(size)
    overlap = np.minimum(edges[1:, None], at + 1) - np.maximum(edges[:-1, None], at)
    return (np.maximum(overlap, 0) * cells / size).astype(np.float32)


def blend(picture: NDArray[np.uint8], drawing: NDArray, offset: NDArray[np.float32], mask: NDArray[np.float32],
          to_picture: NDArray[np.float64], top: int, left: int, opacity: float = 1.0, *, layout: Layout = "hwc",
          gain: float = 1.0) -> None:
    """Lay a drawing plus its colour offset into `picture` u8 [H, W, 3], in place.

    drawing as in `match`; offset f32 [gh, gw, 3] from it; mask f32 [h', w'] in [0, 1] of the picture's pixels from (top,
    left); to_picture f64 [2, 3] from px of the drawing to px of that region. Bicubic, the drawing's edge repeating.
    """
    rows, columns = mask.shape
    region = picture[top:top + rows, left:left + columns]
    pixels = _pixels(drawing, layout, gain)
    m = inverted(to_picture).astype(np.float32)
    y, x = np.mgrid[:rows, :columns].astype(np.float32)
    px, py = (m[k, 0] * x + (m[k, 1] * y + m[k, 2]) for k in (0, 1))
    full = warp(pixels[None], np.stack([px, py], -1)[None], how="bicubic", border="border")[0]
    cells = np.float32(offset.shape[:2])
    height, width = np.float32(pixels.shape[:2])
    at = np.stack([(px + np.float32(0.5)) * cells[1] / width, (py + np.float32(0.5)) * cells[0] / height], -1)
    full += warp(offset[None], (at - np.float32(0.5))[None], border="border")[0]
    share = (mask * np.float32(opacity))[..., None]
    mixed = region + (full - region) * share
    region[...] = np.clip(mixed + np.float32(0.5), 0, 255).astype(np.uint8)


def inverted(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """The inverse [2, 3] of an affine transformation [2, 3]."""
    turn = np.linalg.inv(affine[:, :2])
    return np.concatenate([turn, -turn @ affine[:, 2:]], 1)


def colour(rgb: NDArray[np.uint8], *, matrix: Literal["bt601", "bt709"] = "bt601",
           layout: Literal["i420", "nv12"] = "i420") -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """RGB [B, H, W, 3] or RGBA [B, H, W, 4] u8 to planes u8 [B, H' 3/2, W'] and opacity [B, H', W'] or None.

    Limited range (luma 16..235), chroma of 2x2 pixels; H' and W' are even, odd edges repeated.
    """
    height, width = rgb.shape[1:3]
    rgb = np.pad(rgb, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    batch, height, width, count = rgb.shape
    m = np.array(COLOUR[matrix]).reshape(3, 3)
    wide = rgb[..., :3].astype(np.int64)
    sums = wide.reshape(batch, height // 2, 2, width // 2, 2, 3).sum((2, 4))
    planes = np.empty((batch, height * 3 // 2, width), np.uint8)
    planes[:, :height] = (wide @ m[0] + 1081344) >> 16
    chroma = np.stack([(sums @ m[k] + 33685504) >> 18 for k in (1, 2)], -1)
    if layout == "i420":
        chroma = np.moveaxis(chroma, -1, 1)
    planes[:, height:] = chroma.reshape(batch, height // 2, width)
    return planes, np.ascontiguousarray(rgb[..., 3]) if count == 4 else None
