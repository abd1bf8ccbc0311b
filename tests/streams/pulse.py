"""A private PulseAudio whose one microphone hears what a test plays: a real PortAudio device without a sound card."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from ctypes.util import find_library
from dataclasses import dataclass
from pathlib import Path

import pytest

ASOUND = "pcm.pulse { type pulse }\nctl.pulse { type pulse }\npcm.!default { type pulse }\n"
FIFO = "mic.fifo"


@dataclass
class Pulse:
    """`environment` for a program that records from it."""

    environment: dict[str, str]
    fifo: Path

    def play(self, path: Path) -> None:
        """Speak a sound file into the microphone, at its own pace; returns when it has been said.

        Between two calls the microphone gives nothing at all, so begin `path` with the silence of getting ready.
        """
        subprocess.run(["ffmpeg", "-v", "error", "-y", "-re", "-i", str(path), "-ac", "1", "-ar", "16000", "-f", "s16le",
                        str(self.fifo)], check=True, timeout=60, stdin=subprocess.DEVNULL)


def need_pulse() -> None:
    """Skip with what is missing."""
    missing = [tool for tool in ("pulseaudio", "pactl", "ffmpeg") if not shutil.which(tool)]
    if missing or not find_library("portaudio"):
        pytest.skip(f"no {', '.join(missing) or 'libportaudio2'}: apt install pulseaudio pulseaudio-utils libportaudio2 "
                    "libasound2-plugins ffmpeg")
    pytest.importorskip("sounddevice")


@contextlib.contextmanager
def pulse_server(folder: Path) -> Iterator[Pulse]:
    """Run one in `folder` until the block ends."""
    (folder / "home").mkdir(mode=0o700)
    folder.chmod(0o700)
    (folder / "asound.conf").write_text(ASOUND)
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(folder), "PULSE_RUNTIME_PATH": str(folder / "pulse"),
                   "HOME": str(folder / "home"), "ALSA_CONFIG_PATH": str(folder / "asound.conf"), "PULSE_SOURCE": "mic"}
    modules = ["-L", "module-native-protocol-unix auth-anonymous=1",
               "-L", f"module-pipe-source source_name=mic file={folder / FIFO} format=s16le rate=16000 channels=1"]
    server = subprocess.Popen(["pulseaudio", "--daemonize=no", "--exit-idle-time=-1", "-n", *modules], env=environment,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_server(server, environment)
        yield Pulse(environment, folder / FIFO)
    finally:
        server.terminate()
        server.wait(10)


def wait_for_server(server: subprocess.Popen, environment: dict[str, str]) -> None:
    """`pactl` answers once the server does; while its socket is missing it fails within milliseconds."""
    for _ in range(2000):
        asked = subprocess.run(["pactl", "list", "short", "sources"], env=environment, capture_output=True, text=True, check=False)
        if "mic\t" in asked.stdout:
            return
        if server.poll() is not None:
            break
    pytest.skip(f"pulseaudio did not start here (status {server.poll()})")
