import numpy as np

from limner.engine.types import FeatureWindow
from limner.models.rest import speaking


def at(voiced):
    return speaking(FeatureWindow(np.zeros((len(voiced), 1), np.float32), 0, 1800, np.array(voiced, bool), 0))


def test_ramp_without_flutter():
    """A run of voice passing through the window opens once, monotonically, and closes the same way."""
    stream = [False] * 12 + [True] * 20 + [False] * 12
    shares = [at(stream[i:i + 9]) for i in range(len(stream) - 8)]
    top = shares.index(1.0)
    last = len(shares) - 1 - shares[::-1].index(1.0)
    assert shares[0] == shares[-1] == 0 and last - top > 15
    assert shares[:top + 1] == sorted(shares[:top + 1]) and shares[last:] == sorted(shares[last:], reverse=True)
    assert max(np.abs(np.diff(shares))) < 0.35
