import numpy as np
import pytest

from limner.engine.errors import InputError
from limner.models.restoration import align
from tests.golden import cases as golden

FACE = align.FFHQ / 2 + (40, 20)                 # five points of a face 256 px wide in a small picture


@golden.cases("facealign")
def test_crop_and_paste_equal_the_published_ones(path):
    import cv2

    case = golden.read(path)
    picture, five = case.inputs["image"], case.inputs["five"]
    alignment = align.align(five)
    case.check("affine", alignment.to_crop, least=1e-9)
    case.check("inverse", alignment.to_picture, least=1e-9)
    face = align.crop(picture, alignment)
    case.check("crop", face, least=0)
    restored = cv2.GaussianBlur(255 - face, (9, 9), 3)           # what the case calls restored
    case.check("paste", align.paste(picture, restored, alignment), least=0)


@golden.cases("facealign")
def test_gpen_layout_equals_the_published_one(path):
    case = golden.read(path)
    alignment = align.align(case.inputs["five"], "arcface")
    case.check("gpen_ref", align.ARCFACE, least=1e-6)
    case.check("gpen_inv", alignment.to_picture, least=1e-4)     # published fit is in single precision, 1e-5 px off
    got = align.crop(case.inputs["image"], alignment, (0, 0, 0)).astype(int)
    assert np.abs(got - case.outputs["gpen_crop"]).max() <= 1    # one level where the fixed-point position rounds over
    assert np.mean(got != case.outputs["gpen_crop"]) < 1e-3


@pytest.mark.parametrize("layout", align.LAYOUTS)
def test_points_land_on_the_template(layout):
    five = align.LAYOUTS[layout] @ np.array([[0.4, 0.1], [-0.1, 0.4]]) + (30, 60)
    alignment = align.align(five, layout)
    np.testing.assert_allclose(five @ alignment.to_crop[:, :2].T + alignment.to_crop[:, 2], align.LAYOUTS[layout], atol=1e-6)


def test_pasting_what_was_cut_changes_little_and_nothing_outside():
    rng = np.random.default_rng(1)
    picture = np.kron(rng.integers(0, 256, (18, 20, 3)), np.ones((20, 20, 1))).astype(np.uint8)
    alignment = align.align(FACE)
    mask = align.feather(alignment, *picture.shape[:2])
    out = align.paste(picture, np.zeros((512, 512, 3), np.uint8), alignment, mask)
    top, left, bottom, right = mask.box
    outside = np.ones(picture.shape[:2], bool)
    outside[top:bottom, left:right] = False
    assert outside.any() and np.array_equal(out[outside], picture[outside])
    assert out[(top + bottom) // 2, (left + right) // 2].max() == 0          # fully replaced in the middle
    again = align.paste(picture, align.crop(picture, alignment), alignment, mask)
    assert np.abs(again.astype(int) - picture)[~outside].mean() < 6          # twice resampled


@pytest.mark.parametrize("five", [np.zeros((5, 2)), np.full((5, 2), np.nan), np.zeros((4, 2))])
def test_points_that_span_no_face_are_refused(five):
    with pytest.raises(InputError, match="span no face"):
        align.align(five)


def test_a_face_outside_the_picture_is_refused():
    with pytest.raises(InputError, match="outside the picture"):
        align.feather(align.align(FACE + 5000), 400, 400)
