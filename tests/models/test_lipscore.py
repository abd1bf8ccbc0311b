import numpy as np
import pytest
import torch

from limner.engine.errors import MediaError
from limner.models.lipscore import embed_v2, embed_wav2lip, lip_sync_error, syncnet_windows
from limner.models.syncnet import build_network
from tests.models import faces
from tests.models.features.test_deepspeech import voice


def walk(count, seed=0):
    return np.random.default_rng(seed).standard_normal((count, 8)).astype(np.float32)


@pytest.mark.parametrize("early", [-7, -1, 0, 3, 15])
def test_offset_is_found_with_its_sign(early):
    """Voice at frame t belongs to the lips of t + early: the sound comes first when early is positive."""
    lips = walk(120)
    voice_ = np.stack([lips[(t + early) % 120] for t in range(120)])
    score = lip_sync_error(lips, voice_)
    assert score.offset == early and score.distance < 1 and score.confidence > 2 and score.frames == 120


def test_definition():
    lips, sound = walk(30, 1), walk(30, 2)
    tensors = torch.from_numpy(lips), torch.from_numpy(np.pad(sound, ((15, 15), (0, 0))))
    means = torch.stack([torch.nn.functional.pairwise_distance(tensors[0], tensors[1][s:s + 30]).mean() for s in range(31)])
    score = lip_sync_error(lips, sound)
    assert score.distance == pytest.approx(float(means.min()), abs=1e-5)
    assert score.confidence == pytest.approx(float(means.median() - means.min()), abs=1e-5)
    assert score.offset == 15 - int(means.argmin())


def test_nothing_to_compare():
    with pytest.raises(MediaError, match="six frames"):
        lip_sync_error(np.empty((0, 1), np.float32), walk(3))


def test_syncnet_sees_the_face_high_in_its_square():
    _, marks = faces.moving(3)
    for window, points in zip(syncnet_windows(marks), marks, strict=True):
        assert window.width == window.height and abs(points[:, 1].min() - window.top) < 4
        assert window.top + window.height > points[:, 1].max() + 0.2 * np.ptp(points[:, 1])


@pytest.mark.parametrize(("variant", "embed", "width"), [("v2", embed_v2, 1024), ("wav2lip", embed_wav2lip, 512)])
def test_embeddings_are_those_of_the_windows(variant, embed, width):
    torch.manual_seed(0)
    network = build_network(variant).eval()
    frames, marks = faces.moving(8, 128)
    lips, heard = embed(network, list(frames), marks, voice(0.6))
    assert lips.shape == heard.shape == (3, width)
    later_lips, later_heard = embed(network, list(frames), marks, np.concatenate([voice(0.6), np.zeros(3200, np.float32)]))
    np.testing.assert_allclose(later_lips, lips, atol=1e-5)
    np.testing.assert_allclose(later_heard[:2], heard[:2], atol=1e-4)


def test_too_short_clip_embeds_nothing():
    frames, marks = faces.moving(4, 128)
    lips, _ = embed_v2(build_network("v2").eval(), list(frames), marks, voice(0.3))
    assert len(lips) == 0
