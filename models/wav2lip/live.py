"""Wav2Lip with the face encoded beforehand: a drawn frame runs the speech encoder and the decoder.

The seven encoder maps of every source frame are kept; BatchNorm is folded, the layout is channels-last.
"""

from copy import deepcopy

import torch
from torch import Tensor, nn

from limner.models.blocks import ConvBlock, TransposedBlock, fold_norm

from .generator import Wav2Lip

LAST = torch.channels_last


class LiveWav2Lip:
    """`prepare` once per source frame, `draw` once per frame. Equals `Wav2Lip.forward` to float32 rounding."""

    def __init__(self, network: Wav2Lip):
        self.network = _folded(network).to(memory_format=LAST)

    @torch.inference_mode()
    def prepare(self, faces: Tensor) -> list[list[Tensor]]:
        """Faces [n, 6, 96, 96], BGR in 0..1, one after another; one list of maps for each."""
        return [self.network.encode_face(face[None].contiguous(memory_format=LAST)) for face in faces]

    @torch.inference_mode()
    def draw(self, maps: list[Tensor], mel: Tensor) -> Tensor:
        """One frame: an encoded face and a mel window [1, 1, 80, 16] -> [1, 3, 96, 96] in 0..1."""
        speech = self.network.audio_encoder(mel.contiguous(memory_format=LAST))
        return self.network.decode(speech, maps)


def _folded(network: Wav2Lip) -> Wav2Lip:
    folded = deepcopy(network).eval()
    for block in folded.modules():
        if isinstance(block, ConvBlock | TransposedBlock):
            block.conv_block = nn.Sequential(fold_norm(*block.conv_block))
    return folded
