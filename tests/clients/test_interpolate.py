import json

import av
import numpy as np
import pytest
import torch

from limner.clients import clip, interpolate
from limner.engine.errors import MediaError, UsageError, WeightsError
from limner.models.interpolators.amt import build_network
from tests.clients import moving_picture


@pytest.fixture
def source(tmp_path):
    return moving_picture.film(tmp_path / "in.mp4")


def sound(path):
    with av.open(str(path)) as container:
        parts = [f.to_ndarray()[0] for f in container.decode(audio=0)]
    return np.concatenate(parts)


@pytest.mark.parametrize("fps", [30, 50, 60])
def test_a_clip_becomes_faster_and_keeps_its_sound(tmp_path, source, fps):
    out = tmp_path / "out.mp4"
    assert interpolate.run(source, out, fps=fps, report=tmp_path / "r.json", quiet=True) == 0
    made = list(clip.frames(clip.describe(out)))
    step = 90_000 // fps
    assert [f.pts for f in made] == list(range(0, 12 * 3600, step))
    numbers = json.loads((tmp_path / "r.json").read_text())
    assert numbers["pictures"] == len(made) and numbers["fps"] == fps and numbers["between"] > 0
    a, b = sound(source), sound(out)
    n = min(len(a), len(b)) - 4096
    assert np.corrcoef(a[2048:n], b[2048:n])[0, 1] > 0.99


def test_the_check_compares_with_frames_that_were_really_there(tmp_path, source, capsys):
    assert interpolate.run(source, tmp_path / "out.mp4", check=True, report=tmp_path / "r.json") == 0
    check = json.loads((tmp_path / "r.json").read_text())["check"]
    assert check["pairs"] == 5 and 25 < check["blend"]["psnr_db"] < 50 and 0.8 < check["blend"]["ssim"] < 1
    assert check["drawn"] is None and "needs its weights" in capsys.readouterr().err


def test_a_network_is_compared_with_the_baseline(tmp_path, capsys):
    source = moving_picture.film(tmp_path / "in.mp4", 5)
    torch.manual_seed(0)
    torch.save(build_network().state_dict(), tmp_path / "amt.pth")
    interpolate.run(source, tmp_path / "out.mp4", method="amt", weights=tmp_path / "amt.pth", check=True, device="cpu",
                    report=tmp_path / "r.json")
    check = json.loads((tmp_path / "r.json").read_text())["check"]
    assert check["drawn"]["psnr_db"] < check["blend"]["psnr_db"]          # untrained weights draw nothing useful
    assert "amt" in capsys.readouterr().err


def test_a_silent_clip_is_no_error(tmp_path):
    source = moving_picture.film(tmp_path / "in.mp4", 6, sound=False)
    assert interpolate.run(source, tmp_path / "out.mp4", fps=50, quiet=True) == 0
    assert clip.describe(tmp_path / "out.mp4").rate == 50


def test_mistakes_leave_no_file(tmp_path, source):
    out = tmp_path / "out.mp4"
    for mistake, error in (({"fps": 37}, UsageError), ({"method": "nosuch"}, UsageError), ({"method": "amt"}, WeightsError)):
        with pytest.raises(error):
            interpolate.run(source, out, quiet=True, **mistake)
    with pytest.raises(MediaError, match="too short"):
        interpolate.run(moving_picture.film(tmp_path / "short.mp4", 2), out, check=True, quiet=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.mp4", "short.mp4"]
