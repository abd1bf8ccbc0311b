"""Any sound to the engine's own: mono, f32 in [-1, 1], one rate. Streamed in any chunking equals one pass, bit for bit.

Length is accounted exactly: n samples at rate a become ceil(n * b / a) at rate b, so output sample k exists when its
instant k / b lies inside the input. The filter's delay is compensated: output sample 0 is the instant of input sample 0.
"""

from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

from limner.engine.clock import SAMPLE_RATE
from limner.engine.errors import MediaError

RATES = (2_000, 768_000)     # Hz accepted
MAX_CHANNELS = 64
TAPS = 32                    # swresample's filter length at the lower of the two rates

# Down-mix weights of ITU-R BS.775-4 table 2 (centre 1, left/right 0.707, surround 0.5, no LFE), before normalising.
_BS775 = {"FC": 1.0, "FL": 0.7071, "FR": 0.7071, "LFE": 0.0, "LFE2": 0.0}
_SURROUND = 0.5
_KINDS = {"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}      # FFmpeg's sample formats; a p means planar


def check_format(rate: int, channels: int, what: str) -> None:
    """Raises MediaError when a header asks for a rate or a channel count that no microphone or file has."""
    low, high = RATES
    if not low <= rate <= high or not 1 <= channels <= MAX_CHANNELS:
        raise MediaError(f"{what}: {channels} channels at {rate} Hz; expected 1 to {MAX_CHANNELS} channels at {low} to "
                         f"{high} Hz. Convert it first, for example to a 16 kHz mono WAV")


def clean(samples: NDArray[np.floating]) -> NDArray[np.float32]:
    """Finite and within [-1, 1], as f32: NaN becomes silence, infinities and overs become full scale."""
    with np.errstate(over="ignore"):
        out = np.nan_to_num(np.asarray(samples).astype(np.float32), nan=0.0, posinf=1.0, neginf=-1.0)
    return np.clip(out, -1.0, 1.0, out=out)


def to_float(samples: NDArray[np.generic]) -> NDArray[np.float32]:
    """PCM of any NumPy type (u8 offset binary, s16, s32, s64, f32, f64) to clean f32; the shape stays."""
    if samples.dtype == np.uint8:
        return (samples.astype(np.float32) - 128) / 128
    if np.issubdtype(samples.dtype, np.integer):
        return (samples / np.float64(-np.iinfo(samples.dtype).min)).astype(np.float32)
    return clean(samples)


def to_s16(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    """f32 in [-1, 1] to 16-bit PCM; what lies outside is clipped, NaN is silence."""
    return np.rint(clean(samples) * np.float32(32767)).astype(np.int16)


def mix_down(planes: NDArray[np.float32], speakers: tuple[str, ...] = ()) -> NDArray[np.float32]:
    """[channels, n] to mono [n], never louder than the loudest channel.

    Named surround speakers (FFmpeg's: FL FR FC LFE SL ...) are weighted as ITU-R BS.775 does, so dialogue from the
    centre stays in front; mono, stereo and unnamed channels are averaged.
    """
    if len(planes) == 1:
        return planes[0]
    weights = np.ones(len(planes), np.float32)
    if "FC" in speakers and len(speakers) == len(planes):
        weights[:] = [_BS775.get(name, _SURROUND) for name in speakers]
    return (weights / weights.sum()) @ planes


def frame_to_mono(frame: av.AudioFrame) -> NDArray[np.float32]:
    """One decoded FFmpeg frame of any sample format and layout as clean mono f32 [n] at the frame's own rate."""
    channels, kind = frame.layout.nb_channels, _KINDS[frame.format.name.removesuffix("p")]
    # Not `to_ndarray`: it knows no 64-bit integers, and where a damaged stream changes its layout PyAV counts a plane that is
    # not there, and crashes.
    if frame.format.is_planar:
        planes = np.stack([np.frombuffer(frame.planes[k], kind, frame.samples) for k in range(channels)])
    else:
        planes = np.frombuffer(frame.planes[0], kind, frame.samples * channels).reshape(-1, channels).T
    return mix_down(to_float(planes), tuple(channel.name for channel in frame.layout.channels))


class Resampler:
    """FFmpeg's polyphase windowed-sinc resampler (swresample) as a stream of mono arrays.

    It holds back about 1 ms until `flush()`. Equal rates pass through untouched.
    """

    def __init__(self, rate: int, target: int = SAMPLE_RATE) -> None:
        """Raises MediaError when `rate` (Hz) is outside `RATES`."""
        check_format(rate, 1, "sound")
        self.rate, self.target = rate, target
        self.reset()

    def reset(self) -> None:
        """Forget what was pushed; the next sample is sample 0."""
        self._swr = None
        if self.rate != self.target:
            self._swr = av.AudioResampler(format="flt", layout="mono", rate=self.target)
        self._pushed = self._fed = self._given = 0      # samples from the caller, into the filter, out of here

    def push(self, samples: NDArray[np.floating]) -> NDArray[np.float32]:
        """Sound [n] at `rate`, any n >= 0, to what is ready at `target` [m]. NaN and overs are cleaned first."""
        samples = clean(samples)
        if self._swr is None or not len(samples):
            return samples
        self._pushed += len(samples)
        return self._emit(self._convert(samples))

    def flush(self) -> NDArray[np.float32]:
        """The held-back end [m]; then as after `reset()`."""
        if self._swr is None or not self._pushed:
            return np.zeros(0, np.float32)
        # Silence after the end lets the filter finish (swresample's own flush ends up to one sample early).
        tail = np.zeros(2 * TAPS * -(-self.rate // self.target) + 2 * TAPS, np.float32)
        due = -(-self._pushed * self.target // self.rate) - self._given
        out = self._emit(np.concatenate([self._convert(tail), self._convert(None)])[:due])
        self.reset()
        return out

    def _convert(self, samples: NDArray[np.float32] | None) -> NDArray[np.float32]:
        frame = None
        if samples is not None:
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples)[None], format="flt", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = self.rate, self._fed, Fraction(1, self.rate)
            self._fed += len(samples)
        return np.concatenate([np.zeros(0, np.float32), *(out.to_ndarray()[0] for out in self._swr.resample(frame))])

    def _emit(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        self._given += len(samples)
        # A sharp filter overshoots a full-scale step by a few percent; the engine's range is [-1, 1].
        return np.clip(samples, -1.0, 1.0)


def resample(samples: NDArray[np.floating], rate: int, target: int = SAMPLE_RATE) -> NDArray[np.float32]:
    """A whole mono sound [n] at `rate` as [ceil(n * target / rate)] at `target`."""
    resampler = Resampler(rate, target)
    return np.concatenate([resampler.push(samples), resampler.flush()])
