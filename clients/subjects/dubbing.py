"""DINet, Wav2Lip and the lip-sync networks on the bench."""

from functools import partial

import torch
from torch import nn

from limner.clients.bench_subject import Subject, Subjects
from limner.models import syncnet
from limner.models.dinet.crop import picture_size
from limner.models.dinet.generator import DINet
from limner.models.dinet.live import LiveDINet
from limner.models.wav2lip.generator import Wav2Lip
from limner.models.wav2lip.live import LiveWav2Lip


def call(network: nn.Module, *inputs: torch.Tensor):
    with torch.inference_mode():
        answer = network(*inputs)
    return (answer if isinstance(answer, torch.Tensor) else answer[0]).numpy()


def healthy(network: nn.Module) -> nn.Module:
    """Random weights under which signals keep their size through all layers, so that a wrong live path would show."""
    torch.manual_seed(0)
    for part in network.modules():
        if hasattr(part, "running_var"):
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(1, 1.2)
        elif getattr(part, "weight", None) is not None:
            nn.init.kaiming_normal_(part.weight)
    return network.eval()


def dinet(mouth: int) -> Subject:
    height, width = picture_size(mouth)
    network = healthy(DINet())
    source, reference, audio = torch.rand(1, 3, height, width), torch.rand(1, 15, height, width), torch.randn(1, 29, 5)
    live = LiveDINet(network)
    entry, = live.prepare(reference, source)
    return Subject(f"1x3x{height}x{width}", partial(call, network, source, reference, audio), lambda: live.draw(entry, audio).numpy())


def wav2lip() -> Subject:
    network = healthy(Wav2Lip())
    mel, face = torch.randn(1, 1, 80, 16), torch.rand(1, 6, 96, 96)
    live = LiveWav2Lip(network)
    maps, = live.prepare(face)
    return Subject("1x6x96x96, 1x1x80x16", partial(call, network, mel, face), lambda: live.draw(maps, mel).flip(1).numpy())


def sync(variant: str, *shapes: tuple[int, ...]) -> Subject:
    network = healthy(syncnet.build_network(variant))
    return Subject(", ".join("x".join(map(str, shape)) for shape in shapes), partial(call, network, *map(torch.rand, shapes)))


SUBJECTS: Subjects = {
    "dinet64": partial(dinet, 64),
    "dinet128": partial(dinet, 128),
    "dinet256": partial(dinet, 256),
    "wav2lip": wav2lip,
    "sync-dinet": partial(sync, "dinet", (1, 15, 256, 256), (1, 29, 9)),
    "sync-wav2lip": partial(sync, "wav2lip", (1, 1, 80, 16), (1, 15, 48, 96)),
    "sync-v2": partial(sync, "v2", (1, 3, 5, 224, 224), (1, 1, 13, 20)),
}
