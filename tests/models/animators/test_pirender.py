import numpy as np
import pytest
import torch

from limner.engine.errors import ContractError, UsageError, WeightsError
from limner.engine.testing import check_animator
from limner.engine.types import EXPRESSION_ROW, FeatureWindow, Portrait
from limner.models.animators import pirender
from limner.models.animators.pirender import PIRenderAnimator, build_network, create
from limner.models.options import FaceOptions
from limner.models.pirender.drive import Basis
from limner.models.pirender.network import COEFFICIENTS, WINDOW, PIRenderer, Rendered
from tests.golden import cases as golden


@golden.cases("pirender")
def test_equals_the_published_network(path):
    case = golden.read(path)
    network = golden.load(build_network(), case.name, case.seed)
    image, coefficients = case.tensors()
    with torch.inference_mode():
        rendered = network.render(network.prepare(image), coefficients)
        assert torch.equal(network(image, coefficients), rendered.image)
    case.check("y", rendered.image)
    case.check("warp_image", rendered.warped)
    case.check("flow_field", rendered.flow)
    case.check("descriptor", rendered.descriptor)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(1)
    return build_network()


def portrait(side=256):
    y, x = np.mgrid[:side, :side] / side
    image = np.stack([128 + 90 * np.sin(6 * x + c) * np.cos(5 * y) for c in range(3)], -1).astype(np.uint8)
    landmarks = np.zeros((478, 3), np.float32)
    landmarks[[468, 473, 1, 61, 291], :2] = np.array([(.38, .42), (.62, .42), (.5, .56), (.41, .7), (.59, .7)]) * side
    return Portrait(image, landmarks, np.eye(2, 3, dtype=np.float32), np.ones((side, side), np.float32))


def basis(scale=0.5):
    return Basis(np.random.default_rng(0).normal(0, scale, (64, 52)).astype(np.float32))


def animator(network, **more):
    made = PIRenderAnimator(network, basis(), **{"size": 256, "liveliness": 0.0, **more})
    made.sit(portrait())
    return made


def window(made, rows, pts=0, offset=0):
    return FeatureWindow(np.asarray(rows, np.float32), pts, 900, np.zeros(len(rows), bool), 7, offset)


def test_coefficient_rows_reach_the_network_as_they_are(network):
    made = animator(network, ahead=13)
    rows = np.random.default_rng(1).normal(0, 0.3, (sum(made.window) + 1, COEFFICIENTS)).astype(np.float32)
    frame = made.draw(window(made, rows, 3600))
    coefficients = torch.from_numpy(rows[:-1:4].T.copy())[None]
    assert coefficients.shape == (1, COEFFICIENTS, WINDOW)
    image = torch.from_numpy(portrait().image).permute(2, 0, 1)[None] / 127.5 - 1
    with torch.inference_mode():
        want = (network(image, coefficients)[0].permute(1, 2, 0) + 1) * 127.5
    assert np.abs(frame.pixels - want.numpy()).max() <= 0.51
    assert (frame.pts, frame.captured_ns) == (3600, 7)


def test_beyond_the_look_ahead_the_last_row_is_repeated(network):
    full, short = animator(network, ahead=13), animator(network, ahead=2)
    rows = np.random.default_rng(2).normal(0, 0.3, (sum(full.window) + 1, COEFFICIENTS)).astype(np.float32)
    rows[15 * 4:] = rows[15 * 4]
    assert np.array_equal(full.draw(window(full, rows)).pixels, short.draw(window(short, rows[:sum(short.window) + 1])).pixels)


def test_instants_between_rows_are_interpolated(network):
    made = animator(network)
    rows = np.zeros((sum(made.window) + 1, COEFFICIENTS), np.float32)
    rows[1::2] = 0.4
    half = made._frames(window(made, rows, offset=450))
    np.testing.assert_allclose(half, 0.2, atol=1e-6)


def test_expressions_go_through_the_basis(network):
    made = animator(network)
    rows = np.random.default_rng(3).uniform(0, 1, (sum(made.window) + 1, EXPRESSION_ROW)).astype(np.float32)
    rows[:, 52:] = 0
    drawn = made.draw(window(made, rows)).pixels
    coefficients = made._driver.coefficients(made._frames(window(made, rows)))
    np.testing.assert_allclose(coefficients[:, :64], made._frames(window(made, rows))[:, :52] @ basis().matrix.T, atol=1e-4)
    assert np.array_equal(drawn, made.render(coefficients))


def test_large_pictures_keep_the_portraits_own_detail(network):
    small, large = animator(network), PIRenderAnimator(network, basis(), size=512, liveliness=0.0)
    seat = portrait(512)
    large.sit(seat)
    coefficients = np.zeros((WINDOW, COEFFICIENTS), np.float32)
    half = large.render(coefficients).astype(float).reshape(256, 2, 256, 2, 3).mean(axis=(1, 3))
    difference = np.abs(half - small.render(coefficients))[8:-8, 8:-8]
    assert large.size == (512, 512) and difference.mean() < 3          # the same picture, drawn finer


class Shade(PIRenderer):
    """Maps motion as published, but only shades the portrait with it; the contract is the animator's, not the network's."""

    def render(self, source, window):
        descriptor = self.mapping_net(window)
        image = torch.tanh(source.image + descriptor.mean())
        return Rendered(image, source.image, torch.zeros(1, 2, 64, 64), descriptor)


def test_keeps_the_animator_contract():
    torch.manual_seed(2)
    check_animator(animator(Shade(), liveliness=1.0), EXPRESSION_ROW)


def test_own_motion_is_asked_once_per_instant_in_order(network):
    made = animator(network, liveliness=1.0)
    asked = []
    made.idle.at = lambda pts, voiced, at=made.idle.at: asked.append(pts) or at(pts, voiced)
    rows = np.zeros((sum(made.window) + 1, EXPRESSION_ROW), np.float32)
    for pts in (0, 3600, 7200):
        moved = made._own_motion(window(made, rows, pts))
        assert moved.shape == (WINDOW, EXPRESSION_ROW)
    assert asked == sorted(set(asked)) and len(asked) == 13 + 1 + pirender.AHEAD + 2


def test_drawing_before_sitting_is_refused(network):
    made = PIRenderAnimator(network, basis())
    with pytest.raises(ContractError, match="before sit"):
        made.draw(window(made, np.zeros((sum(made.window) + 1, EXPRESSION_ROW))))


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(WeightsError, match=r"net|checkpoint.*morphable"):
        create(FaceOptions())
    with pytest.raises(UsageError, match="--basis"):
        create(FaceOptions(weights=tmp_path / "x.pt"))
    with pytest.raises(UsageError, match="0 to 13"):
        PIRenderAnimator(build_network(), ahead=14)


def test_the_averaged_weights_of_a_checkpoint_are_taken(network, tmp_path):
    weights, path = tmp_path / "checkpoint.pt", tmp_path / "basis.npz"
    raw = {f"module.{key}": torch.zeros(1).expand(value.shape) for key, value in network.state_dict().items()}
    torch.save({"net_G": raw, "net_G_ema": network.state_dict(), "current_epoch": 190}, weights)
    np.savez(path, matrix=basis().matrix)
    made = create(FaceOptions(weights=weights, basis=path, size=256, device="cpu"))
    key = "editing_net.decoder.final.model.0.weight"
    assert torch.equal(made._network.state_dict()[key], network.state_dict()[key])
