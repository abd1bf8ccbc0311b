"""Launchers of the kernels: arguments checked, grids chosen, nothing copied. Meanings are those of `reference`.

Arrays are C-contiguous CuPy arrays on the current device (a torch tensor comes as `cupy.from_dlpack(tensor)`), work goes
to CuPy's current stream. `out` takes an array to write to; with it nothing is allocated, as replayed graphs need. Wrong
types raise TypeError, wrong shapes, values and layouts ValueError, in one line.

Not run on a GPU so far: the kernels are compiled for compute capability 8.0, 8.6, 8.9 and 9.0, and the same source,
compiled for the CPU, equals its twins through these launchers. Bytes and occupancy noted in the files are reckoned.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .reference import COLOUR, LEVELS, SIDE, Border, Filter, Layout, Spread, inverted
from .source import Device

device = Device()

SHORT = {np.dtype(np.uint8): "u8", np.dtype(np.float16): "f16", np.dtype(np.float32): "f32"}
_BORDERS = {"zeros": 0, "border": 1, "reflect": 2}
_MOST = 65535                                    # blocks along a grid's second and third axis
_AREA = 1 << 29                                  # elements of one plane: indices within it stay in 31 bits, twice over


def warp(image: Any, places: Any, *, layout: Layout = "hwc", how: Filter = "bilinear", border: Border = "zeros",
         out: Any = None) -> Any:
    """`reference.warp`; u8 images of four channels, "hwc", take a quicker path."""
    layout, how = _choice("layout", layout, ("hwc", "chw")), _choice("how", how, ("bilinear", "bicubic"))
    kind = _array("image", image, (None,) * 4, ("u8", "f16", "f32"))
    batch, height, width, channels = image.shape if layout == "hwc" else (image.shape[0], *image.shape[2:], image.shape[1])
    _array("places", places, (batch, None, None, 2), ("f32",))
    rows, columns = places.shape[1:3]
    shape = (batch, rows, columns, channels) if layout == "hwc" else (batch, channels, rows, columns)
    out = _out(out, shape, image.dtype)
    sizes = [height, width, rows, columns, _BORDERS[_choice("border", border, _BORDERS)]]
    quad = layout == "hwc" and kind == "u8" and channels == 4
    kernel = f"warp_rgba_{how}" if quad else f"warp_{layout}_{kind}_{how}"
    _launch("warp", kernel, (columns, rows, batch), (32, 8, 1), [image, places, out, *([] if quad else [channels]), *sizes])
    return out


def affine(feature: Any, theta: Any, *, mixed: bool = False, out: Any = None) -> Any:
    """`reference.affine`."""
    kind = _array("feature", feature, (None,) * 4, ("f16", "f32"))
    batch, channels, height, width = feature.shape
    if channels < 2 and not mixed:
        raise ValueError(f"affine: feature has {channels} channel, expected 2 or more to mix; pass mixed=True for none")
    _array("theta", theta, (batch, channels, 2, 3), ("f32",))
    out = _out(out, feature.shape, feature.dtype)
    _launch("affine", f"affine_{kind}", (-(-height * width // 4), channels, batch), (256, 1, 1),
            [feature, theta, out, channels, height, width, int(mixed)])
    return out


def raster(px: Any, texture: Any, shade: Any, triangles: Any, whole: Any, fraction: Any, gain: Any, owner: Any) -> None:
    """`reference.raster`; `triangles` must hold vertex numbers below V, which is not looked at here."""
    _array("px", px, (None, 2), ("f32",))
    _array("texture", texture, (len(px), 2), ("f32",))
    _array("shade", shade, (len(px),), ("f32",))
    _array("triangles", triangles, (None, 3), ("i32",))
    _array("fraction", fraction, (None, None), ("u16",))
    height, width = fraction.shape
    _array("whole", whole, (height, width, 2), ("i16",))
    _array("gain", gain, (height, width), ("u16",))
    _array("owner", owner, (height, width), ("i32",))
    count = len(triangles)
    _launch("raster", "raster_cover", (32 * count, 8, 1), (32, 8, 1), [px, triangles, owner, height, width])
    _launch("raster", "raster_resolve", (width, height, 1), (32, 8, 1),
            [px, texture, shade, triangles, owner, whole, fraction, gain, height, width])


def correlation(queries: Any, keys: list[Any], coords: Any, *, out: Any = None) -> Any:
    """`reference.correlation`; C must be a multiple of 4."""
    kind = _array("queries", queries, (None,) * 4, ("f16", "f32"))
    batch, height, width, channels = queries.shape
    if channels % 4:
        raise ValueError(f"correlation: {channels} channels, expected a multiple of 4; pad both maps with zero channels")
    if len(keys) != LEVELS:
        raise ValueError(f"correlation: {len(keys)} levels of keys, expected {LEVELS}")
    for level, map_ in enumerate(keys):
        _array(f"keys[{level}]", map_, (batch, height >> level, width >> level, channels), (kind,))
    _array("coords", coords, (batch, 2, height, width), ("f32",))
    out = _out(out, (batch, LEVELS * SIDE * SIDE, height, width), np.float32)
    _launch("correlation", f"correlation_{kind}", (-(-height * width // 8) * 32, 8 * LEVELS, batch), (32, 8, 1),
            [queries, *keys, coords, out, channels, height, width, np.float32(channels ** -0.5)])
    return out


def match(drawing: Any, seen: Any, surround: Any, tables: Spread, *, layout: Layout = "hwc", gain: float = 1.0,
          out: Any = None, room: tuple[Any, Any] | None = None) -> Any:
    """`reference.match`; `tables` is `upload(spread(surround))`, `room` scratch f32 [gh, gw, 3] and [gh, gw + 1, 3]."""
    kind, height, width, step, plane = _drawing(drawing, layout)
    _array("seen", seen, (None, None, 3), ("f32",))
    rows, columns = seen.shape[:2]
    if rows > height or columns > width:
        raise ValueError(f"match: seen is {rows} x {columns} cells, expected no more than the drawing's {height} x {width} px")
    _array("surround", surround, (rows, columns), ("f32",))
    _array("tables.down", tables.down, (rows, rows), ("f32",))
    _array("tables.across", tables.across, (columns, columns), ("f32",))
    _array("tables.near", tables.near, (rows, columns), ("f32",))
    out = _out(out, seen.shape, np.float32)
    apart, lines = room or (None, None)
    apart, lines = _out(apart, seen.shape, np.float32), _out(lines, (rows, columns + 1, 3), np.float32)
    block = (128, 1, 1)
    _launch("blend", f"blend_coarse_{kind}", (apart.size, 1, 1), block,
            [drawing, seen, surround, apart, height, width, step, plane, np.float32(gain), rows, columns])
    _launch("blend", "blend_rows", (lines.size, 1, 1), block, [apart, tables.across, lines, rows, columns])
    _launch("blend", "blend_columns", (out.size, 1, 1), block,
            [lines, tables.down, tables.near, out, rows, columns, np.float32(tables.floor)])
    return out


def upload(tables: Spread) -> Spread:
    """The tables of `reference.spread` copied to the device, once per source frame."""
    return Spread(*(device.upload(t) for t in tables[:3]), tables.floor)


def blend(picture: Any, drawing: Any, offset: Any, mask: Any, to_picture: NDArray[np.float64], top: int, left: int,
          opacity: float = 1.0, *, layout: Layout = "hwc", gain: float = 1.0) -> None:
    """`reference.blend`; `to_picture` is a host array."""
    kind, height, width, step, plane = _drawing(drawing, layout)
    _array("picture", picture, (None, None, 3), ("u8",))
    _array("offset", offset, (None, None, 3), ("f32",))
    _array("mask", mask, (None, None), ("f32",))
    rows, columns = mask.shape
    if not (0 <= top <= picture.shape[0] - rows and 0 <= left <= picture.shape[1] - columns):
        raise ValueError(f"blend: a mask of {rows} x {columns} px at ({top}, {left}) does not lie in the picture of "
                         f"{picture.shape[0]} x {picture.shape[1]} px")
    if abs(np.linalg.det(np.asarray(to_picture)[:, :2])) < 1e-12:
        raise ValueError("blend: to_picture has no inverse; expected an affine [2, 3] from drawing to picture")
    region = picture.reshape(-1)[(top * picture.shape[1] + left) * 3:]
    _launch("blend", f"blend_paste_{kind}", (columns, rows, 1), (32, 8, 1),
            [region, 3 * picture.shape[1], mask, rows, columns, drawing, height, width, step, plane, np.float32(gain), offset,
             *offset.shape[:2], *inverted(np.asarray(to_picture)).astype(np.float32).ravel(), np.float32(opacity)])


def _drawing(drawing: Any, layout: Layout) -> tuple[str, int, int, int, int]:
    """dtype, height, width, and how many elements lie between pixels and between channels."""
    last = _choice("layout", layout, ("hwc", "chw")) == "hwc"
    kind = _array("drawing", drawing, (None, None, 3) if last else (3, None, None), ("f16", "f32"))
    height, width = drawing.shape[:2] if last else drawing.shape[1:]
    return kind, height, width, *((3, 1) if last else (1, height * width))


def colour(rgb: Any, *, matrix: str = "bt601", layout: str = "i420", out: Any = None, alpha: Any = None) -> tuple[Any, Any]:
    """`reference.colour`; `alpha` takes the opacity of an RGBA picture as `out` takes its planes."""
    _array("rgb", rgb, (None,) * 4, ("u8",))
    batch, height, width, channels = rgb.shape
    if channels not in (3, 4):
        raise ValueError(f"colour: rgb has {channels} channels, expected 3 (RGB) or 4 (RGBA)")
    table = COLOUR[_choice("matrix", matrix, COLOUR)]
    nv12 = int(_choice("layout", layout, ("i420", "nv12")) == "nv12")
    wide, high = width + width % 2, height + height % 2
    out = _out(out, (batch, high * 3 // 2, wide), np.uint8)
    alpha = _out(alpha, (batch, high, wide), np.uint8) if channels == 4 else None
    planes = [out] if alpha is None else [out, alpha]
    kernel = "colour_rgb" if alpha is None else "colour_rgba"
    _launch("colour", kernel, (-(-wide // 4), high // 2, batch), (32, 8, 1), [rgb, *planes, height, width, *table, nv12])
    return out, alpha


def _launch(name: str, kernel: str, threads: tuple[int, int, int], block: tuple[int, int, int], arguments: list[Any]) -> None:
    """Enough blocks for `threads` of each axis; none where there is nothing to do."""
    grid = tuple(-(-n // size) for n, size in zip(threads, block, strict=True))
    if max(grid[1:]) > _MOST:
        raise ValueError(f"{kernel}: needs a grid of {grid}, expected at most {_MOST} blocks along its second and third axis; "
                         "use smaller batches")
    if min(grid) > 0:
        device.launch(name, kernel, grid, block, [np.int32(a) if isinstance(a, int) else a for a in arguments])


def _array(name: str, array: Any, shape: tuple[int | None, ...], kinds: tuple[str, ...]) -> str:
    """Check one argument; `shape` has None where any size above zero will do. Returns its dtype's short name."""
    if not device.owns(array):
        raise TypeError(f"{name} is {device.place(array)}, expected a CuPy array on the current CUDA device")
    kind = SHORT.get(array.dtype) or f"{array.dtype.kind}{8 * array.dtype.itemsize}"
    if kind not in kinds:
        raise TypeError(f"{name} is {array.dtype}, expected {' or '.join(kinds)}")
    fits = len(array.shape) == len(shape) and all(n == m or (m is None and n) for n, m in zip(array.shape, shape, strict=True))
    if not fits:
        wanted = ", ".join("n" if n is None else str(n) for n in shape)
        raise ValueError(f"{name} has shape {tuple(array.shape)}, expected ({wanted})")
    if not array.flags.c_contiguous or device.address(array) % 16:
        raise ValueError(f"{name} is not C-contiguous from a multiple of 16 bytes; pass cupy.ascontiguousarray of a copy")
    if array.size // array.shape[0] > _AREA:
        raise ValueError(f"{name} has {array.size // array.shape[0]} elements per entry, expected at most {_AREA}")
    return kind


def _out(out: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """The array to write to: the caller's, checked, or a new one."""
    if out is None:
        return device.empty(shape, dtype)
    dtype = np.dtype(dtype)
    _array("out", out, tuple(shape), (SHORT[dtype],))
    return out


def _choice(name: str, value: str, choices: Any) -> str:
    if value not in choices:
        raise ValueError(f"{name} is {value!r}, expected one of {', '.join(choices)}")
    return value
