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
MODULES = ("module-native-protocol-unix auth-anonymous=1", "module-null-sink sink_name=vmic rate=16000 channels=1",
           "module-remap-source source_name=mic master=vmic.monitor")


@dataclass
class Pulse:
    """`environment` for a program that records from it."""

    environment: dict[str, str]

    def play(self, path: Path) -> None:
        """Speak a sound file into the microphone, at its own pace; returns when it has been said."""
        subprocess.run(["paplay", "--device=vmic", str(path)], env=self.environment, check=True, timeout=60)


def need_pulse() -> None:
    """Skip with what is missing."""
    missing = [tool for tool in ("pulseaudio", "pactl", "paplay", "parec") if not shutil.which(tool)]
    if missing or not find_library("portaudio"):
        pytest.skip(f"no {', '.join(missing) or 'libportaudio2'}: apt install pulseaudio pulseaudio-utils libportaudio2 "
                    "libasound2-plugins")
    pytest.importorskip("sounddevice")


@contextlib.contextmanager
def pulse_server(folder: Path) -> Iterator[Pulse]:
    """Run one in `folder` until the block ends."""
    (folder / "home").mkdir(mode=0o700)
    folder.chmod(0o700)
    (folder / "asound.conf").write_text(ASOUND)
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(folder), "PULSE_RUNTIME_PATH": str(folder / "pulse"),
                   "HOME": str(folder / "home"), "ALSA_CONFIG_PATH": str(folder / "asound.conf"), "PULSE_SOURCE": "mic"}
    modules = [word for module in MODULES for word in ("-L", module)]
    quiet = {"env": environment, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen(["pulseaudio", "--daemonize=no", "--exit-idle-time=-1", "-n", *modules], **quiet)
    # Without a listener of low latency a null sink falls back to blocks of two seconds.
    keep = None
    try:
        wait_for_server(server, environment)
        keep = subprocess.Popen(["parec", "--device=vmic.monitor", "--latency-msec=5"], **quiet)
        yield Pulse(environment)
    finally:
        for process in filter(None, (keep, server)):
            process.terminate()
            process.wait(10)


def wait_for_server(server: subprocess.Popen, environment: dict[str, str]) -> None:
    """`pactl` answers once the server does; while its socket is missing it fails within milliseconds."""
    for _ in range(2000):
        asked = subprocess.run(["pactl", "list", "short", "sources"], env=environment, capture_output=True, text=True, check=False)
        if "mic\t" in asked.stdout:
            return
        if server.poll() is not None:
            break
    pytest.skip(f"pulseaudio did not start here (status {server.poll()})")
