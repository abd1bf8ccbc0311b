"""Pictures out of a video file, one after another, with bounded memory."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from limner.engine.errors import MediaError, TooLarge

MOST_PIXELS = 4096 * 2304                    # of one coded frame
_RATES = (1.0, 240.0)                        # frames per second


@contextlib.contextmanager
def open_video(path: Path) -> Iterator[tuple[float, Iterator[NDArray[np.uint8]]]]:
    """(frames per second, u8 RGB frames [H, W, 3] as they are read). Frames that change size are left out.

    Raises MediaError for a file that holds no readable pictures, also while reading; TooLarge above 4096 x 2304.
    """
    try:
        with av.open(str(path), options={"protocol_whitelist": "file"}) as container:
            stream = container.streams.best("video")
            if stream is None:
                raise MediaError(f"{path}: no picture in it; expected a video such as mp4")
            if stream.width * stream.height > MOST_PIXELS:
                raise TooLarge(f"{path}: {stream.width} x {stream.height} px, at most 4096 x 2304 are accepted")
            rate = float(stream.average_rate or 25)
            if not _RATES[0] <= rate <= _RATES[1]:
                raise MediaError(f"{path}: {rate:g} frames per second; expected 1 to 240")
            yield rate, _frames(container, stream)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise MediaError(f"{path}: not a video that can be read ({error}); expected mp4 or the like") from error


def _frames(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[NDArray[np.uint8]]:
    for frame in container.decode(stream):
        if (frame.width, frame.height) == (stream.width, stream.height):
            yield frame.to_ndarray(format="rgb24")


def at_rate(frames: Iterator[NDArray[np.uint8]], rate: float, wanted: float) -> Iterator[NDArray[np.uint8]]:
    """The same pictures at another rate: the nearest is repeated or others are left out."""
    shown = 0
    for number, frame in enumerate(frames):
        while shown * rate / wanted < number + 0.5:
            yield frame
            shown += 1
