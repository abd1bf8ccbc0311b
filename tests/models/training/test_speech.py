import numpy as np
import pytest

from limner.models.phones import CLASSES
from limner.models.speechnet import SpeechNet, energy, follow, normalise
from limner.models.training import speech, speech_report

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from limner.models.training.speech_data import Stream  # noqa: E402
from limner.models.training.speech_net import CausalNet, export  # noqa: E402
from limner.models.training.speech_train import Plan, prepare, train  # noqa: E402

RNG = np.random.default_rng(0)


def toy_stream(rows=3000):
    """Three classes that look different, in runs of 25 rows."""
    classes = np.repeat(RNG.integers(0, 3, rows // 25), 25).astype(np.uint8)
    means = RNG.normal(-4, 2, (3, 80))
    means[0] = -17
    mel = means[classes] + RNG.normal(0, 0.4, (rows, 80))
    return Stream(mel.astype(np.float16), classes, np.zeros((rows, 2), np.float16))


def test_exported_network_equals_the_trained_one(tmp_path):
    torch.manual_seed(0)
    net = CausalNet(width=16)
    with torch.no_grad():
        for norm in net.norms:
            norm.running_mean.normal_(0, 0.2)
            norm.running_var.uniform_(0.5, 2)
    net.eval()
    export(net, tmp_path / "w.npz")
    mel = RNG.normal(-5, 2, (1, 200, 80)).astype(np.float32)
    quiet = np.full((1, 150, 80), -18.42, np.float32)        # both start from remembered silence
    with torch.no_grad():
        out = net(prepare(np.concatenate([quiet, mel], 1)))[0, :, 150:].numpy().T
    classes, closure, lips = SpeechNet(tmp_path / "w.npz").push(mel[0])
    k = len(CLASSES)
    theirs = np.exp(out[:, :k]) / np.exp(out[:, :k]).sum(1, keepdims=True)
    # float16 weights: 11 bits of mantissa over six layers
    assert np.abs(classes - theirs).max() < 5e-3
    assert np.abs(closure - 1 / (1 + np.exp(-out[:, k]))).max() < 5e-3
    assert np.abs(lips - out[:, k + 1:]).max() < 2e-2


def test_the_network_hears_no_future():
    net = CausalNet(width=16).eval()
    x = torch.randn(1, 80, 100)
    y = x.clone()
    y[:, :, 60:] += 1
    with torch.no_grad():
        a, b = net(x), net(y)
    assert torch.equal(a[:, :, :60], b[:, :, :60]) and not torch.equal(a[:, :, 60:], b[:, :, 60:])


def test_training_hears_what_the_driver_hears():
    mel = RNG.normal(-5, 2, (2, 120, 80)).astype(np.float32)
    live = normalise(mel[1], follow(energy(mel[1]), -7.5))
    assert np.allclose(prepare(mel)[1].numpy().T, live, atol=1e-6)


def test_a_short_training_learns_and_repeats():
    streams = [toy_stream()]
    plan = Plan(steps=60, cycle=60, varied_steps=20, batch=4, crop=120, width=16, average=0.9)
    net, history = train(streams, {"toy": streams}, plan, say=lambda line: None)
    assert history[-1]["toy clean"] > 0.8
    _, again = train(streams, {"toy": streams}, plan, say=lambda line: None)
    assert again[-1] == history[-1]
    assert not net.training and [h["step"] for h in history] == [60, 80]


def test_the_whole_recipe_runs_small(tmp_path, monkeypatch):
    """One command from nothing to weights and report, with the synthesiser replaced by noise."""
    from limner.models.training import speech_corpus

    def fake(engine, rng):
        n = 16_000
        phones = [["pau", 0.2], ["m", 0.5], ["aa", 1.0]] if engine == "flite" else [["", 0.2], ["m", 0.5], ["a", 1.0]]
        return speech_corpus.Utterance(rng.normal(0, 0.1, n).astype(np.float32), phones, f"{engine}:x", "ma")

    monkeypatch.setattr(speech_corpus, "draw", fake)
    out, report = tmp_path / "w.npz", tmp_path / "r.md"
    report.write_text(f"old\n{speech_report.KEPT}\n\nby hand\n", encoding="utf-8")
    arguments = ["--hours", "0.02", "--flite-share", "0.5", "--steps", "3", "--varied-steps", "2", "--batch", "2", "--width", "16",
                 "--cache", str(tmp_path), "--out", str(out), "--report", str(report)]
    assert speech.main(arguments) == 0
    assert SpeechNet(out).lookahead == 3
    text = report.read_text(encoding="utf-8")
    assert '"steps": 3' in text and "flite x" in text and "espeak x" in text and text.endswith("by hand\n")


def test_a_missing_synthesiser_is_one_clear_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", "/nonexistent")
    assert speech.main(["--hours", "0.01", "--flite-share", "1", "--cache", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
