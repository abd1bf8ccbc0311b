"""The bench's own logic, and its cases at small sizes on the CPU. What a GPU does is shown by running it there."""

import json

import pytest
import torch

from limner.clients import bench_gpu, bench_gpu_cases
from limner.clients.bench_gpu_cases import CASES, Case, VolumeAdaAT, held
from limner.clients.cli import main
from limner.cuda.lane import Lane
from limner.engine.errors import DeviceError, UsageError
from limner.models.dinet.adaat import AdaAT
from limner.models.dinet.live import Source


@pytest.fixture
def lane():
    with Lane() as opened:
        yield opened


def test_a_machine_without_a_gpu_is_told_in_one_line(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(DeviceError, match="no CUDA GPU is usable here"):
        bench_gpu.run()
    assert main(["bench", "gpu"]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and "--device cpu" in said[0]


def test_the_plain_way_is_the_published_operator():
    """The volume with its grid in memory, and the mix with two-dimensional sampling: float32 rounding apart."""
    torch.manual_seed(0)
    mixing, volume = AdaAT(16, 12), VolumeAdaAT(16, 12)
    volume.load_state_dict(mixing.state_dict())
    feature, code = torch.randn(3, 12, 9, 7), torch.randn(3, 16)
    torch.testing.assert_close(mixing(feature, code), volume(feature, code), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["copy", "dinet-1", "amt-s-512", "finished"])
def test_cases_at_small_sizes(name, tmp_path):
    report = bench_gpu.run(tmp_path / "gpu.json", quick=True, only=name, device="cpu")
    assert json.loads((tmp_path / "gpu.json").read_text()) == report and report["tiny"] == 1
    (found, result), = report["cases"].items()
    assert found == name and result["plain"]["p50_ms"] >= (0 if name == "copy" else 0.01)        # 64 KiB are copied in no time
    # float32 rounding, or the places OpenCV rounds and whole levels; half precision as autocast uses it
    for way, least in (("live", 50 if name == "finished" else 90), ("live_f16", 30)):
        assert way not in result or result[way]["psnr_db"] > least
    assert name == "copy" or result["live"]["ratio"] > 0


@pytest.mark.slow
def test_the_chain_is_the_products_own_and_gives_the_same_planes_all_ways(lane):
    case = lane.call(lambda: bench_gpu_cases.chain(lane, True))
    pictures = {name: way() for name, way in case.ways.items()}
    plain = pictures["plain"]
    assert plain.shape == (2, 384, 256) and plain.dtype == torch.uint8 and plain.float().std() > 5
    assert torch.equal(pictures["staged"], plain)            # nothing is recorded on a CPU
    # places OpenCV rounds, through a network of random weights
    assert bench_gpu.psnr(plain, pictures["live"]) > 50 and not torch.equal(pictures["live"], plain)
    # bfloat16, eight bits of mantissa, in DINet and GFPGAN
    assert bench_gpu.psnr(plain, pictures["live_f16"]) > 50 and not torch.equal(pictures["live_f16"], pictures["live"])
    films = {name: way.__self__._painter._joined for name, way in case.ways.items()}
    assert films["live"] is not None and films["plain"] is films["staged"] is None
    assert not torch.equal(case.ways["live"](), pictures["live"])        # the next instant


def test_a_sessions_memory_counts_shared_maps_once():
    feature = torch.zeros(1, 256, 4, 4)
    sources = [Source(torch.zeros(1, 128), torch.zeros(1, 128, 4, 4), feature) for _ in range(3)]
    assert held(sources) == 4 * (256 * 16 + 3 * (128 + 128 * 16))


def test_figures():
    case = Case("x", 4, {}, floor_gflop=600)
    found = bench_gpu.figures(case, 20.0)
    assert found == {"ms_per_picture": 5.0, "sessions_at_25": 8, "sessions_at_50": 4, "tflops": 30.0}
    ramp = torch.linspace(0, 1, 1001)
    assert bench_gpu.psnr(ramp, ramp) == 200 and bench_gpu.psnr(ramp, ramp + 0.01) == pytest.approx(40, abs=0.1)
    assert bench_gpu.psnr(10 * ramp, 10 * ramp + 0.1) == pytest.approx(40, abs=0.1)


def test_one_case_that_breaks_does_not_cost_the_others(monkeypatch, tmp_path, capsys):
    def full():
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(bench_gpu_cases, "CASES", {
        "full": lambda lane, tiny: Case("a", 1, {"plain": full}),
        "broken": lambda lane, tiny: Case("b", 1, {"plain": lambda: torch.ones(2) @ torch.ones(3)}),
        "good": lambda lane, tiny: Case("c", 1, {"plain": lambda: torch.ones(2), "live": lambda: torch.ones(2)}),
    })
    with pytest.raises(RuntimeError, match="size"):
        bench_gpu.run(tmp_path / "gpu.json", quick=True, device="cpu")
    cases = json.loads((tmp_path / "gpu.json").read_text())["cases"]
    assert cases["full"] == {"out_of_memory": 1} and cases["broken"] == {"failed": 1} and cases["good"]["live"]["psnr_db"] == 200
    assert "does not fit" in capsys.readouterr().err


def test_names():
    assert {"dinet-1", "dinet-8", "dinet-32", "amt-l-720p", "gfpgan", "codeformer", "finished", "chain"} <= set(CASES)
    with pytest.raises(UsageError, match="dinet-8"):
        bench_gpu.run(only="nothing", device="cpu")
