"""From pictures to avatars: what is accepted, what is refused and in which words, and what comes out."""

import cv2
import numpy as np
import pytest

from limner.engine.errors import PortraitError, UsageError
from limner.models import portrait as portraits_module
from limner.models.blazeface import Detection
from limner.models.headpose import head_pose
from limner.models.portrait import find_faces, make_avatar, read_image

pytestmark = pytest.mark.usefixtures("networks")


def larger(image: np.ndarray, factor: float) -> np.ndarray:
    return cv2.resize(image, None, fx=factor, fy=factor,
                      interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)


def test_an_avatar_is_square_upright_and_whole(avatar):
    image, points, mask = avatar.portrait.image, avatar.portrait.landmarks, avatar.portrait.mask
    assert image.shape == avatar.background.shape == (512, 512,
                                                      3) and image.dtype == avatar.background.dtype == np.uint8
    assert points.shape == (478, 3) and mask.shape == (512, 512) and 0 <= mask.min() <= mask.max() <= 1
    np.testing.assert_array_equal(avatar.portrait.to_crop, [[1, 0, 0], [0, 1, 0]])
    assert 0.3 < np.ptp(points[:468, 0]) / 512 < 0.5
    assert abs(head_pose(points).roll) < 2


def test_the_whole_body_belongs_to_the_person(avatar):
    """Both orange sleeves beside the helmet's ring, which the network sees only from further away."""
    assert avatar.portrait.mask[505, [6, 500]].min() > 0.8


@pytest.mark.parametrize("shape", [(60, 40_000), (40_000, 60), (17, 17), (2000, 2000)])
def test_pictures_of_odd_shapes_have_no_face_and_do_no_harm(shape):
    with pytest.raises(PortraitError, match="no face was found"):
        make_avatar(np.full((*shape, 3), 99, np.uint8))


def test_landmarks_of_the_crop_are_those_measured_on_it(avatar):
    """Measuring the finished crop again finds the same face: landmarks and pixels were moved by the same affine."""
    [face] = find_faces(avatar.portrait.image)
    error = np.linalg.norm(face.landmarks[:, :2] - avatar.portrait.landmarks[:, :2], axis=1)
    assert error.mean() < 0.015 * face.eyes


def test_source_to_crop_maps_the_picture_onto_the_crop(avatar, astronaut):
    affine = np.float32(avatar.meta["source_to_crop"])
    [face] = find_faces(astronaut)
    moved = face.landmarks[:, :2] @ affine[:, :2].T + affine[:, 2]
    np.testing.assert_allclose(moved, avatar.portrait.landmarks[:, :2], atol=0.01)


def test_the_same_picture_gives_the_same_avatar(avatar, astronaut):
    assert make_avatar(astronaut, name="astronaut").sha256 == avatar.sha256


@pytest.mark.parametrize("size", [256, 768, 1024])
def test_sizes(astronaut, size):
    avatar = make_avatar(larger(astronaut, 2), size=size)
    assert avatar.portrait.image.shape == (size, size, 3)
    assert avatar.portrait.landmarks[:, :2].max() < size


@pytest.mark.parametrize("size", [0, 100, 513, 2048])
def test_sizes_outside_the_range(astronaut, size):
    with pytest.raises(UsageError, match="even number"):
        make_avatar(astronaut, size=size)


def test_a_turned_picture_comes_out_upright(astronaut):
    avatar = make_avatar(np.ascontiguousarray(np.rot90(astronaut)))
    assert abs(head_pose(avatar.portrait.landmarks).roll) < 3


def test_no_face(astronaut):
    for image in (np.full((600, 800, 3), 90, np.uint8), np.ascontiguousarray(astronaut[300:])):
        with pytest.raises(PortraitError, match="no face was found"):
            make_avatar(image)


def test_too_small_says_how_small(astronaut):
    with pytest.raises(PortraitError, match=r"eyes are 3\d px apart, at least 60"):
        make_avatar(larger(astronaut, 0.5))
    avatar = make_avatar(larger(astronaut, 0.5), force=True)
    assert any("eyes are" in note for note in avatar.meta["notes"])


def test_of_several_the_largest_is_taken_and_said(astronaut):
    head = astronaut[:300, 80:380]
    row = np.full((450, 1100, 3), 200, np.uint8)
    row[:450, 500:950] = larger(head, 1.5)
    row[:360, 40:400] = larger(head, 1.2)
    avatar = make_avatar(row)
    assert avatar.meta["eyes_px"] == pytest.approx(62.5 * 1.5, abs=4)
    assert any("2 faces" in note and "number 1 " in note for note in avatar.meta["notes"])
    assert make_avatar(row, face=0).meta["eyes_px"] == pytest.approx(62.5 * 1.2, abs=4)
    with pytest.raises(PortraitError, match=r"face 2 was asked for, but 2 found: 0 \(leftmost\) to 1"):
        make_avatar(row, face=2)


@pytest.mark.parametrize(("yaw", "side"), [(27.0, "left"), (-31.0, "right")])
def test_a_turned_head_says_how_far(astronaut, monkeypatch, yaw, side):
    """The head is turned by turning its measured points, so that the number in the message can be told exactly."""
    [face] = find_faces(astronaut)
    angle = np.radians(yaw - face.yaw)
    about_y = np.array([[np.cos(angle), 0, -np.sin(angle)], [0, 1, 0], [np.sin(angle), 0, np.cos(angle)]])
    middle = face.landmarks.mean(0)
    points = ((face.landmarks - middle) @ about_y.T + middle).astype(np.float32)
    monkeypatch.setattr(portraits_module, "detect", lambda image, score: [Detection(1, np.float32([0, 0, 1, 1]), None)])
    monkeypatch.setattr(portraits_module, "measure", lambda image, box: (points, 1.0))
    with pytest.raises(PortraitError, match=rf"turned {abs(yaw):.0f} degrees to its {side}, at most 20"):
        make_avatar(astronaut)
    assert make_avatar(astronaut, force=True).meta["yaw_degrees"] == pytest.approx(yaw, abs=0.6)


def test_a_cut_out_picture_brings_its_own_matte(astronaut, avatar):
    affine = np.float32(avatar.meta["source_to_crop"])
    alpha = cv2.warpAffine(avatar.portrait.mask, affine, (512, 512), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    cutout = np.dstack([astronaut, np.rint(alpha * 255).astype(np.uint8)])
    made = make_avatar(cutout)
    assert np.abs(made.portrait.mask - avatar.portrait.mask).mean() < 0.02
    opaque = np.dstack([astronaut, np.full((512, 512), 255, np.uint8)])
    np.testing.assert_array_equal(make_avatar(opaque).portrait.mask, avatar.portrait.mask)


def test_given_landmarks_need_no_network(astronaut, monkeypatch):
    from limner.engine.errors import MissingPackage

    [face] = find_faces(astronaut)

    def absent(*_):
        raise MissingPackage("not installed")

    monkeypatch.setattr(portraits_module, "detect", absent)
    monkeypatch.setattr(portraits_module, "person_matte", absent)
    avatar = make_avatar(astronaut, landmarks=face.landmarks)
    assert avatar.portrait.mask[400:, 220:290].min() > 0.9
    assert any("without the segmentation network" in note for note in avatar.meta["notes"])


# Real pictures beside the checkout: (file, faces, |yaw| at most, px between the eyes at least).
REAL = [
    ("cg_boy.jpg", 1, 5, 250), ("degraded_0143.png", 1, 10, 150), ("edge_four_faces.png", 4, 12, 70),
    ("edge_full_body.png", 1, 12, 100), ("illus_woman.png", 1, 5, 220), ("paint_man_moustache.png", 1, 12, 110),
    ("paint_monalisa.jpg", 1, 20, 110), ("real_man_015270.jpg", 1, 8, 190), ("real_man_webcam_vd070.png", 1, 13, 130),
    ("real_old_photo_bw.jpg", 1, 16, 65), ("real_older_woman_vd051.png", 1, 9, 105),
]


@pytest.mark.parametrize(("name", "faces", "yaw", "eyes"), REAL)
def test_real_portraits(portraits, name, faces, yaw, eyes):
    image = read_image(portraits / name, alpha=True)
    assert len(find_faces(image[..., :3])) == faces
    avatar = make_avatar(image)
    assert abs(avatar.meta["yaw_degrees"]) <= yaw and avatar.meta["eyes_px"] >= eyes
    assert avatar.portrait.mask[300:, 220:290].mean() > 0.98 and avatar.portrait.mask.mean() < 0.9
    again = find_faces(avatar.portrait.image)
    assert len(again) >= 1
    main = max(again, key=lambda face: face.eyes)
    error = np.linalg.norm(main.landmarks[:468, :2] - avatar.portrait.landmarks[:468, :2], axis=1).mean() / main.eyes
    assert error < 0.025
    hidden = make_avatar(np.dstack([avatar.background] * 1), landmarks=avatar.portrait.landmarks).portrait.image
    assert all(face.eyes < 0.5 * main.eyes for face in find_faces(hidden))       # no ghost of the face behind it


def test_a_cat_is_no_person(portraits):
    with pytest.raises(PortraitError, match="no face was found"):
        make_avatar(read_image(portraits / "edge_cat_no_face.jpg"))
