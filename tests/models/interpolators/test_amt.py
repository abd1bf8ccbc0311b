import pytest
import torch

from limner.engine.errors import UsageError, WeightsError
from limner.models.interpolators.amt import build_network, create
from tests.golden import cases as golden

VARIANTS = ("amt_s", "amt_l", "amt_g")


@pytest.fixture(scope="module")
def loaded():
    """Golden networks by name and seed, built once."""
    built = {}

    def get(name, seed):
        if (name, seed) not in built:
            built[name, seed] = golden.load(build_network(name), name, seed)
        return built[name, seed]

    return get


def every_case(function):
    paths = [pytest.param(p, id=f"{v}-{p.stem}") for v in VARIANTS for p in sorted((golden.FOLDER / v).glob("case_*.npz"))]
    return pytest.mark.parametrize("path", paths or [pytest.param(None, marks=pytest.mark.skip(reason="golden cases are not here"))])(function)


def coarse(network, case):
    """The intermediate results the cases record, for their first instant."""
    a, b, t, scale = case.tensors()
    mean = torch.cat([a, b], dim=1).mean(dim=(1, 2, 3), keepdim=True)
    pair = network.pair(network.encode(a - mean, float(scale)), network.encode(b - mean, float(scale)), mean)
    motion = network.motion(pair, t[:1])
    return {"flow0_lvl4": motion.coarse_flow0, "ft3_mean": motion.coarse_content.mean(dim=(2, 3)),
            "flow1_lvl1_mean": motion.flow1.unflatten(1, (-1, 2)).mean(dim=1)[..., ::4, ::4]}


@every_case
def test_equals_the_published_network(path, loaded):
    case = golden.read(path)
    network = loaded(case.name, case.seed)
    with torch.inference_mode():
        case.check("y", network(*case.tensors()), least=1e-4)                 # pictures in 0..1
        if all(side % 16 == 0 for side in case.inputs["img0"].shape[-2:]) and "flow0_lvl4" in case.outputs:
            for name, value in coarse(network, case).items():
                case.check(name, value, least=1e-3)                          # flows in px


def test_unknown_variant_is_named():
    with pytest.raises(UsageError, match="amt_s, amt_l, amt_g"):
        build_network("amt_x")


@pytest.mark.parametrize("variant", ["amt_s", "amt_l"])
def test_a_checkpoint_is_told_by_its_content(tmp_path, variant):
    torch.manual_seed(0)
    network = build_network(variant)
    path = tmp_path / "weights.pth"
    torch.save({"epoch": 3, "state_dict": network.state_dict(), "optim": {}}, path)
    stage = create(fps=50, weights=path, device="cpu")
    loaded = stage.live.network
    assert loaded.size == network.size and (stage.delay, stage.factor, stage.step) == (1, 2, 1800)
    assert all(torch.equal(a, b) for a, b in zip(loaded.state_dict().values(), network.state_dict().values(), strict=True))


def test_without_weights_the_way_out_is_named():
    with pytest.raises(WeightsError, match=r"amt-s\.pth.*use blend"):
        create(fps=50)


def test_another_networks_file_is_refused(tmp_path):
    path = tmp_path / "weights.pth"
    torch.save({"something.weight": torch.zeros(3)}, path)
    with pytest.raises(WeightsError, match="not the AMT-S"):
        create(fps=50, weights=path)
