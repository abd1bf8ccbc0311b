import json
from fractions import Fraction

import av
import numpy as np
import pytest
import torch

from limner.clients import score
from limner.engine.errors import WeightsError
from limner.models.syncnet import build_network
from tests.models import faces
from tests.models.features.test_deepspeech import voice


def write(path, frames, samples):
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.height, video.width, video.pix_fmt = *frames[0].shape[:2], "yuv420p"
        audio = container.add_stream("aac", rate=16_000, layout="mono")
        for frame in frames:
            container.mux(video.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(video.encode())
        sound = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        sound.sample_rate, sound.time_base, sound.pts = 16_000, Fraction(1, 16_000), 0
        container.mux(audio.encode(sound))
        container.mux(audio.encode())
    return path


def test_clip_is_scored(tmp_path, monkeypatch, capsys):
    frames, marks = faces.moving(9, 128)
    clip = write(tmp_path / "c.mp4", frames, voice(0.8))
    monkeypatch.setattr(score, "follow", lambda pictures, path: marks[:len(pictures)])
    torch.save({"state_dict": build_network("wav2lip").state_dict()}, tmp_path / "w")
    assert score.run(clip, tmp_path / "w", tmp_path / "s.json") == 0
    told = capsys.readouterr().out
    assert "LSE-D" in told and "LSE-C" in told and told.count("\n") == 1
    numbers = json.loads((tmp_path / "s.json").read_text())
    assert numbers["frames"] == 4 and np.isfinite(numbers["lse_d"]) and numbers["network"] == "wav2lip.sync"


def test_what_to_supply(tmp_path):
    with pytest.raises(WeightsError, match=r"syncnet_v2\.model.*lipsync_expert"):
        score.run(tmp_path / "c.mp4")
    torch.save({"a": torch.zeros(1)}, tmp_path / "w")
    with pytest.raises(WeightsError, match="no lip-sync network"):
        score.run(tmp_path / "c.mp4", tmp_path / "w")
