"""The patch discriminators of DINet's adversarial training (one for frames, one for clips of five)."""

from torch import Tensor, nn
from torch.nn import functional as F


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, pool: bool):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 4)
        self.pool = pool

    def forward(self, x: Tensor) -> Tensor:
        x = F.leaky_relu(self.conv(x), 0.2)
        return F.avg_pool2d(x, 2) if self.pool else x


class Discriminator(nn.Module):
    """[B, `channels`, H, W] in 0..1 -> (feature maps of the four blocks, unsquashed score map [B, 1, h, w]).

    `channels` is 3 for a frame, 15 for five frames one after another. H and W at least 67.
    """

    def __init__(self, channels: int):
        super().__init__()
        widths = (channels, 128, 256, 256, 256)
        self.down_blocks = nn.ModuleList(_Block(widths[i], widths[i + 1], pool=i < 3) for i in range(4))
        self.conv = nn.Conv2d(widths[-1], 1, 1)

    def forward(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        features = []
        for block in self.down_blocks:
            x = block(x)
            features.append(x)
        return features, self.conv(x)
