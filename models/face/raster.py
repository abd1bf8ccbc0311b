"""Draw the bent mesh as a backward map: for every pixel of the picture, where in the texture its colour comes from.

The map is written in OpenCV's fixed-point form (whole pixels i16 [H, W, 2] and 5 + 5 fraction bits u16 [H, W]) so that
`cv2.remap` needs no conversion. Edges are walked from their upper to their lower end by every triangle that shares
them, hence neighbours neither overlap nor leave a gap.
"""

import numpy as np
from numba import njit

FRACTION = 32                # OpenCV's INTER_TAB_SIZE
GAIN_ONE = 4096              # fixed-point one of the shade map


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
            u = (texture[a, 0] + (left - ax) * dudx + (y - ay) * dudy) * FRACTION + np.float32(0.5)
            v = (texture[a, 1] + (left - ax) * dvdx + (y - ay) * dvdy) * FRACTION + np.float32(0.5)
            g = (shade[a] + (left - ax) * dgdx + (y - ay) * dgdy) * GAIN_ONE
            du, dv, dg = dudx * FRACTION, dvdx * FRACTION, dgdx * GAIN_ONE
            for x in range(left, right):
                iu, iv = int(np.floor(u)), int(np.floor(v))
                whole[y, x, 0], whole[y, x, 1] = iu >> 5, iv >> 5
                fraction[y, x] = ((iv & 31) << 5) | (iu & 31)
                gain[y, x] = int(g)
                u += du
                v += dv
                g += dg
