"""Wav2Lip with the face encoded beforehand: a drawn frame runs the speech encoder and the decoder.

The seven encoder maps of every source frame are kept; BatchNorm is folded, the layout is channels-last.
"""

from collections.abc import Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn

from limner.cuda.graph import Graphed
from limner.models.blocks import ConvBlock, TransposedBlock, fold_norm

from .generator import Wav2Lip

LAST = torch.channels_last


class LiveWav2Lip:
    """`prepare` once per source frame, `draw` once per frame. Equals `Wav2Lip.forward` to float32 rounding.

    Nothing of a portrait is kept here: one LiveWav2Lip draws frames of any number of them, several in one call. Pictures
    come as RGB; the network's own are BGR. `dtype` float16 or bfloat16 runs what is drawn for each frame in it.
    """

    def __init__(self, network: Wav2Lip, *, dtype: torch.dtype = torch.float32):
        self.network, self._dtype = _folded(network).to(memory_format=LAST), dtype
        for part in (self.network.audio_encoder, self.network.face_decoder_blocks, self.network.output_block):
            part.to(dtype)
        self._step = Graphed(self.decode, constants=self.constants)

    def prepare(self, faces: Tensor) -> list[list[Tensor]]:
        """Faces [n, 6, 96, 96], BGR in 0..1, one after another; one list of maps for each."""
        return [self.encode(face[None]) for face in faces]

    @torch.inference_mode()
    def encode(self, face: Tensor) -> list[Tensor]:
        """One face [1, 6, 96, 96], BGR in 0..1: the encoder's maps."""
        return [each.to(self._dtype) for each in self.network.encode_face(face.contiguous(memory_format=LAST))]

    def draw(self, maps: list[Tensor], mel: Tensor) -> Tensor:
        """One frame: an encoded face and a mel window [1, 1, 80, 16] -> [1, 3, 96, 96] RGB in 0..1."""
        return self.draw_many([maps], mel)

    def draw_many(self, sources: Sequence[list[Tensor]], heard: Tensor) -> Tensor:
        """Encoded faces of any portraits, each with its own mel window [n, 1, 80, 16] -> [n, 3, 96, 96] RGB in 0..1, valid
        until the next call."""
        return self._step(*self.inputs(sources), heard)

    @torch.inference_mode()
    def inputs(self, sources: Sequence[list[Tensor]]) -> tuple[Tensor, ...]:
        """What `decode` takes for these faces besides what is heard."""
        return tuple(maps[0] if len(maps) == 1 else torch.cat(maps) for maps in zip(*sources, strict=True))

    def constants(self) -> dict[str, Tensor]:
        """What a recording of `decode` reads and must stay in its place."""
        return dict(self.network.named_parameters())

    @torch.inference_mode()
    def decode(self, *inputs: Tensor) -> Tensor:
        """What depends on the voice: seven maps, then mel windows. Fixed shapes, no decision on content: fit to be recorded."""
        *maps, mel = inputs
        heard = self.network.audio_encoder(mel.to(self._dtype).contiguous(memory_format=LAST))
        return self.network.decode(heard, maps).float()


def _folded(network: Wav2Lip) -> Wav2Lip:
    folded = deepcopy(network).eval()
    for block in folded.modules():
        if isinstance(block, ConvBlock | TransposedBlock):
            block.conv_block = nn.Sequential(fold_norm(*block.conv_block))
    last = folded.output_block[1]                # its channels in the other order: RGB costs nothing
    for name in ("weight", "bias"):
        getattr(last, name).data = getattr(last, name).data.flip(0)
    return folded
