import cv2
import numpy as np
import pytest

from limner.clients import bench_face_speed


def test_quantiles_leave_out_the_warm_up_and_stages_add_up():
    costs = {"hear": [9.0] * bench_face_speed.WARM_UP + [1.0] * 20, "draw": [99.0] * bench_face_speed.WARM_UP + [3.0] * 18 + [4.0] * 2}
    out = bench_face_speed.summary(costs)
    assert out["hear_ms"] == {"p50": 1.0, "p95": 1.0}
    assert out["draw_ms"]["p50"] == 3.0 and 3.0 < out["draw_ms"]["p95"] <= 4.0
    assert out["fps"] == pytest.approx(1000 / (1.0 + 3.1))


def test_every_stage_of_both_sizes_is_measured_and_threads_are_given_back():
    threads = cv2.getNumThreads()
    rng = np.random.default_rng(0)
    out = bench_face_speed.speeds(rng.normal(0, 0.05, 16_000).astype(np.float32))
    assert cv2.getNumThreads() == threads
    assert list(out) == ["512", "1024"]
    for size in out.values():
        assert set(size) == {"hear_ms", "draw_ms", "colour_ms", "encode_ms", "fps"}
        assert all(0 < size[stage]["p50"] <= size[stage]["p95"] for stage in size if stage != "fps")
