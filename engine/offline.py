"""The same painter without a clock: a whole film, faster than real time."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from .clock import SAMPLE_RATE, frame_duration, samples_from_ticks, ticks_from_samples
from .metrics import Metrics
from .painter import Painter
from .protocols import Animator, FeatureExtractor, FrameStage
from .schedule import SOUND
from .sound import checked
from .types import AudioChunk, Frame, Picture

CHUNK = samples_from_ticks(SOUND)


def film(
    chunks: Iterable[AudioChunk],
    extractor: FeatureExtractor,
    animator: Animator,
    stages: Sequence[FrameStage] = (),
    *,
    fps: int,
    colour: Callable[[Frame], Picture] | None = None,
    metrics: Metrics | None = None,
) -> Iterator[Picture | AudioChunk]:
    """Pictures and sound in order of pts; picture k shows the instant k / fps. Deterministic, in bounded memory.

    `chunks` hold 16 kHz mono sound from its beginning; the pictures cover all of it and the sound is passed on
    unchanged in pieces of 20 ms. Raises InputError for sound of another form and ValueError for an fps that does not
    divide the tick rate.
    """
    duration = frame_duration(fps)
    painter = Painter(extractor, animator, stages, duration=duration, colour=colour, metrics=metrics)
    lookahead = extractor.lookahead + animator.window[1] * extractor.step
    period = duration * painter.stride
    sound: deque[AudioChunk] = deque()
    pts = heard = 0
    for piece in _pieces(chunks):
        painter.hear(piece)
        sound.append(piece)
        heard += len(piece.samples)
        while samples_from_ticks(pts + lookahead) < heard:
            yield from _interleaved(painter.paint(pts), sound)
            pts += period
    end = ticks_from_samples(heard)
    painter.hear(_silence(heard, lookahead + 2 * period))
    while pts < end + period - duration:
        yield from _interleaved((each for each in painter.paint(pts) if each.pts < end), sound)
        pts += period
    yield from _interleaved((each for each in painter.flush() if each.pts < end), sound)
    yield from sound


def _pieces(chunks: Iterable[AudioChunk]) -> Iterator[AudioChunk]:
    start = 0
    for chunk in chunks:
        samples = checked(chunk)
        for at in range(0, len(samples), CHUNK):
            piece = samples[at : at + CHUNK]
            yield AudioChunk(piece, SAMPLE_RATE, start, ticks_from_samples(start), chunk.captured_ns)
            start += len(piece)


def _silence(start: int, ticks: int) -> AudioChunk:
    samples = np.zeros(samples_from_ticks(ticks) + 1, np.float32)
    return AudioChunk(samples, SAMPLE_RATE, start, ticks_from_samples(start), 0)


def _interleaved(pictures: Iterable[Picture], sound: deque[AudioChunk]) -> Iterator[Picture | AudioChunk]:
    for picture in pictures:
        while sound and sound[0].pts <= picture.pts:
            yield sound.popleft()
        yield picture
