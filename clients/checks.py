"""What `limner doctor` looks at. Nothing here loads a model, opens a device or goes to the network."""

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from limner.engine.errors import LimnerError

from .doctor import Check, Finding

BASE = ("numpy", "numba", "opencv-python-headless", "pillow", "av", "aiortc", "aiohttp", "webrtcvad-wheels", "rich")
MIN_FREE_GB = 1.0
# Extra: its packages, what it is for.
EXTRAS = {
    "rig": (("ai-edge-litert",), "your own portrait"),
    "mic": (("sounddevice",), "a microphone in `limner run`"),
    "zmq": (("pyzmq", "msgpack"), "the ZeroMQ bus"),
    "camera": (("pyvirtualcam",), "a virtual camera for OBS and meetings"),
    "neural": (("torch", "safetensors"), "neural animators, interpolators and restorers"),
}
OBS_PLUGINS = ("usr/lib/*/obs-plugins", "usr/lib*/obs-plugins", "usr/local/lib*/obs-plugins")


def installed(package: str) -> str | None:
    """Its version, or None. Nothing is imported."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def python() -> Finding:
    version = sys.version_info
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return Finding("python", "ok", found, value=version.major + version.minor / 100)


def packages() -> Finding:
    missing = [name for name in BASE if not installed(name)]
    if missing:
        return Finding("packages", "bad", f"missing: {', '.join(missing)}", "pip install -U limner", len(missing))
    return Finding("packages", "ok", ", ".join(f"{n} {installed(n)}" for n in ("numpy", "numba", "av", "aiortc")))


def extras() -> list[Finding]:
    return [extra(name, needs, use) for name, (needs, use) in EXTRAS.items()]


def extra(name: str, needs: Iterable[str], use: str) -> Finding:
    """One optional group of packages."""
    versions = {package: installed(package) for package in needs}
    missing = [package for package, version in versions.items() if not version]
    if missing:
        return Finding(f"extra {name}", "off", f"no {', '.join(missing)}; for {use}", f"pip install 'limner[{name}]'", len(missing))
    return Finding(f"extra {name}", "ok", ", ".join(f"{p} {v}" for p, v in versions.items()))


def encoders() -> Finding:
    import av

    missing = [name for name in ("libx264", "aac", "libopus") if name not in av.codecs_available]
    if missing:
        return Finding("encoders", "bad", f"PyAV {av.__version__} without {', '.join(missing)}",
                       "pip install --force-reinstall --only-binary av av", len(missing))
    return Finding("encoders", "ok", f"H.264 (x264), AAC, Opus in PyAV {av.__version__}")


def microphone() -> Finding:
    from limner.streams.sources.microphone import find_device, input_devices, portaudio

    try:
        backend = portaudio()
        count, default = len(input_devices(backend)), find_device(backend, None)[1]["name"]
    except LimnerError as error:
        found, _, remedy = str(error).partition("; ")
        return Finding("microphone", "off", found, remedy)
    return Finding("microphone", "ok", f"{count} input devices, default {default!r}", value=count)


def camera() -> Finding:
    if platform.system() != "Linux":
        return Finding("camera", "ok" if installed("pyvirtualcam") else "off", "OBS Virtual Camera, if OBS is installed",
                       "install OBS Studio 28 or newer once, then start its virtual camera")
    folder = Path("/sys/devices/virtual/video4linux")
    devices = sorted(p.name for p in folder.glob("video*")) if folder.is_dir() else []
    if devices:
        return Finding("camera", "ok", ", ".join(f"/dev/{name}" for name in devices), value=len(devices))
    return Finding("camera", "off", "no v4l2loopback device", "apt install v4l2loopback-dkms && modprobe v4l2loopback exclusive_caps=1")


def virtual_microphone() -> Finding:
    """What `--to speaker:limner` plays into beside `--to camera`."""
    if platform.system() != "Linux":
        return Finding("virtual microphone", "off", "a virtual cable's name, if one is installed", "VB-CABLE (Windows) or BlackHole "
                       "(macOS), then --to speaker:CABLE beside --to camera")
    from limner.streams.sinks.speaker import MAKE_ONE, server_sinks

    if not shutil.which("pactl"):
        return Finding("virtual microphone", "off", "no sound server's pactl", "apt install pulseaudio-utils")
    if "limner" in server_sinks():
        return Finding("virtual microphone", "ok", "--to speaker:limner; other programs record limner-mic", value=1)
    return Finding("virtual microphone", "off", "no sink called limner", MAKE_ONE.format("limner"))


def obs() -> Finding:
    """OBS itself, and whether it can show a browser source."""
    if platform.system() != "Linux":
        return Finding("obs", "off", "not looked for on this system", "see docs/obs.md")
    if not shutil.which("obs"):
        return Finding("obs", "off", "OBS is not installed here", "apt install obs-studio; then the media source of docs/obs.md")
    if any(path for folder in OBS_PLUGINS for path in Path("/").glob(f"{folder}/obs-browser.so")):
        return Finding("obs", "ok", "with browser sources: /stage of `limner serve`", value=2)
    return Finding("obs", "ok", "without browser sources: take the media source", "--to udp:127.0.0.1:9999", value=1)


def browser() -> Finding:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "firefox", "firefox-esr", "microsoft-edge")
    found = [name for name in names if shutil.which(name)]
    if found or platform.system() != "Linux":
        return Finding("browser", "ok", ", ".join(found) or "the system's own", value=len(found))
    return Finding("browser", "off", "none on this machine", "open the page of `limner serve` from another, or apt install chromium")


def avatars() -> Finding:
    from limner.models.avatar import bundled_avatars, default_avatar

    names = bundled_avatars()
    default = default_avatar()
    return Finding("avatars", "ok", f"{', '.join(names)}; default {default.name}", value=len(names))


def landmark_models() -> Finding:
    from limner.models.modelfiles import FILES, find

    missing = [name for name in FILES if not find(name)]
    if missing:
        return Finding("landmark models", "off", f"{len(missing)} of {len(FILES)} not on this machine yet",
                       "the first portrait fetches them with pip; offline: set LIMNER_MODELS to their folder", len(missing))
    return Finding("landmark models", "ok", f"{len(FILES)} files, hashes right", value=len(FILES))


def disk() -> list[Finding]:
    from limner.models.modelfiles import cache_folder

    cache = cache_folder()
    existing = next(p for p in (cache, *cache.parents) if p.exists())
    return [free("free disk here", Path.cwd()), free("free disk cache", existing)]


def free(name: str, folder: Path) -> Finding:
    """Room in a folder, GB."""
    gb = shutil.disk_usage(folder).free / 1e9
    good = gb >= MIN_FREE_GB
    return Finding(name, "ok" if good else "bad", f"{gb:.1f} GB in {folder}", "" if good else "free some room: an hour of film is about 1 GB", gb)


def gpu() -> list[Finding]:
    from .gpu import findings

    return findings()


CHECKS: tuple[Check, ...] = (python, packages, extras, encoders, avatars, landmark_models, microphone, camera, virtual_microphone, obs, browser, gpu, disk)
