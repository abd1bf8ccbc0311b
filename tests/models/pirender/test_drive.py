import zipfile

import numpy as np
import pytest

from limner.engine.errors import TooLarge, UsageError
from limner.engine.types import EXPRESSION_ROW
from limner.models.pirender import drive
from limner.models.pirender.drive import Basis, Driver, estimated_source, read_basis

RNG = np.random.default_rng(0)
MATRIX = RNG.normal(0, 1, (64, 52)).astype(np.float32)


def saved(folder, **arrays):
    np.savez(folder / "basis.npz", **arrays)
    return folder / "basis.npz"


def test_a_matrix_is_taken_as_it_is(tmp_path):
    source = RNG.normal(0, 1, 73).astype(np.float32)
    basis = read_basis(saved(tmp_path, matrix=MATRIX, source=source))
    assert np.array_equal(basis.matrix, MATRIX) and np.array_equal(basis.source, source)


def test_frames_measured_both_ways_give_the_map_back(tmp_path):
    weights = RNG.uniform(0, 1, (600, 52))
    noisy = weights @ MATRIX.T + RNG.normal(0, 0.05, (600, 64))
    basis = read_basis(saved(tmp_path, weights=weights, coefficients=noisy))
    assert np.abs(basis.matrix - MATRIX).max() < 0.1


def test_two_meshes_give_the_nearest_coefficients(tmp_path):
    expression = RNG.normal(0, 1, (900, 64))
    blendshapes = expression @ MATRIX + RNG.normal(0, 0.01, (900, 52))
    basis = read_basis(saved(tmp_path, expression=expression, blendshapes=blendshapes))
    residual = expression @ basis.matrix - blendshapes
    assert np.abs(residual).max() < 0.1 and np.abs(basis.matrix - MATRIX).max() < 0.02


def test_weights_that_only_occur_together_share_the_effect(tmp_path):
    weights = RNG.uniform(0, 1, (400, 52))
    weights[:, 9] = weights[:, 8]                                # both eyes always blink together
    basis = read_basis(saved(tmp_path, weights=weights, coefficients=weights @ MATRIX.T))
    np.testing.assert_allclose(basis.matrix[:, 8], basis.matrix[:, 9], atol=1e-3)
    np.testing.assert_allclose(2 * basis.matrix[:, 8], MATRIX[:, 8] + MATRIX[:, 9], atol=0.1)


@pytest.mark.parametrize(("arrays", "message"), [
    ({"basis": MATRIX}, "holds basis; expected matrix"),
    ({"matrix": MATRIX.T}, r"matrix \(52, 64\); expected matrix \(64, 52\)"),
    ({"weights": np.zeros((5, 52)), "coefficients": np.zeros((4, 64))}, r"expected weights \(n, 52\), coefficients \(n, 64\)"),
    ({"matrix": np.full((64, 52), np.nan)}, "not finite"),
    ({"matrix": MATRIX, "source": np.zeros(70)}, r"source \(70,\)"),
    ({"matrix": np.array([{}], object)}, "cannot|not a basis"),
])
def test_what_is_no_basis_is_told(tmp_path, arrays, message):
    with pytest.raises(UsageError, match=message):
        read_basis(saved(tmp_path, **arrays))


def test_a_broken_or_absent_file_is_told(tmp_path):
    (tmp_path / "x.npz").write_bytes(b"PK\x03\x04 nothing")
    for path in (tmp_path / "x.npz", tmp_path / "absent.npz"):
        with pytest.raises(UsageError, match="not a basis that can be read"):
            read_basis(path)


def test_size_is_checked_before_unpacking(tmp_path, monkeypatch):
    monkeypatch.setattr(drive, "MOST_BYTES", 1000)
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("matrix.npy", bytes(5000))
    with pytest.raises(TooLarge):
        read_basis(path)


def test_pose_follows_the_models_axes():
    driver = Driver(Basis(MATRIX), np.zeros(73, np.float32))
    rows = np.zeros((1, EXPRESSION_ROW), np.float32)
    rows[0, 52:] = 0.1, 0.2, 0.3, 0.01, 0.02, 0.03
    out = driver.coefficients(rows)[0]
    np.testing.assert_allclose(out[64:67], (-0.1, 0.2, -0.3), atol=1e-6)
    np.testing.assert_allclose(out[67:70], (0.015, -0.03, -0.045), atol=1e-6)
    assert not out[:64].any()


def test_expressions_add_to_the_portraits_own():
    source = RNG.normal(0, 1, 73).astype(np.float32)
    rows = np.zeros((2, EXPRESSION_ROW), np.float32)
    rows[1, 25] = 0.5
    out = Driver(Basis(MATRIX), source).coefficients(rows)
    np.testing.assert_allclose(out[0], source)
    np.testing.assert_allclose(out[1, :64], source[:64] + 0.5 * MATRIX[:, 25], atol=1e-6)


def test_coefficients_pass_and_take_the_portraits_crop_where_they_have_none():
    source = RNG.normal(0, 1, 73).astype(np.float32)
    driver = Driver(None, source)
    rows = RNG.normal(0, 1, (3, 73)).astype(np.float32)
    assert np.array_equal(driver.coefficients(rows), rows)
    out = driver.coefficients(rows[:, :70])
    assert np.array_equal(out[:, :70], rows[:, :70]) and np.array_equal(out[:, 70:], np.repeat(source[None, 70:], 3, axis=0))


@pytest.mark.parametrize("width", [EXPRESSION_ROW, 29])
def test_rows_that_cannot_drive_it_are_told(width):
    with pytest.raises(UsageError, match=f"rows of {width} numbers.*--basis"):
        Driver(None, np.zeros(73, np.float32)).coefficients(np.zeros((1, width), np.float32))


def test_the_estimated_crop_follows_the_face():
    landmarks = np.zeros((478, 2), np.float32)
    landmarks[[468, 473, 61, 291]] = (100, 110), (163, 110), (110, 170), (153, 170)
    a, b = estimated_source(landmarks), estimated_source(landmarks * 0.5 + 20)
    assert not a[:70].any()
    assert a[70] == pytest.approx(1.0, abs=0.02)                 # FFHQ-like framing at 256 px is already to scale
    assert b[70] == pytest.approx(2 * a[70], rel=1e-5)
    assert a[71] == pytest.approx(131.5, abs=1) and 255 - 170 < a[72] < 255 - 110
