import numpy as np

from limner.models.wav2lip.face import mel_window, to_network


def test_stack_is_masked_then_whole():
    rng = np.random.default_rng(0)
    face = rng.integers(1, 256, (96, 96, 3), np.uint8)
    x = to_network(face)
    assert x.shape == (6, 96, 96) and not x[:3, 48:].any()
    assert np.array_equal(x[:3, :48], x[3:, :48]) and x[3:].min() > 0


def test_windows_start_at_the_frame_and_the_last_repeats():
    mel = np.arange(40, dtype=np.float32)[:, None].repeat(80, 1)
    assert [int(mel_window(mel, i, 25)[0, 0, 0]) for i in range(9)] == [0, 3, 6, 9, 12, 16, 19, 22, 24]
    assert mel_window(mel, 0, 25).shape == (1, 80, 16)
