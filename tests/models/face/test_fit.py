import numpy as np

from limner.models.face.canonical import CHIN, coarse
from limner.models.face.fit import fit_mesh, picture_axes, umeyama


def _rotation(yaw: float, pitch: float) -> np.ndarray:
    cy, sy, cx, sx = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    return np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]]) @ np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])


def _landmarks(scale: float = 14.0, yaw: float = 0.2) -> np.ndarray:
    """The canonical face itself as a measured portrait of 512 px."""
    points, _ = coarse()
    placed = scale * points @ _rotation(yaw, 0.05).T + [256, -256, 0]
    return np.concatenate([picture_axes(placed), np.zeros((10, 3))]).astype(np.float32)


def test_umeyama_recovers_a_similarity():
    points, _ = coarse()
    turn = _rotation(0.3, -0.2)
    fit = umeyama(points, (7.5 * points @ turn.T + [30, -20, 5]).astype(np.float32))
    assert abs(fit.scale - 7.5) < 1e-4
    assert np.allclose(fit.rotation, turn, atol=1e-5) and np.allclose(fit.shift, [30, -20, 5], atol=1e-3)
    assert np.allclose(fit.invert((7.5 * points @ turn.T + [30, -20, 5]).astype(np.float32)), points, atol=1e-4)


def test_mesh_reaches_beyond_the_picture_without_folds():
    mesh = fit_mesh(_landmarks(), 512)
    assert mesh.rest.min() < 0 and mesh.rest.max() > 512
    a, b, c = (mesh.rest[mesh.triangles[len(mesh.template.triangles):, k]] for k in range(3))
    area = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    assert (area > 0).all() or (area < 0).all()


def test_depths_leave_every_vertex_where_the_picture_shows_it():
    mesh = fit_mesh(_landmarks(), 512)
    shown = mesh.fit.scale * mesh.shape @ mesh.fit.rotation.T + mesh.fit.shift
    assert np.allclose(shown[:, 0], mesh.rest[:, 0], atol=0.01)
    assert np.allclose(-shown[:, 1], mesh.rest[:, 1], atol=0.01)


def test_head_carries_face_and_hair_but_not_the_shoulders():
    mesh = fit_mesh(_landmarks(), 512)
    face = len(mesh.template.vertices)
    assert mesh.head[:face].min() > 0.9
    seen = ((mesh.rest > 0) & (mesh.rest < 512)).all(1)
    assert mesh.head[seen & (mesh.rest[:, 1] < mesh.rest[10, 1])].min() == 1
    assert mesh.head[-len(mesh.template.oval):].max() == 0       # the outermost ring is fixed
    assert mesh.head[mesh.rest[:, 1] > mesh.rest[CHIN, 1] + 12 * mesh.fit.scale].max() < 0.1
