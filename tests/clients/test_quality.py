import math

import cv2
import numpy as np
import pytest

from limner.clients.quality import Steadiness, psnr, ssim


def pair(noise):
    rng = np.random.default_rng(0)
    a = cv2.GaussianBlur(rng.integers(0, 256, (90, 70, 3), np.uint8), (0, 0), 2)
    return a, np.clip(a + rng.normal(0, noise, a.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("noise", [1, 8, 40])
def test_equal_the_reference_implementation(noise):
    metrics = pytest.importorskip("skimage.metrics")
    a, b = pair(noise)
    assert psnr(a, b) == pytest.approx(metrics.peak_signal_noise_ratio(a, b), abs=1e-6)
    grey = [cv2.cvtColor(p, cv2.COLOR_RGB2GRAY) for p in (a, b)]
    want = metrics.structural_similarity(*grey, gaussian_weights=True, sigma=1.5, use_sample_covariance=False)
    assert ssim(a, b) == pytest.approx(want, abs=1e-4)


def test_equal_pictures_are_perfect():
    a, _ = pair(1)
    assert psnr(a, a) == math.inf and ssim(a, a) == pytest.approx(1)


def test_flicker_is_counted_in_still_parts_only():
    rng = np.random.default_rng(1)
    ground = np.full((60, 80, 3), 100, np.uint8)
    steadiness = Steadiness()
    for k in range(12):
        before = np.clip(ground + rng.normal(0, 1, (60, 80, 1)), 0, 255).astype(np.uint8)
        after = np.clip(100 + 3 * (before.astype(float) - 100), 0, 255).astype(np.uint8)
        before[20:40, 20:40] = after[20:40, 20:40] = 200 if k % 2 else 50      # moves: not flicker
        steadiness.see(before, after)
    assert 0.7 < steadiness.before < 1.5                                       # two rounded normal numbers differ by 1.1
    assert steadiness.after == pytest.approx(3 * steadiness.before, rel=0.05)
