"""Landmark files of every accepted kind give the same face; the rest is refused in one line."""

import json

import numpy as np
import pytest

from limner.engine.errors import InputError
from limner.models.avatar import default_avatar
from limner.models.landmarkfile import IBUG, from_ibug, read_landmarks, to_mesh

SIZE = (512, 512)


@pytest.fixture(scope="module")
def mesh() -> np.ndarray:
    """The bundled portrait's landmarks, [478, 3] px."""
    return default_avatar().portrait.landmarks


def as_file(points, path):
    if path.suffix == ".json":
        path.write_text(json.dumps(points if isinstance(points, (list, dict)) else points.tolist()))
    elif path.suffix == ".npz":
        np.savez(path, landmarks=points)
    else:
        np.save(path, points)
    return path


@pytest.mark.parametrize("suffix", [".json", ".npz", ".npy"])
@pytest.mark.parametrize("count", [468, 478])
def test_mesh_files(mesh, tmp_path, suffix, count):
    back = read_landmarks(as_file(mesh[:count], tmp_path / f"face{suffix}"), SIZE)
    assert back.shape == (478, 3) and back.dtype == np.float32
    np.testing.assert_allclose(back[:count], mesh[:count], rtol=1e-6)
    eye = np.linalg.norm(mesh[133, :2] - mesh[33, :2])
    assert np.linalg.norm(back[468:] - mesh[468:], axis=1).max() < 0.35 * eye       # guessed irises lie in the eyes


def test_mediapipe_json_of_parts_of_the_picture(mesh, tmp_path):
    rows = [{"x": x / 640, "y": y / 512, "z": z / 640} for x, y, z in mesh.tolist()]
    back = read_landmarks(as_file({"landmarks": rows}, tmp_path / "face.json"), (512, 640))
    np.testing.assert_allclose(back, mesh, atol=1e-3)


def test_68_points_are_met_exactly_and_the_rest_nearly(mesh):
    points = mesh[list(IBUG), :2]
    back = to_mesh(points.astype(float), SIZE)
    np.testing.assert_allclose(back[list(IBUG), :2], points, atol=1e-2)
    eyes = np.linalg.norm(mesh[33] - mesh[263])
    error = np.linalg.norm(back[:468, :2] - mesh[:468, :2], axis=1) / eyes
    assert error.mean() < 0.02       # of the eye distance; measured 0.010 to 0.014 on eleven portraits
    assert len(set(IBUG)) == 68


def test_68_points_keep_their_depth_in_a_turned_head(mesh):
    """z comes from the canonical face: the nose in front of the ears, the near cheek in front of the far one."""
    back = from_ibug(mesh[list(IBUG), :2])
    assert back[1, 2] < back[[234, 454], 2].min()
    assert np.corrcoef(back[:, 2], mesh[:468, 2])[0, 1] > 0.9


@pytest.mark.parametrize("points", [
    np.zeros((5, 2)), np.zeros((468, 2)), np.zeros(1434), np.full((478, 3), np.nan), np.full((68, 2), 5.0),
    np.random.default_rng(0).uniform(5000, 6000, (68, 2)), np.zeros((0, 3)), np.zeros((600, 3)),
])
@pytest.mark.parametrize("suffix", [".json", ".npz", ".npy"])
def test_other_points_are_refused(points, suffix, tmp_path):
    with pytest.raises(InputError, match="468 x 3"):
        read_landmarks(as_file(points, tmp_path / f"face{suffix}"), SIZE)


@pytest.mark.parametrize("suffix", [".json", ".npz", ".npy"])
@pytest.mark.parametrize("data", [b"", b"junk", b"PK\x03\x04", b"{}", b"[]", b'{"landmarks": [[1,2],[3]]}', b"[" * 9999,
                                  b'[{"x": 1}]', b'["a","b"]', b"\x93NUMPY\x01\x00", bytes(3 * 2**20)])
def test_junk_is_refused(suffix, data, tmp_path):
    path = tmp_path / f"face{suffix}"
    path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        read_landmarks(path, SIZE)
    assert "\n" not in str(caught.value)


def test_pickles_are_never_opened(tmp_path):
    class Trap:
        def __reduce__(self):
            return (tmp_path.joinpath("ran").touch, ())

    np.save(tmp_path / "face.npy", np.array([Trap()], dtype=object), allow_pickle=True)
    with pytest.raises(InputError):
        read_landmarks(tmp_path / "face.npy", SIZE)
    assert not (tmp_path / "ran").exists()


def test_a_missing_file(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read_landmarks(tmp_path / "none.json", SIZE)
