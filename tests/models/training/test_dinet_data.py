import numpy as np
import pytest

from limner.engine.errors import InputError, PortraitError
from limner.models.dinet import crop
from limner.models.training import dinet_data as data
from tests.models import faces


def video(count=60, size=256):
    frames, marks = faces.moving(count, size)
    logits = np.arange(count, dtype=np.float32)[:, None].repeat(29, 1)
    return list(frames), marks[:, list(crop.MULTI_PIE), :2], logits


def cut(frames, marks, logits, seed):
    return data.cut_clips(frames, marks, logits, 64, np.random.default_rng(seed))


@pytest.fixture(scope="module")
def footage():
    return cut(*video(), 0)


def test_clips_are_nine_frames_with_their_rows(footage):
    assert footage.frames.shape == (6, 9, 104, 80, 3) and footage.audio.shape == (6, 9, 29)
    assert footage.audio[:, :, 0].astype(int).tolist() == [list(range(s, s + 9)) for s in range(0, 54, 9)]
    mouths = footage.frames[:, :, 60:80, 30:50].astype(int)
    assert mouths.std() > 5                                              # a face, not a flat corner


def test_same_seed_same_crops():
    large = video(60, 512)                                               # a radius goes in steps of four pixels
    first, again, other = (cut(*large, seed).frames for seed in (0, 0, 1))
    assert np.array_equal(again, first) and not np.array_equal(other, first)


def test_too_short_or_out_of_view():
    frames, marks, logits = video(53)
    few = cut(frames, marks, logits, 0)
    with pytest.raises(PortraitError, match=r"a\.mp4: 5 usable clips"):
        data.join([few], "a.mp4")
    assert len(data.join([few, few], "a.mp4").frames) == 10
    assert cut(frames, marks + 200, logits, 0).frames.shape == (0, 9, 104, 80, 3)


def test_batches_depend_on_seed_and_step_alone(footage):
    one, two = data.Sampler([footage], 64, 5), data.Sampler([footage], 64, 5)
    two.frames(0, 3)
    a, b = one.frames(4, 3), two.frames(4, 3)
    assert all(np.array_equal(x, y) for x, y in zip((a.source, a.audio, a.reference), (b.source, b.audio, b.reference), strict=True))
    assert not np.array_equal(a.source, one.frames(5, 3).source)


def test_frame_batches(footage):
    batch = data.Sampler([footage], 64, 0).frames(0, 40)
    assert batch.source.shape == (40, 3, 104, 80) and batch.reference.shape == (40, 15, 104, 80) and batch.audio.shape == (40, 29, 5)
    assert not batch.source[:, :, 32:96, 8:72].any() and batch.target[:, :, 32:96, 8:72].any()
    steps = np.diff(batch.audio[:, 0].numpy(), axis=1)
    assert (steps == 1).all()                                            # five neighbouring rows
    centres = batch.audio[:, 0, 2].numpy().astype(int) % 9
    assert set(centres) == {2, 3, 4, 5, 6}


def test_references_come_from_five_other_clips(footage):
    clip_of = {footage.frames[c, f].tobytes(): c for c in range(6) for f in range(9)}
    batch = data.Sampler([footage], 64, 1).frames(0, 20)
    pictures = (batch.reference.numpy() * 255).round().astype(np.uint8).reshape(20, 5, 3, 104, 80).transpose(0, 1, 3, 4, 2)
    for own, looks in zip(batch.audio[:, 0, 2].numpy().astype(int) // 9, pictures, strict=True):
        clips = [clip_of[np.ascontiguousarray(look).tobytes()] for look in looks]
        assert len(set(clips)) == 5 and own not in clips


def test_clip_batches(footage):
    batch = data.Sampler([footage], 64, 0).clips(0, 2)
    assert batch.source.shape == (10, 3, 104, 80) and batch.clip_audio.shape == (2, 29, 9)
    starts = batch.clip_audio[:, 0, 0].numpy()
    assert batch.audio[:, 0, 2].numpy().reshape(2, 5).tolist() == [[s + c for c in range(2, 7)] for s in starts]


def test_footage_file(tmp_path, footage):
    path = tmp_path / "a.npz"
    data.save_footage(path, footage)
    read = data.load_footage(path, 64)
    assert np.array_equal(read.frames, footage.frames) and np.array_equal(read.audio, footage.audio)
    with pytest.raises(InputError, match="prepare the video again"):
        data.load_footage(path, 128)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match="not prepared clips"):
        data.load_footage(path, 64)
