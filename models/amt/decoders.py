"""AMT's decoders (flow and content from coarse to fine) and its cross-scale update blocks.

Attribute names are the published state-dict keys.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .correlation import CHANNELS
from .encoders import conv_prelu, resize, warp


class SideResidual(nn.Module):
    """Residual block (IFRNet, Kong et al. 2022) whose last `side` channels get two extra convolutions of their own."""

    def __init__(self, channels: int, side: int):
        super().__init__()
        self.side = side
        self.conv1 = conv_prelu(channels, channels)
        self.conv2 = conv_prelu(side, side)
        self.conv3 = conv_prelu(channels, channels)
        self.conv4 = conv_prelu(side, side)
        self.conv5 = nn.Conv2d(channels, channels, 3, 1, 1)
        self.prelu = nn.PReLU(channels)

    def _aside(self, x: Tensor, conv: nn.Module) -> Tensor:
        rest = x.shape[1] - self.side
        return torch.cat([x[:, :rest], conv(x[:, rest:])], dim=1)

    def forward(self, x: Tensor) -> Tensor:
        y = self._aside(self.conv1(x), self.conv2)
        y = self._aside(self.conv3(y), self.conv4)
        return self.prelu(x + self.conv5(y))


class Decoder(nn.Module):
    """inputs -> hidden -> twice the resolution."""

    def __init__(self, inputs: int, hidden: int, outputs: int, side: int):
        super().__init__()
        up = nn.ConvTranspose2d(hidden, outputs, 4, 2, 1)
        self.convblock = nn.Sequential(conv_prelu(inputs, hidden), SideResidual(hidden, side), up)

    def first(self, f0: Tensor, f1: Tensor, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Coarsest level: both contents and a plane of `t` [B] -> flow t->0, flow t->1, content."""
        plane = t.view(-1, 1, 1, 1).expand(-1, 1, *f0.shape[-2:])
        return self.convblock(torch.cat([f0, f1, plane], dim=1)).split((2, 2, self._content()), dim=1)

    def inner(self, content: Tensor, f0: Tensor, f1: Tensor, flow0: Tensor, flow1: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Next level -> flows and content at twice the resolution."""
        d0, d1, content = self.raw(content, f0, f1, flow0, flow1).split((2, 2, self._content()), dim=1)
        return d0 + 2 * resize(flow0, 2), d1 + 2 * resize(flow1, 2), content

    def raw(self, content: Tensor, f0: Tensor, f1: Tensor, flow0: Tensor, flow1: Tensor) -> Tensor:
        """The block's own output, with both contents brought to time t first."""
        return self.convblock(torch.cat([content, warp(f0, flow0), warp(f1, flow1), flow0, flow1], dim=1))

    def _content(self) -> int:
        return self.convblock[2].out_channels - 4


class Update(nn.Module):
    """Correction of flow and content from correlation, computed at 1/8 and given at `scale` times that.

    `corr` is the width (or two widths) of the correlation branch, `flow` of the flow branch, `fused` of their union.
    """

    def __init__(self, content: int, hidden: int, flow: int, corr: tuple[int, ...], fused: int, scale: int):
        super().__init__()
        self.scale = scale
        self.convc1 = nn.Conv2d(CHANNELS, corr[0], 1)
        if len(corr) > 1:
            self.convc2 = nn.Conv2d(corr[0], corr[1], 3, 1, 1)
        self.convf1 = nn.Conv2d(4, 2 * flow, 7, 1, 3)
        self.convf2 = nn.Conv2d(2 * flow, flow, 3, 1, 1)
        self.conv = nn.Conv2d(corr[-1] + flow, fused, 3, 1, 1)
        self.gru = self._two(fused + 4 + content, hidden, hidden)
        self.feat_head = self._two(hidden, hidden, content)
        self.flow_head = self._two(hidden, hidden, 4)

    @staticmethod
    def _two(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
        first = nn.Conv2d(inputs, hidden, 3, 1, 1)
        return nn.Sequential(first, nn.LeakyReLU(0.1), nn.Conv2d(hidden, outputs, 3, 1, 1))

    def forward(self, content: Tensor, flow: Tensor, corr: Tensor) -> tuple[Tensor, Tensor]:
        """content at the level, flow [B, 4] and correlation at 1/8 -> corrections of content and flow at the level."""
        content = resize(content, 1 / self.scale)
        corr = F.leaky_relu(self.convc1(corr), 0.1)
        if hasattr(self, "convc2"):
            corr = F.leaky_relu(self.convc2(corr), 0.1)
        motion = F.leaky_relu(self.convf2(F.leaky_relu(self.convf1(flow), 0.1)), 0.1)
        fused = F.leaky_relu(self.conv(torch.cat([corr, motion], dim=1)), 0.1)
        state = self.gru(torch.cat([fused, flow, content], dim=1))
        d_content, d_flow = self.feat_head(state), self.flow_head(state)
        return resize(d_content, self.scale), self.scale * resize(d_flow, self.scale)
