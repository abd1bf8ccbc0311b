import numpy as np
import pytest

from limner.engine.clock import TICKS
from limner.engine.errors import UsageError
from limner.engine.testing import check_animator, speech_like
from limner.engine.types import ARKIT_INDEX, EXPRESSION_ROW, AudioChunk, Expression, FeatureWindow
from limner.models.animators.morphable import MorphableAnimator, create
from limner.models.avatar import default_avatar
from limner.models.options import FaceOptions

STEP = TICKS // 100


def _seated(**options) -> MorphableAnimator:
    animator = MorphableAnimator(**{"size": 192, **options})
    animator.sit_avatar(default_avatar())
    return animator


def _window(row: np.ndarray, k: int, fps: int = 25, voiced: bool = False) -> FeatureWindow:
    return FeatureWindow(row[None].astype(np.float32), k * TICKS // fps, STEP, np.array([voiced]), k)


def _row(**values: float) -> np.ndarray:
    out = np.zeros(EXPRESSION_ROW, np.float32)
    for name, value in values.items():
        out[ARKIT_INDEX[name]] = value
    return out


def test_keeps_the_animator_contract():
    check_animator(_seated(), EXPRESSION_ROW)


@pytest.mark.parametrize("wrong", [{"mood": "furious"}, {"size": 100}, {"size": 511}, {"size": 4096}])
def test_wrong_options_say_what_is_possible(wrong: dict):
    with pytest.raises(UsageError, match=r"neutral|128 to 1024"):
        MorphableAnimator(**wrong)


def test_create_passes_every_option_on():
    animator = create(FaceOptions(size=256, fps=50, seed=4, liveliness=0.5, mood="warm"))
    assert animator.size == (256, 256) and animator.mood == "warm"
    assert animator.idle.seed == 4 and animator.idle.liveliness == 0.5
    assert animator.window == (0, 0) and create(FaceOptions(fps=30)).window == (0, 1)


def test_silence_without_liveliness_is_one_picture():
    animator = _seated(liveliness=0.0)
    first = animator.draw(_window(_row(), 0)).pixels
    assert all(np.array_equal(first, animator.draw(_window(_row(), k)).pixels) for k in range(1, 60))


def test_same_seed_same_film_and_frames_are_not_shared():
    films = []
    for _ in range(2):
        animator = _seated(seed=3)
        talk = [_window(_row(jawOpen=0.3 * (k % 5 > 2)), k, voiced=k % 5 > 2) for k in range(20)]
        films.append([animator.draw(window).pixels for window in talk])
    assert all(map(np.array_equal, *films))
    assert films[0][3] is not films[0][4]


def test_rows_are_interpolated_at_the_drawn_instant():
    animator = _seated(liveliness=0.0, fps=30)
    rows = np.stack([_row(jawOpen=0.2), _row(jawOpen=0.6)]).astype(np.float32)
    between = FeatureWindow(rows, 0, STEP, np.array([True, True]), 0, offset=STEP // 2)
    wanted = animator.draw_expression(Expression.from_row(_row(jawOpen=0.4), 0))
    animator.reset()
    assert np.abs(animator.draw(between).pixels.astype(int) - wanted).max() <= 1


def test_a_smile_relaxes_for_speech_and_comes_back():
    animator = _seated(liveliness=0.0)
    smiling = animator.draw(_window(_row(), 0)).pixels.astype(int)
    for k in range(1, 26):
        spoken = animator.draw(_window(_row(jawOpen=0.02, mouthClose=1.0, mouthPressLeft=0.3), k, voiced=True)).pixels
    assert np.abs(spoken - smiling).max() > 60                   # teeth gone behind closed lips
    for k in range(26, 26 + 25 * 8):
        rested = animator.draw(_window(_row(), k)).pixels
    assert np.abs(rested - smiling).mean() < 0.05


def test_moods_change_the_face_and_eyes_stay_on_the_viewer():
    neutral, warm = (_seated(mood=m, liveliness=0.0).draw(_window(_row(), 0)).pixels for m in ("neutral", "warm"))
    assert np.abs(neutral.astype(int) - warm).mean() > 0.05
    animator = _seated(seed=1)
    turned = _row()
    turned[52 + 1] = 0.15
    weights, _ = animator._blend(Expression.from_row(turned, 0), Expression.neutral())
    assert weights[ARKIT_INDEX["eyeLookOutRight"]] > 0.2 and weights[ARKIT_INDEX["eyeLookInLeft"]] > 0.2
    assert weights[ARKIT_INDEX["eyeLookOutLeft"]] == 0


def test_a_backdrop_takes_the_backgrounds_place_and_alpha_leaves_nothing_behind():
    avatar = default_avatar()
    window, colour = _window(_row(), 0), (10, 200, 30)
    animator = MorphableAnimator(size=192, liveliness=0.0)
    animator.sit_avatar(avatar, backdrop=np.full((64, 64, 3), colour, np.uint8))
    before = animator.draw(window)
    alone = create(FaceOptions(size=192, liveliness=0.0, alpha=True))
    alone.sit_avatar(avatar)
    frame = alone.draw(window)
    clear, solid = frame.alpha == 0, frame.alpha == 255
    assert before.alpha is None and (before.pixels[clear] == colour).all()
    assert clear.mean() > 0.1 and solid.mean() > 0.3
    assert np.abs(frame.pixels[solid].astype(int) - before.pixels[solid]).mean() < 1
    assert _seated().draw(window).alpha is None


def test_the_opacity_moves_with_the_head():
    animator = MorphableAnimator(size=192, liveliness=0.0, alpha=True)
    animator.sit_avatar(default_avatar())
    turned = _row()
    turned[52 + 3] = 0.1                                         # a tenth of a face to the side
    still, moved = (animator.draw(_window(row, 0)).alpha.astype(int) for row in (_row(), turned))
    rows = slice(10, 80)                                         # hair
    centre = [(plane[rows] * np.arange(192)).sum() / plane[rows].sum() for plane in (still, moved)]
    assert abs(centre[1] - centre[0]) > 3


def _told(animator: MorphableAnimator, sound: np.ndarray) -> list[Expression]:
    """What the face does by itself, at 25 per second, while it is told of the other's `sound` 20 ms at a time."""
    seen = []
    for k in range(len(sound) // 320):
        animator.listen(AudioChunk(sound[k * 320:(k + 1) * 320], 16_000, k * 320, k * 1800, 0))
        if k % 2:
            seen.append(animator.idle.at((k + 1) * 1800).expression)
    return seen


def _aside(face: Expression) -> float:
    return max(face.weights[ARKIT_INDEX[n]] for n in ("eyeLookOutLeft", "eyeLookOutRight"))


def test_a_listener_looks_at_who_speaks_and_nods_at_their_pauses():
    quiet, voice = np.zeros(16_000, np.float32), speech_like(3.0, pause=0.0002)
    sound = np.concatenate([quiet, *[np.concatenate([voice, 2 * [*quiet]]) for _ in range(6)]]).astype(np.float32)
    sound += np.random.default_rng(0).normal(0, 1e-4, len(sound)).astype(np.float32)
    listening = MorphableAnimator(size=192, seed=2)
    alone = MorphableAnimator(size=192, seed=2)
    heard, idle = _told(listening, sound), _told(alone, np.zeros_like(sound))
    nods = np.array([a.pose[0] - b.pose[0] for a, b in zip(heard, idle, strict=True)])
    times = np.arange(len(nods)) / 25
    phase = (times - 1) % 5                                      # 3 s of speech, 2 s of quiet, six times
    after, during = nods[(times > 1) & (phase > 3.2) & (phase < 4.8)], nods[(times > 1) & (phase > 0.5) & (phase < 2.9)]
    assert after.min() < -np.radians(1.5) and np.abs(during).max() < np.radians(0.2)
    speaking = (times > 1) & (phase > 1.5) & (phase < 2.9)
    held, wandering = ([_aside(face) for face, keep in zip(faces, speaking, strict=True) if keep] for faces in (heard, idle))
    assert max(held) < 0.4 * max(wandering)                      # gaze held to 85 %, the tremor of the eyes stays


def test_reset_forgets_the_other_voice():
    voice = speech_like(3.0, pause=0.0002)
    animator, fresh = (MorphableAnimator(size=192, seed=2) for _ in range(2))
    _told(animator, voice)
    animator.reset()
    for a, b in zip(_told(animator, voice), _told(fresh, voice), strict=True):
        assert np.array_equal(a.row(), b.row())
