"""The published file pipeline with a fixed box, replayed from our parts."""

import cv2
import numpy as np
import torch

from limner.models.animators.wav2lip import build_network
from limner.models.features.logmel import WAV2LIP, log_mel
from limner.models.wav2lip.face import SIDE, mel_window, to_network
from tests.golden import cases as golden


@golden.cases("wav2lip.e2e")
def test_replay(path):
    case = golden.read(path)
    mel = log_mel(case.inputs["wav"] / 32768.0, WAV2LIP)
    assert np.abs(mel.T - case.outputs["mel"]).max() < 1e-5              # the reference computed its spectrum in complex64
    count = len(case.outputs["y"])
    windows = np.stack([mel_window(mel, i, case.meta["fps"]) for i in range(count)])
    assert np.abs(windows - case.outputs["mel_chunks"]).max() < 1e-5

    top, bottom, left, right = case.meta["box_y1y2x1x2"]
    network = golden.load(build_network(), "wav2lip", case.seed)
    frames = case.inputs["frames"]
    for i in range(count):
        frame = frames[i % len(frames)].copy()
        face = cv2.resize(frame[top:bottom, left:right], (SIDE, SIDE))
        both = to_network(face)
        with torch.inference_mode():
            y = network(torch.from_numpy(case.outputs["mel_chunks"][i:i + 1]), torch.from_numpy(both[None]))[0].numpy()
        assert np.abs(y - case.outputs["y"][i]).max() < 1e-5
        drawn = (case.outputs["y"][i].transpose(1, 2, 0) * 255).astype(np.uint8)
        frame[top:bottom, left:right] = cv2.resize(drawn, (right - left, bottom - top))
        assert np.array_equal(frame, case.outputs["frames"][i])
