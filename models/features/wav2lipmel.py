"""Mel rows as Wav2Lip hears them: 80 bands, 80 rows a second."""

from limner.engine.types import AudioChunk, FeatureRows
from limner.models.options import FaceOptions
from limner.models.voicedrows import VoicedRows

from .logmel import WAV2LIP, LogMel


class Wav2LipMel(LogMel):
    """`LogMel` at Wav2Lip's settings, with voice activity beside every row."""

    def __init__(self) -> None:
        self._voice = VoicedRows(WAV2LIP.hop)
        super().__init__(WAV2LIP)

    def reset(self) -> None:
        super().reset()
        self._voice.reset()

    def push(self, chunk: AudioChunk) -> FeatureRows | None:
        self._voice.push(chunk.samples)
        return self._marked(super().push(chunk))

    def finish(self) -> FeatureRows | None:
        return self._marked(super().finish())

    def _marked(self, rows: FeatureRows | None) -> FeatureRows | None:
        if rows is None:
            return None
        return FeatureRows(rows.rows, rows.pts, self._voice.take(len(rows.rows)), rows.captured_ns)


def create(options: FaceOptions) -> Wav2LipMel:
    """The extractor; nothing about it can be chosen."""
    return Wav2LipMel()
