import io
import os
import pickle
import zipfile

import numpy as np
import pytest
import torch
from torch import nn

from limner.engine.errors import TooLarge, WeightsError
from limner.models import checkpoint
from limner.models.animators import dinet, wav2lip
from limner.models.syncnet import build_network
from limner.models.weights import identify, load_weights, missing_weights, state_dicts


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(5)
    return build_network("dinet")


def same(one: nn.Module, other: nn.Module) -> bool:
    a, b = one.state_dict(), other.state_dict()
    return all(torch.equal(a[key], b[key]) for key in a)


def nestings(state):
    wrapped = {f"module.{key}": value for key, value in state.items()}
    return {
        "bare": state,
        "published": {"epoch": 3, "state_dict": {"net": state}, "optimizer": {"net": {"state": {}, "param_groups": []}}},
        "wrapped": {"state_dict": wrapped, "global_step": 10},
    }


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("nesting", ["bare", "published", "wrapped"])
def test_round_trip_through_published_nestings(tmp_path, network, nesting, legacy):
    path = tmp_path / "any-name.bin"
    torch.save(nestings(network.state_dict())[nesting], path, _use_new_zipfile_serialization=not legacy)
    assert same(load_weights(build_network("dinet"), path, "dinet.sync"), network)
    assert [entry.name for entry in identify(path)] == ["dinet.sync"]


def test_safetensors(tmp_path, network):
    from safetensors.torch import save_file
    path = tmp_path / "w.safetensors"
    save_file(network.state_dict(), path)
    assert same(load_weights(build_network("dinet"), path, "dinet.sync"), network)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")          # published archives are in the format all the same
def test_torchscript_archive_is_read_as_data(tmp_path):
    torch.manual_seed(6)
    network = build_network("wav2lip").eval()
    path = tmp_path / "scripted.pt"
    traced = torch.jit.trace(network, (torch.zeros(1, 1, 80, 16), torch.zeros(1, 15, 48, 96)))
    torch.jit.save(traced, path)
    assert same(load_weights(build_network("wav2lip"), path, "wav2lip.sync"), network)


def test_torchscript_with_a_foreign_global_is_refused(tmp_path):
    path = tmp_path / "evil.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", pickle.dumps(_Evil(), protocol=2))
        archive.writestr("a/constants.pkl", b"")
    with pytest.raises(WeightsError, match="refused"):
        load_weights(build_network("dinet"), path, "dinet.sync")


def test_choice_among_several_state_dicts(tmp_path, network):
    other = build_network("dinet")
    path = tmp_path / "both.pt"
    torch.save({"params": other.state_dict(), "params_ema": network.state_dict()}, path)
    assert same(load_weights(build_network("dinet"), path, "dinet.sync", prefer="params_ema"), network)
    assert same(load_weights(build_network("dinet"), path, "dinet.sync", prefer="params"), other)


def test_another_network_is_named(tmp_path):
    path = tmp_path / "dinet.pth"
    torch.save({"state_dict": wav2lip.build_network().state_dict()}, path)
    with pytest.raises(WeightsError, match=r"not the DINet generator.*looks like the Wav2Lip generator \(--animator wav2lip") as told:
        load_weights(dinet.build_network(), path, "dinet")
    assert "\n" not in str(told.value)


def test_first_differences_are_named(tmp_path, network):
    state = dict(network.state_dict())
    state["merge_encoder.2.weight"] = torch.zeros(1, 128, 1, 1)
    del state["merge_encoder.0.bias"]
    state["surplus"] = torch.zeros(1)
    path = tmp_path / "w.pth"
    torch.save(state, path)
    with pytest.raises(WeightsError) as told:
        load_weights(build_network("dinet"), path, "dinet.sync")
    line = str(told.value)
    assert "merge_encoder.2.weight [1, 128, 1, 1] instead of [1, 128, 3, 3]" in line
    assert "1 of 68 missing, first merge_encoder.0.bias" in line and "1 unknown, first surplus" in line


def test_counters_may_be_missing(tmp_path):
    torch.manual_seed(7)
    network = build_network("v2")
    path = tmp_path / "w.pth"
    torch.save({k: v for k, v in network.state_dict().items() if not k.endswith("num_batches_tracked")}, path)
    assert same(load_weights(build_network("v2"), path, "syncnet_v2"), network)


@pytest.mark.parametrize("legacy", [False, True])
def test_numpy_numbers_beside_the_tensors(tmp_path, network, legacy):
    path = tmp_path / "w.pth"
    torch.save({"state_dict": network.state_dict(), "loss": np.float64(0.5), "epoch": np.int64(3)}, path,
               _use_new_zipfile_serialization=not legacy)
    assert same(load_weights(build_network("dinet"), path, "dinet.sync"), network)


class _Evil:
    def __reduce__(self):
        return os.mkdir, ("pwned",)


@pytest.mark.parametrize("legacy", [False, True])
def test_malicious_pickle_is_not_run(tmp_path, monkeypatch, legacy):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "evil.pth"
    torch.save({"state_dict": _Evil()}, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(WeightsError, match="mkdir") as told:
        state_dicts(path)
    assert "\n" not in str(told.value) and not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_cut_short(tmp_path, network, kind, share):
    buffer = io.BytesIO()
    if kind == "safetensors":
        from safetensors.torch import save
        buffer.write(save(network.state_dict()))
    else:
        torch.save(network.state_dict(), buffer, _use_new_zipfile_serialization=kind == "zip")
    data = buffer.getvalue()
    path = tmp_path / "cut.pth"
    path.write_bytes(data[:int(len(data) * share)])
    with pytest.raises(WeightsError) as told:
        load_weights(build_network("dinet"), path, "dinet.sync")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("data", [b"", b"hello", b"PK\x03\x04junk", b"\x80\x02", b"\x80\x02}q\x00.", b"\x00" * 64, b"\xff" * 8 + b"{"])
def test_junk(tmp_path, data):
    path = tmp_path / "junk"
    path.write_bytes(data)
    with pytest.raises(WeightsError) as told:
        state_dicts(path)
    assert "\n" not in str(told.value)


def test_stated_length_beyond_the_file(tmp_path):
    buffer = io.BytesIO()
    torch.save({"a": torch.zeros(2_000_003)}, buffer, _use_new_zipfile_serialization=False)
    data = buffer.getvalue().replace((2_000_003).to_bytes(4, "little"), (2**31 - 1).to_bytes(4, "little"))
    path = tmp_path / "greedy.pth"
    path.write_bytes(data)
    with pytest.raises(WeightsError, match="more data than the file holds"):
        state_dicts(path)


def test_zip_that_unpacks_beyond_its_size(tmp_path):
    path = tmp_path / "bomb.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", b"\0" * (80 << 20))
    with pytest.raises(WeightsError, match="unpack"):
        state_dicts(path)


def test_too_large_is_refused_unread(tmp_path, monkeypatch):
    path = tmp_path / "w.pth"
    path.write_bytes(b"PK" + bytes(100))
    monkeypatch.setattr(checkpoint, "MOST_BYTES", 50)
    with pytest.raises(TooLarge):
        state_dicts(path)


def test_missing_file_and_missing_option():
    with pytest.raises(WeightsError, match="No such file"):
        state_dicts("nowhere.pth")
    assert "MRzzm/DINet" in str(missing_weights("dinet", "use --animator morphable"))


def test_values_that_are_not_finite(tmp_path, network):
    state = {key: value.clone() for key, value in network.state_dict().items()}
    state["merge_encoder.0.bias"][3] = float("nan")
    path = tmp_path / "nan.pth"
    torch.save(state, path)
    with pytest.raises(WeightsError, match=r"merge_encoder\.0\.bias is not finite"):
        load_weights(build_network("dinet"), path, "dinet.sync")
