import pytest
import torch

from limner.models.amt import correlation
from limner.models.amt.correlation import CHANNELS, OnDemand, Volume, correlate, volume_bytes


def case(height, width, batch=2, channels=12, spread=8.0, seed=0):
    make = torch.Generator().manual_seed(seed)
    a, b = (torch.randn(batch, channels, height, width, generator=make) for _ in range(2))
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    coords = torch.stack([x, y]).float() + spread * torch.randn(2, batch, 2, height, width, generator=make)
    return a, b, coords[0], coords[1]


@pytest.mark.parametrize("size", [(16, 16), (17, 22), (31, 16)])
@pytest.mark.parametrize("spread", [0.0, 3.0, 100.0])
def test_on_demand_equals_the_volume(size, spread):
    a, b, forward, backward = case(*size, spread=spread)
    want, got = Volume(a, b).read(forward, backward), OnDemand(a, b).read(forward, backward)
    assert got.shape == (2, CHANNELS, *size)
    # The volume's sampler scales coordinates to -1..1 and back, which moves them by some 1e-6 px.
    torch.testing.assert_close(got, want, atol=1e-4, rtol=0)


def test_windows_hold_dot_products_at_the_published_places():
    a, b, _, _ = case(16, 16, batch=1)
    centre = torch.tensor([5.0, 9.0]).view(1, 2, 1, 1).expand(1, 2, 16, 16)
    out = Volume(a, b).read(centre, centre)
    for i, j in ((0, 0), (0, 6), (3, 3), (6, 0), (5, 2)):
        x, y = 5 + i - 3, 9 + j - 3                                  # x runs along the window's rows
        ahead = (a[0, :, 4, 7] * b[0, :, y, x]).sum() / 12 ** 0.5
        back = (b[0, :, 4, 7] * a[0, :, y, x]).sum() / 12 ** 0.5
        torch.testing.assert_close(out[0, 7 * i + j, 4, 7], ahead, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(out[0, CHANNELS // 2 + 7 * i + j, 4, 7], back, atol=1e-4, rtol=1e-4)


def test_coordinates_that_are_not_sane_read_zero():
    a, b, forward, backward = case(16, 16, batch=1)
    out = OnDemand(a, b).read(torch.full_like(forward, 1e9), torch.full_like(backward, -1e9))
    assert not out.any()


def test_the_form_is_chosen_by_memory():
    a, b, *_ = case(16, 16)
    exact = volume_bytes(16, 16, batch=2)
    assert isinstance(correlate(a, b, exact), Volume)
    assert isinstance(correlate(a, b, exact - 1), OnDemand)
    assert volume_bytes(52, 40) == pytest.approx(46e6, rel=0.01)     # 416x320, as published
    assert volume_bytes(90, 160) > correlation.VOLUME_LIMIT          # 1280x720 would need 2.2 GB
