import numpy as np
import pytest

from limner.models.training import speech_augment as sa

RNG = np.random.default_rng
MEL = np.concatenate([np.full((4, 100, 80), -18.4), RNG(0).normal(-4, 2, (4, 200, 80))], 1).astype(np.float32)


def test_same_seed_same_sound():
    a, b = sa.augment(MEL, RNG(1))[0], sa.augment(MEL, RNG(1))[0]
    assert np.array_equal(a, b) and not np.array_equal(a, sa.augment(MEL, RNG(2))[0])


def test_output_is_finite_log_power_of_the_same_shape():
    out, gone = sa.augment(MEL, RNG(1))
    assert out.shape == MEL.shape and out.dtype == np.float32 and np.isfinite(out).all() and gone.shape == (4,)


def test_silenced_items_lose_their_speech():
    out, gone = sa.augment(MEL, RNG(1), silent=1.0)
    assert gone.all()
    kept, none = sa.augment(MEL, RNG(1), silent=0.0)
    assert not none.any()

    def envelope(mel):
        return np.corrcoef(mel.mean(-1).ravel(), MEL.mean(-1).ravel())[0, 1]
    assert envelope(kept) > 0.5 > 0.3 > envelope(out)


def test_a_room_rings_on_after_the_sound():
    power = np.zeros((40, 60, 80), np.float32)
    power[:, 10] = 1
    out = sa.room(power, RNG(0))
    rings = out[:, 12, 0] > 0
    assert 0.3 < rings.mean() < 0.9
    tail = out[rings][:, 11:, 0]
    assert (np.diff(tail, axis=1) < 0).all() and (out[:, :10] == 0).all()


def test_warped_bands_move_a_peak_both_ways():
    power = np.zeros((50, 1, 80), np.float32)
    power[:, 0, 40] = 1
    peaks = sa.warp_bands(power, RNG(0))[:, 0].argmax(-1)
    assert peaks.min() < 38 and peaks.max() > 42 and peaks.min() >= 35 and peaks.max() <= 46


def test_revoicing_blurs_harmonics_and_keeps_the_envelope():
    power = np.tile(np.where(np.arange(80) % 4 == 0, 8.0, 0.1), (30, 400, 1)).astype(np.float32)
    out = sa.revoiced(power.copy(), RNG(0)).mean(1)
    contrast = out[:, 40] / out[:, 42]
    assert contrast.max() > 40 and contrast.min() < 4                       # untouched to well blurred
    assert np.allclose(out[:, 8:72].mean(1), power[:, :, 8:72].mean((1, 2)), rtol=0.1)


def test_masks_take_little():
    out = sa.masked(np.ones((40, 300, 80), np.float32), RNG(0))
    assert 0.02 < (out < 0.5).mean() < 0.25


def test_noise_has_unit_power_and_events_are_sparse():
    assert sa.shaped_noise(3, 400, RNG(0)).mean((1, 2)) == pytest.approx(np.ones(3), rel=1e-4)
    events = sa.events(6, 800, RNG(0))
    assert events.min() >= 0 and 0 < (events.max(-1) > 0.05).mean() < 0.6


def test_codec_only_removes_what_is_masked():
    power = np.full((30, 5, 80), 1.0, np.float32)
    power[:, :, 60:] = 1e-6
    out = sa.codec(power, RNG(0))
    assert np.array_equal(out[..., :60], power[..., :60])
    assert 0 < (out[:, 0, 70] < 1e-6).mean() < 1
