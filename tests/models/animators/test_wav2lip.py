from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from limner.cuda.lane import Lane
from limner.engine.errors import ContractError, WeightsError
from limner.engine.testing import check_animator
from limner.engine.types import FeatureWindow
from limner.models.animators import wav2lip
from limner.models.animators.wav2lip import Wav2LipAnimator, build_network, create
from limner.models.avatar import default_avatar
from limner.models.drawing import Drawing
from limner.models.idleclip import IdleClip
from limner.models.options import FaceOptions
from limner.models.wav2lip.face import to_network
from limner.models.wav2lip.live import LiveWav2Lip
from limner.models.wav2lip.seat import face_windows
from tests.models import faces


def window(pts=0, seed=0, voiced=True):
    rows = np.random.default_rng(seed).uniform(-4, 4, (16, 80)).astype(np.float32)
    return FeatureWindow(rows, pts, 1125, np.full(16, voiced), 5)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return build_network()


@pytest.fixture
def seated(network, monkeypatch):
    frames, marks = faces.moving(4)
    monkeypatch.setattr(wav2lip, "read_clip", lambda path, size: IdleClip(frames, marks, 3600))
    animator = Wav2LipAnimator(network, size=256, clip="idle.mp4")
    animator.sit(faces.portrait())
    return animator


def test_cached_drawing_equals_the_plain_network(seated, network):
    frames, marks = faces.moving(4)
    look = wav2lip.paste.look(frames[2], face_windows(marks)[2], (96, 96))
    rows = window(seed=3).rows
    with torch.inference_mode():
        plain = network.eval()(torch.from_numpy(rows.T.copy())[None, None], torch.from_numpy(to_network(look[..., ::-1]))[None])
    drawn = seated.mouth(2, rows)
    assert np.abs(drawn[..., ::-1] / 255 - plain[0].permute(1, 2, 0).numpy()).max() < 1e-5


def test_silence_is_the_source_and_speech_is_not(seated):
    frames, marks = faces.moving(4)
    assert np.array_equal(seated.draw(window(3600, voiced=False)).pixels, frames[1])
    changed = np.argwhere((seated.draw(window(3600)).pixels != frames[1]).any(2))
    box = face_windows(marks)[1]
    assert len(changed) > 500 and changed[:, 0].min() >= box.top + box.height / 2 - 1


def test_draws_do_not_depend_on_what_came_before(seated):
    first = seated.draw(window(0, 1)).pixels
    seated.draw(window(3600, 2))
    seated.reset()
    assert np.array_equal(seated.draw(window(0, 1)).pixels, first)


def test_photo(network, monkeypatch):
    monkeypatch.setattr(wav2lip, "_LIVING", 4)
    for liveliness in (0, 1):
        animator = Wav2LipAnimator(network, size=256, liveliness=liveliness)
        animator.sit_avatar(default_avatar())
        assert animator.draw(window()).pixels.shape == (256, 256, 3) and len(animator._sources) == (4 if liveliness else 1)


def test_contract(seated):
    check_animator(seated, 80, step=1125, still=20)       # this clip shakes


def test_contract_where_pictures_are_finished_on_the_device(network, seated):
    animator = Wav2LipAnimator(Drawing(lambda: LiveWav2Lip(network), Lane(), finishes=True), size=256, clip="idle.mp4")
    animator.sit(faces.portrait())
    check_animator(animator, 80, step=1125, still=20)
    assert animator.draw_planes(window()).pixels is None and seated.draw_planes(window()).planes is None


def test_misuse_and_create(network, tmp_path):
    with pytest.raises(ContractError, match="sit"):
        Wav2LipAnimator(network).draw(window())
    path = tmp_path / "w"
    torch.save({"state_dict": {f"module.{k}": v for k, v in network.state_dict().items()}}, path)
    assert create(FaceOptions(weights=path, size=256, device="cpu")).window == (0, 15)
    with pytest.raises(WeightsError, match=r"Wav2Lip.*morphable"):
        create(FaceOptions())


def test_sessions_share_one_network_and_draw_as_if_alone(network, seated, tmp_path):
    """Two sessions at once, each on its own thread, against the same windows drawn by an animator of its own."""
    path = tmp_path / "w"
    torch.save(network.state_dict(), path)
    asked = FaceOptions(weights=path, size=256, device="cpu", clip="idle.mp4")
    make = wav2lip.share(asked)
    sharing = [make(asked) for _ in range(2)]
    windows = [[window(3600 * i, seed=10 * s + i) for i in range(3)] for s in range(2)]

    def session(number):
        sharing[number].sit(faces.portrait())
        return [sharing[number].mouth(i, w.rows) for i, w in enumerate(windows[number])]

    with ThreadPoolExecutor(2) as threads:
        drawn = list(threads.map(session, range(2)))
    for number, mouths in enumerate(drawn):
        for i, mouth in enumerate(mouths):
            assert np.abs(mouth - seated.mouth(i, windows[number][i].rows)).max() / 255 < 1e-5
    batcher = sharing[0]._drawing.batcher
    assert sharing[1]._drawing.batcher is batcher and batcher.drawn == 6 and batcher.calls <= 6
    batcher.close()
    with pytest.raises(WeightsError, match=r"Wav2Lip.*morphable"):
        wav2lip.share(FaceOptions())
