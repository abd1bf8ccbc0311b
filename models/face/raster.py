"""Draw the bent mesh as a backward map: for every pixel of the picture, where in the texture its colour comes from.

The map is written in OpenCV's fixed-point form (whole pixels i16 [H, W, 2] and 5 + 5 fraction bits u16 [H, W]) so that
`cv2.remap` needs no conversion. Edges are walked from their upper to their lower end by every triangle that shares
them, hence neighbours neither overlap nor leave a gap.
"""

import numpy as np
from numba import njit

FRACTION = 32                # OpenCV's INTER_TAB_SIZE
GAIN_ONE = 4096              # fixed-point one of the shade map
BITS = 13                    # below the fraction, for the steps along a row: 2048 of them are off by 1/256 px, and 4096 px fit
STEP = np.float32(1 << BITS)


@njit(cache=True, nogil=True)
def draw_map(px, texture, shade, triangles, whole, fraction, gain):
    """Fill `whole`, `fraction` and `gain` where triangles lie.

    px f32 [V, 2] picture positions; texture f32 [V, 2] texture px; shade f32 [V] brightness factor; triangles i32
    [T, 3]; whole i16 [H, W, 2]; fraction u16 [H, W]; gain u16 [H, W] in 1 / GAIN_ONE.
    """
    height, width = fraction.shape
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        if px[b, 1] < px[a, 1] or (px[b, 1] == px[a, 1] and b < a):
            a, b = b, a
        if px[c, 1] < px[b, 1] or (px[c, 1] == px[b, 1] and c < b):
            b, c = c, b
            if px[b, 1] < px[a, 1] or (px[b, 1] == px[a, 1] and b < a):
                a, b = b, a
        top, bottom = max(int(np.ceil(px[a, 1])), 0), min(int(np.ceil(px[c, 1])), height)
        if top >= bottom:
            continue
        ax, ay, bx, by, cx, cy = px[a, 0], px[a, 1], px[b, 0], px[b, 1], px[c, 0], px[c, 1]
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if abs(area) < 1e-6:
            continue
        long_slope = (cx - ax) / (cy - ay)
        upper_slope = (bx - ax) / (by - ay) if by > ay else np.float32(0)
        lower_slope = (cx - bx) / (cy - by) if cy > by else np.float32(0)
        ubx, ucx = texture[b, 0] - texture[a, 0], texture[c, 0] - texture[a, 0]
        vbx, vcx = texture[b, 1] - texture[a, 1], texture[c, 1] - texture[a, 1]
        gbx, gcx = shade[b] - shade[a], shade[c] - shade[a]
        inv = 1 / area
        dudx, dudy = (ubx * (cy - ay) - ucx * (by - ay)) * inv, (ucx * (bx - ax) - ubx * (cx - ax)) * inv
        dvdx, dvdy = (vbx * (cy - ay) - vcx * (by - ay)) * inv, (vcx * (bx - ax) - vbx * (cx - ax)) * inv
        dgdx, dgdy = (gbx * (cy - ay) - gcx * (by - ay)) * inv, (gcx * (bx - ax) - gbx * (cx - ax)) * inv
        for y in range(top, bottom):
            x0 = ax + (y - ay) * long_slope
            x1 = ax + (y - ay) * upper_slope if y < by else bx + (y - by) * lower_slope
            if x0 > x1:
                x0, x1 = x1, x0
            left, right = max(int(np.ceil(x0)), 0), min(int(np.ceil(x1)), width)
            if left >= right:
                continue
            u = np.int32(((texture[a, 0] + (left - ax) * dudx + (y - ay) * dudy) * FRACTION + np.float32(0.5)) * STEP)
            v = np.int32(((texture[a, 1] + (left - ax) * dvdx + (y - ay) * dvdy) * FRACTION + np.float32(0.5)) * STEP)
            g = np.int32((shade[a] + (left - ax) * dgdx + (y - ay) * dgdy) * (GAIN_ONE * STEP))
            du, dv, dg = np.int32(dudx * (FRACTION * STEP)), np.int32(dvdx * (FRACTION * STEP)), np.int32(dgdx * (GAIN_ONE * STEP))
            row, x = np.uint64(y), np.uint64(left)               # unsigned: an index that may be negative is asked about
            for _ in range(right - left):
                iu, iv = u >> BITS, v >> BITS
                whole[row, x, 0], whole[row, x, 1] = iu >> 5, iv >> 5
                fraction[row, x] = ((iv & 31) << 5) | (iu & 31)
                gain[row, x] = g >> BITS
                x += np.uint64(1)
                u += du
                v += dv
                g += dg
