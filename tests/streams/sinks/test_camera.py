import numpy as np
import pytest

from limner.engine.errors import DeviceError
from limner.engine.testing import check_sink

pyvirtualcam = pytest.importorskip("pyvirtualcam", reason="needs pip install 'limner[camera]'")

from limner.streams.sinks.camera import Camera, create  # noqa: E402
from tests.streams.mp4_reader import beeps, chunks_of, plain  # noqa: E402

SIZE = (48, 64)


class PaperCamera:
    """pyvirtualcam's own interface for further backends."""

    made: list["PaperCamera"]

    def __init__(self, *, width, height, fps, fourcc, device, **_):
        if device == "/dev/busy":
            raise RuntimeError("Device or resource busy")
        self.asked, self.frames, self.closed, self.fails = (width, height, fps), [], False, False
        self.made.append(self)

    def close(self):
        self.closed = True

    def send(self, frame):
        if self.fails:
            raise RuntimeError("error writing frame")
        self.frames.append(np.array(frame))

    def device(self):
        return "/dev/paper"

    def native_fourcc(self):
        return None


@pytest.fixture
def paper(monkeypatch):
    PaperCamera.made = []
    monkeypatch.setattr(pyvirtualcam.camera, "BACKENDS", {"paper": PaperCamera})
    return PaperCamera.made


async def test_the_contract(paper):
    await check_sink(create("", size=SIZE, fps=25), size=SIZE)
    assert len(paper[0].frames) == 9 and paper[0].closed


async def test_pictures_arrive_as_i420(paper):
    picture = plain(0, SIZE, luma=99)
    async with Camera(None, size=SIZE, fps=30, backend="paper") as camera:
        await camera.show(picture)
        await camera.play(chunks_of(beeps(1))[0])
        assert (camera.device, camera.sent) == ("/dev/paper", 1)
    assert paper[0].asked == (64, 48, 30)
    np.testing.assert_array_equal(paper[0].frames[0].reshape(72, 64), picture.planes)


async def test_busy_and_gone_are_one_line_each(paper):
    with pytest.raises(DeviceError, match=r"camera:/dev/busy: no virtual camera can be opened \(.*busy\); "):
        await create("/dev/busy", size=SIZE, fps=25).__aenter__()
    async with create("", size=SIZE, fps=25) as camera:
        paper[-1].fails = True
        with pytest.raises(DeviceError, match="takes no more pictures"):
            await camera.show(plain(0, SIZE))


async def test_no_driver_here(capfd):
    """The system's real backend, asked for a device that cannot exist."""
    with pytest.raises(DeviceError, match="no virtual camera can be opened") as caught:
        await create("/dev/video-none", size=SIZE, fps=25).__aenter__()
    assert "\n" not in str(caught.value) and "browser source" in str(caught.value)
    del caught
    assert "Traceback" not in capfd.readouterr().err
