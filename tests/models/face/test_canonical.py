import numpy as np

from limner.models.face.canonical import OVAL, coarse, subdivided


def test_canonical_face_is_symmetric_and_faces_the_viewer():
    points, triangles = coarse()
    assert points.shape == (468, 3) and triangles.shape == (852, 3)
    mirrored = points * [-1, 1, 1]
    nearest = np.linalg.norm(points[None] - mirrored[:, None], axis=2).min(1)
    assert nearest.max() < 1e-5
    a, b, c = (points[triangles[:, k]] for k in range(3))
    towards = np.cross(b - a, c - a)[:, 2]
    assert (towards > 0).mean() > 0.98           # all but a few at the nostrils and under the brow


def test_subdivision_keeps_the_surface_and_the_holes():
    points, triangles = coarse()
    fine = subdivided()
    assert len(fine.triangles) == 4 * len(triangles)
    assert np.array_equal(fine.vertices[:468], points)
    edges = np.sort(np.concatenate([fine.triangles[:, [i, (i + 1) % 3]] for i in range(3)]), axis=1)
    _, uses = np.unique(edges, axis=0, return_counts=True)
    assert set(uses.tolist()) == {1, 2}
    # Open edges: the outline and the rims of the mouth and of both eyes, nothing else.
    loops = [len(fine.oval), 2 * (len(fine.inner_upper) - 1), *(2 * (len(u) - 1) for u, _ in fine.lids)]
    assert (uses == 1).sum() == sum(loops)


def test_curves_run_from_right_to_left_and_share_their_corners():
    fine = subdivided()
    for upper, lower in ((fine.inner_upper, fine.inner_lower), (fine.outer_upper, fine.outer_lower), *fine.lids):
        assert upper[0] == lower[0] and upper[-1] == lower[-1]
        assert (np.diff(fine.vertices[upper, 0]) > 0).all()
        inner = slice(1, -1)
        assert (fine.vertices[upper[inner], 1] > fine.vertices[lower[inner], 1]).all()
    assert len(fine.oval) == 2 * len(OVAL)
