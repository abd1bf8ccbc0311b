import dataclasses
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from limner.cuda.lane import Lane
from limner.engine.errors import ContractError, DeviceError, UsageError, WeightsError
from limner.engine.painter import Painter
from limner.engine.testing import FakeExtractor, check_animator, speech_like
from limner.engine.types import AudioChunk, FeatureWindow
from limner.models.animators import dinet
from limner.models.animators.dinet import DINetAnimator, build_network, create
from limner.models.avatar import default_avatar
from limner.models.dinet import crop, references
from limner.models.dinet.live import LiveDINet
from limner.models.drawing import Drawing
from limner.models.face.colour import to_picture
from limner.models.idleclip import IdleClip
from limner.models.options import FaceOptions
from tests.models import faces


def window(pts=0, seed=0, voiced=True):
    rows = np.random.default_rng(seed).standard_normal((9, 29)).astype(np.float32)
    return FeatureWindow(rows, pts, 1800, np.full(9, voiced), 77)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return build_network()


@pytest.fixture
def clip(monkeypatch):
    frames, marks = faces.moving(6)
    monkeypatch.setattr(dinet, "read_clip", lambda path, size: IdleClip(frames, marks, 3600))
    return frames, marks


@pytest.fixture
def seated(network, clip):
    animator = DINetAnimator(network, size=256, mouth=64, clip="idle.mp4")
    animator.sit(faces.portrait())
    return animator


def test_cached_drawing_equals_the_plain_network(seated, network, clip):
    frames, marks = clip
    points = marks[:, list(crop.MULTI_PIE), :2]
    radius = crop.radius(points)
    looks = [dinet.paste.look(frame, crop.crop_window(p, radius), (104, 80)) for frame, p in zip(frames, points, strict=True)]
    shown = np.concatenate([crop.to_network(looks[i]) for i in references.chosen(marks)])
    source = crop.to_network(crop.hide_mouth(looks[3], 64))
    rows = window(seed=4).rows
    with torch.inference_mode():
        plain = network(*(torch.from_numpy(a[None]) for a in (source, shown, np.ascontiguousarray(rows[::2].T))))
    drawn = seated.mouth(3, rows)
    assert np.abs(drawn / 255 - plain[0].permute(1, 2, 0).numpy()).max() < 1e-5


def test_silence_is_the_source_itself(seated, clip):
    for i in range(8):
        frame = seated.draw(window(3600 * i, voiced=False))
        assert np.array_equal(frame.pixels, clip[0][seated._clip.at(3600 * i)])


def test_speech_changes_the_mouth_only(seated, clip):
    frame = seated.draw(window(7200, seed=2))
    assert frame.pixels.shape == (256, 256, 3) and frame.pixels.dtype == np.uint8 and frame.captured_ns == 77
    changed = np.argwhere((frame.pixels != clip[0][2]).any(2))
    marks = clip[1][2]
    assert len(changed) > 500 and changed[:, 0].min() > marks[5, 1] - 5      # nothing above the tip of the nose


def test_draws_do_not_depend_on_what_came_before(seated):
    order = [(0, 1), (3600, 2), (7200, 3), (3600, 2), (0, 1)]
    first = [seated.draw(window(pts, seed)).pixels for pts, seed in order]
    seated.reset()
    again = [seated.draw(window(pts, seed)).pixels for pts, seed in reversed(order)][::-1]
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert np.array_equal(first[0], first[4]) and not np.array_equal(first[0], first[1])


def test_frames_do_not_share_memory(seated):
    a, b = (seated.draw(window(0, seed)).pixels for seed in (1, 2))
    kept = a.copy()
    b[:] = 0
    assert np.array_equal(a, kept)


def test_one_photo_is_enough_and_lives(network, monkeypatch):
    monkeypatch.setattr(dinet, "_LIVING", {64: 6})
    animator = DINetAnimator(network, size=256, mouth=64)
    animator.sit_avatar(default_avatar())
    silent = [animator.draw(window(3600 * i, voiced=False)).pixels for i in (0, 2, 4)]
    assert not np.array_equal(silent[0], silent[1]) and np.abs(silent[0].astype(int) - silent[2]).mean() < 8
    assert animator.draw(window()).pixels.shape == (256, 256, 3)


def test_photo_may_stand_still(network):
    animator = DINetAnimator(network, size=256, mouth=64, liveliness=0)
    animator.sit(faces.portrait())
    assert np.array_equal(animator.draw(window(0, voiced=False)).pixels, animator.draw(window(9000, voiced=False)).pixels)


def test_contract(seated):
    check_animator(seated, 29, step=1800, still=20)       # this clip shakes


@pytest.fixture
def finishing(network, clip):
    """As on a GPU: pictures are finished where they are drawn."""
    drawing = Drawing(lambda: LiveDINet(network), Lane(), finishes=True)
    animator = DINetAnimator(drawing, size=256, mouth=64, clip="idle.mp4")
    animator.sit(faces.portrait())
    return animator


def test_contract_where_pictures_are_finished_on_the_device(finishing):
    check_animator(finishing, 29, step=1800, still=20)


def test_speech_is_planes_and_silence_the_source_itself(finishing, seated, clip):
    frame = finishing.draw_planes(window(7200, seed=2))
    assert frame.pixels is None and frame.planes.shape == (384, 256) and (frame.pts, frame.captured_ns) == (7200, 77)
    silent = finishing.draw_planes(window(7200, voiced=False))
    assert silent.planes is None and np.array_equal(silent.pixels, clip[0][2])
    assert seated.draw_planes(window(7200, seed=2)).planes is None            # a CPU's own way


def test_a_painter_shows_the_same_either_way(finishing, seated):
    """Speech with a pause in it: apart by the places OpenCV rounds, and not at all where the source is shown."""
    painters = [Painter(FakeExtractor(29), animator, duration=3600, colour=to_picture) for animator in (finishing, seated)]
    sound = speech_like(2.0, pause=0.5)
    for painter in painters:
        painter.warm_up()
        painter.hear(AudioChunk(sound, 16_000, 0, 0, 0))
    differ = set()
    for k in range(40):
        (got,), (want,) = (painter.paint(3600 * k) for painter in painters)
        apart = np.abs(got.planes.astype(int) - want.planes)
        assert (got.pts, got.size) == (want.pts, want.size) and apart.max() <= 4 and apart.mean() < 0.02
        differ.add(bool(apart.any()))
    assert differ == {True, False}


def test_long_clip_is_kept_within_memory(network, clip, monkeypatch):
    monkeypatch.setattr(dinet, "_MOST_CACHE", 4 * 128 * 26 * 20 * 2)
    animator = DINetAnimator(network, size=256, mouth=64, clip="idle.mp4")
    animator.sit(faces.portrait())
    assert len(animator._sources) == 2


def test_misuse(network, seated):
    with pytest.raises(ContractError, match="sit"):
        DINetAnimator(network, mouth=64).draw(window())
    with pytest.raises(ContractError, match="29"):
        seated.draw(dataclasses.replace(window(), rows=np.zeros((9, 80), np.float32)))
    with pytest.raises(UsageError, match="mouth size"):
        DINetAnimator(network, mouth=100)


def test_create(network, tmp_path):
    path = tmp_path / "any.pth"
    torch.save({"epoch": 1, "mouth": 128, "state_dict": {"net_g": {f"module.{k}": v for k, v in network.state_dict().items()}}}, path)
    animator = create(FaceOptions(weights=path, size=256, device="cpu"))
    assert animator.size == (256, 256) and animator._mouth == 128
    for name, mouth in (("frame_64mouth.pth", 64), ("clip_training_DINet_256mouth.pth", 256), ("net.pth", 256)):
        torch.save({"a": 1}, tmp_path / name)
        assert dinet.trained_mouth(tmp_path / name) == mouth
    with pytest.raises(WeightsError, match=r"DINet.*morphable"):
        create(FaceOptions())


def test_half_draws_the_same_picture_in_fewer_bits(network, clip, tmp_path):
    """As a user asks for it. PSNR in dB; 42 is what the live network keeps in bfloat16, a CPU's 16 bits."""
    path = tmp_path / "frame_64mouth.pth"
    torch.save(network.state_dict(), path)
    mouths = []
    for half in (False, True):
        animator = create(FaceOptions(weights=path, size=256, device="cpu", clip="idle.mp4", half=half))
        animator.sit(faces.portrait())
        mouths.append(animator.mouth(0, window(0, seed=3).rows))
    assert not np.array_equal(*mouths)
    assert 10 * np.log10(np.ptp(mouths[0]) ** 2 / np.square(mouths[0] - mouths[1]).mean()) > 42


def test_sessions_share_one_network_and_draw_as_if_alone(network, clip, tmp_path):
    """Three sessions at once, each on its own thread, against the same windows drawn by an animator of its own."""
    path = tmp_path / "frame_64mouth.pth"
    torch.save(network.state_dict(), path)
    asked = FaceOptions(weights=path, size=256, device="cpu", clip="idle.mp4")
    make = dinet.share(asked)
    alone = create(asked)
    alone.sit(faces.portrait())
    seated = [make(asked) for _ in range(3)]
    assert len({id(animator._drawing) for animator in seated}) == 1
    windows = [[window(3600 * i, seed=10 * s + i) for i in range(2)] for s in range(3)]

    def session(number):
        seated[number].sit(faces.portrait())
        return [seated[number].mouth(i, w.rows) for i, w in enumerate(windows[number])]

    with ThreadPoolExecutor(3) as threads:
        drawn = list(threads.map(session, range(3)))
    for number, mouths in enumerate(drawn):
        for i, mouth in enumerate(mouths):
            want = alone.mouth(i, windows[number][i].rows)
            assert np.abs(mouth - want).max() / 255 < 1e-5       # float32 rounding of a batch
    batcher = seated[0]._drawing.batcher
    assert batcher.drawn == 6 and batcher.calls <= 6
    batcher.close()


def test_a_network_that_does_not_fit_is_one_clear_line(seated, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    monkeypatch.setattr(seated._drawing.live, "decode", full)
    with pytest.raises(DeviceError, match="not enough memory"):
        seated.mouth(0, window().rows)


def test_sharing_needs_weights_at_once():
    with pytest.raises(WeightsError, match=r"DINet.*morphable"):
        dinet.share(FaceOptions())
