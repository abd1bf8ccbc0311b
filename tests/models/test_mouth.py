import numpy as np
import pytest

from limner.engine.errors import InputError
from limner.engine.types import ARKIT_INDEX, EXPRESSION_ROW
from limner.models.avatar import default_avatar
from limner.models.face.deform import new_posed, pose
from limner.models.face.renderer import FaceRenderer
from limner.models.mouth import TABLE, indices, lip_gap, lip_width, viseme_table
from limner.models.phones import CLASS_INDEX, CLASSES

ROWS = viseme_table()
INNER_LIPS, CORNERS = ((13, 14), (82, 87), (312, 317)), (61, 291)      # of MediaPipe's mesh


def row(name):
    return ROWS[CLASS_INDEX[name]]


def test_one_row_per_class_in_range():
    assert ROWS.shape == (len(CLASSES), EXPRESSION_ROW)
    assert (ROWS >= 0).all() and (ROWS <= 1).all() and not ROWS[:, 52:].any()


def test_lips_meet_for_p_b_m_only():
    assert lip_gap(row("PP")) == 0
    assert all(lip_gap(row(c)) > 0 for c in CLASSES if c != "PP")
    assert lip_gap(row("sil")) < 0.02


def test_the_anatomy_of_the_table():
    """What a lip reader would say of each row."""
    gap, width = lip_gap(ROWS), lip_width(ROWS)
    at = CLASS_INDEX
    assert gap[at["aa"]] == gap.max()
    assert gap[at["FF"]] < gap[at["TH"]] < gap[at["E"]]
    assert row("SS")[indices("jawOpen")] < 0.1 < lip_gap(row("SS")) / 0.38 + 0.1      # teeth shut, lips apart
    assert max(width[at[c]] for c in ("oh", "ou", "ww", "ao")) < 0 < min(width[at[c]] for c in ("iy", "E", "ih", "SS"))
    assert width[at["iy"]] == width.max()
    assert row("FF")[ARKIT_INDEX["mouthRollLower"]] > 0.4 and row("TH")[ARKIT_INDEX["tongueOut"]] > 0


def test_names_without_a_side_set_both():
    assert indices("mouthStretch") == [ARKIT_INDEX["mouthStretchLeft"], ARKIT_INDEX["mouthStretchRight"]]
    assert indices("jawOpen") == [ARKIT_INDEX["jawOpen"]] and indices("nothing") == []
    assert np.array_equal(ROWS[:, ARKIT_INDEX["mouthStretchLeft"]], ROWS[:, ARKIT_INDEX["mouthStretchRight"]])


@pytest.mark.parametrize("change,message", [
    (("[PP]", "[QQ]"), "PP, QQ"), (('viseme = "FF"', 'viseme = "PP"'), "FF"), (("jawOpen = 0.02", "jawOpne = 0.02"), "jawOpne"),
    (("jawOpen = 0.02", "jawOpen = 2"), "0 to 1"), (("[PP]", "[PP"), "readable"),
])
def test_a_broken_table_is_named(tmp_path, change, message):
    path = tmp_path / "visemes.toml"
    path.write_text(TABLE.read_text(encoding="utf-8").replace(*change, 1), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        viseme_table(path)


def test_the_drawn_mouth_does_what_the_constants_say():
    """Every row of the table, measured on the default avatar's mesh as landmarks would be."""
    avatar = default_avatar()
    renderer = FaceRenderer(avatar.portrait.image, avatar.portrait.landmarks, avatar.portrait.mask, avatar.background, 256)
    rig, out = renderer.rig, new_posed(renderer.rig)
    unit = rig.mesh.fit.scale * rig.mesh.eye_distance

    def measured(weights):
        pose(rig, weights, np.zeros(6, np.float32), 1.0, 0.0, out)
        gap = np.mean([np.linalg.norm(out.px[a] - out.px[b]) for a, b in INNER_LIPS])
        return gap / unit, np.linalg.norm(out.px[CORNERS[0]] - out.px[CORNERS[1]]) / unit

    rest = measured(np.zeros(52, np.float32))[1]
    drawn = np.array([measured(weights[:52]) for weights in ROWS]) - [0, rest]
    assert np.abs(drawn[:, 0] - lip_gap(ROWS)).max() < 0.02          # the jaw's own turn differs by that between people
    assert np.abs(drawn[:, 1] - lip_width(ROWS)).max() < 0.01
