"""The kernel's way on this machine's CPU, its NumPy twin in the kernel's place; on a GPU, the kernel itself."""

import contextlib
import logging

import numpy as np
import pytest
import torch

from limner.cuda import reference
from limner.models.dinet import sampling
from limner.models.dinet.adaat import sample_channels
from limner.models.dinet.sampling import TOLERANCE, by_kernel, disagreement, sampler

CPU, GPU = torch.device("cpu"), torch.device("cuda:0")


@pytest.fixture
def twin(monkeypatch):
    """The NumPy twin behind the same call, as a machine with a GPU and CuPy has the kernel."""
    def affine(feature, theta, *, mixed, out):
        out[:] = reference.affine(feature, theta, mixed=mixed)

    @contextlib.contextmanager
    def numpy():
        yield np

    monkeypatch.setattr(sampling.kernels, "affine", affine)
    monkeypatch.setattr(sampling, "shared_stream", numpy)


def test_the_cpu_samples_with_torch():
    assert sampler(CPU) is sample_channels


@pytest.mark.parametrize("size", [(1, 256, 13, 10), (3, 5, 7, 9), (2, 2, 3, 2)])
def test_the_kernels_way_equals_torchs(twin, size):
    torch.manual_seed(0)
    mixed, theta = torch.randn(size), torch.randn(*size[:2], 2, 3) * 0.6
    torch.testing.assert_close(by_kernel(mixed, theta), sample_channels(mixed, theta), atol=TOLERANCE, rtol=0)
    assert disagreement(by_kernel, CPU) < TOLERANCE


def chosen(monkeypatch, difference):
    monkeypatch.setattr(sampling, "disagreement", difference)
    return sampler(GPU)


def test_a_kernel_that_agrees_is_used_and_no_other(monkeypatch, caplog):
    assert chosen(monkeypatch, lambda *_: 1e-5) is by_kernel and not caplog.records
    assert chosen(monkeypatch, lambda *_: 0.5) is sample_channels and "differs by 0.5" in caplog.text


def test_a_kernel_that_cannot_be_had_costs_one_line(monkeypatch, caplog):
    def broken(*_):
        raise RuntimeError("nvrtc: error: invalid architecture\nand forty lines more")

    assert chosen(monkeypatch, broken) is sample_channels
    assert [r.levelno for r in caplog.records] == [logging.WARNING] and "invalid architecture" in caplog.text
    assert "forty" not in caplog.text


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is usable here")
def test_the_kernel_itself():
    pytest.importorskip("cupy")
    assert sampler(GPU) is by_kernel
