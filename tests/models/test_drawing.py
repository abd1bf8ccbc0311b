"""One network for drawings and for finished pictures of several sizes, alone and gathered."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from limner.cuda.graph import Graphed
from limner.cuda.lane import Lane, open_lane
from limner.engine.errors import DeviceError
from limner.engine.types import Frame
from limner.models import drawing as drawings
from limner.models import paste, planes
from limner.models.drawing import After, Bare, Drawing
from limner.models.face.colour import to_picture
from limner.models.wav2lip.seat import REPAINTED, face_windows
from tests.models import faces

SHAPE = (96, 96)


def laid(seat, shown=1.0):
    return After(planes.Finish(seat.size), planes.tensors(seat), (shown,))


class Shift:
    """A network that adds what it hears [n, 1] to a source [1, 3, 96, 96] in 0..1."""

    def __init__(self):
        self.calls = []

    def inputs(self, sources):
        return (torch.cat(list(sources)),)

    def decode(self, source, heard):
        self.calls.append(len(source))
        return (source + heard[..., None, None]).clamp(0, 1)

    def constants(self):
        return {}


def seated(size):
    """A source frame with its patch and what the network saw."""
    frames, marks = faces.moving(1, size)
    window = face_windows(marks)[0]
    look = torch.from_numpy(paste.look(frames[0], window, SHAPE)).permute(2, 0, 1)[None] / 255
    return frames[0], paste.prepare(frames[0], marks[0], window, SHAPE, REPAINTED), look


def wanted(frame, patch, look, heard, shown):
    """The same on the host: planes of the pasted picture."""
    drawing = ((look[0] + heard).clamp(0, 1) * 255).permute(1, 2, 0).numpy()
    return to_picture(Frame(paste.blend(frame, patch, drawing, shown), 0, 0, 0)).planes


@pytest.fixture(scope="module")
def seats():
    return {size: seated(size) for size in (128, 256)}


def drawing(**more):
    live = Shift()
    return Drawing(lambda: live, Lane(), finishes=True, **more), live


@pytest.mark.parametrize("shown", [1.0, 0.3])
def test_finished_pictures_equal_the_hosts(seats, shown):
    made, _ = drawing()
    for frame, patch, look in seats.values():
        seat, = made.seats([frame], [patch])
        got = made.planes(0, look, np.float32([0.2]), seat, shown)
        want = wanted(frame, patch, look, 0.2, shown)
        assert got.dtype == np.uint8 and got.shape == want.shape
        apart = np.abs(got.astype(int) - want)
        assert apart.max() <= 4 and apart.mean() < 0.02          # three levels of a channel, and their rounding


def test_drawings_and_sizes_go_together_with_their_like(seats):
    made, live = drawing()
    small, large = ((made.seats([frame], [patch])[0], look) for frame, patch, look in seats.values())
    asked = [(small[1], np.float32([0.1]), laid(small[0])), (large[1], np.float32([0.2]), After(Bare())),
             (large[1], np.float32([0.3]), laid(large[0])), (small[1], np.float32([0.4]), laid(small[0], 0.5))]
    answers = made._draw(asked)
    assert [each.shape for each in answers] == [(192, 128), (96, 96, 3), (384, 256), (192, 128)]
    assert sorted(live.calls) == [1, 1, 2]
    for item, answer in zip(asked, answers, strict=True):
        alone, = made._draw([item])
        assert np.abs(answer.astype(int) - alone).max() <= 1


def test_sessions_gathered_get_their_own_pictures(seats):
    made, _ = drawing(shared=True)
    frame, patch, look = seats[128]
    seat, = made.seats([frame], [patch])
    with ThreadPoolExecutor(4) as threads:
        got = list(threads.map(lambda k: made.planes(k, look, np.float32([k / 10]), seat, 1.0), range(4)))
    made.batcher.close()
    for k, each in enumerate(got):
        assert np.abs(each.astype(int) - wanted(frame, patch, look, k / 10, 1.0)).mean() < 0.02


class Noting(Graphed):
    """Records on paper; memory holds recordings of `room` pictures."""

    room, masked, prepared = 64, False, []

    def prepare(self, *example, sizes=(1,)):
        super().prepare(*example, sizes=sizes)
        if sizes[0] > self.room:
            try:
                raise torch.OutOfMemoryError("CUDA out of memory")
            finally:
                if self.masked:
                    raise RuntimeError("operation failed due to a previous error during capture")
        self.prepared.extend(sizes)


@pytest.fixture
def noted(monkeypatch):
    monkeypatch.setattr(drawings, "Graphed", Noting)
    monkeypatch.setattr(Noting, "prepared", [])
    return Noting


def test_who_draws_alone_records_one_picture(seats, noted):
    made, _ = drawing()
    for frame, patch, look in seats.values():
        seat, = made.seats([frame], [patch])
        for heard in (0.1, 0.2):
            made.planes(0, look, np.float32([heard]), seat, 1.0)
    made.draw(0, look, np.float32([0.1]))
    assert noted.prepared == [1, 1, 1] and made.lane.most is None        # two sizes of picture, and the drawing itself


def test_a_shared_network_records_every_size_before_the_first_picture(seats, noted):
    made, live = drawing(shared=True)
    frame, patch, look = seats[128]
    seat, = made.seats([frame], [patch])
    made.prepare(look, np.float32([0]), laid(seat))
    assert noted.prepared == [1, 2, 4, 8, 16, 32] and live.calls == []
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda k: made.planes(k, look, np.float32([k / 10]), seat, 1.0), range(4)))
    made.batcher.close()
    assert len(noted.prepared) == 6 and sum(live.calls) == 4


def test_who_draws_does_not_wait_for_who_records(seats):
    made, _ = drawing(shared=True)
    frame, patch, look = seats[128]
    seat, = made.seats([frame], [patch])
    made.prepare(look, np.float32([0]), laid(seat))
    with made._preparing, ThreadPoolExecutor(1) as threads:
        shown = threads.submit(made.planes, 0, look, np.float32([0.2]), seat, 1.0).result(timeout=30)
    assert shown.shape == (192, 128)
    made.batcher.close()


@pytest.mark.parametrize("masked", [False, True])
def test_memory_that_runs_out_while_recording_makes_calls_smaller(seats, noted, monkeypatch, masked):
    monkeypatch.setattr(noted, "room", 8)
    monkeypatch.setattr(noted, "masked", masked)
    made, live = drawing(shared=True)
    frame, patch, look = seats[128]
    seat, = made.seats([frame], [patch])
    made.prepare(look, np.float32([0]), laid(seat))
    assert noted.prepared == [1, 2, 4, 8] and made.lane.most == 8
    made.lane.fitting(made._draw, [(look, np.float32([0.1]), laid(seat))] * 20)
    assert live.calls == [8, 8, 4]
    made.draw(0, look, np.float32([0]))                                  # another recipe: no more than that either
    assert noted.prepared[4:] == [1, 2, 4, 8]
    made.batcher.close()
    monkeypatch.setattr(noted, "room", 0)
    with pytest.raises(DeviceError, match="not enough memory"):
        drawing()[0].prepare(look, np.float32([0]), laid(seat))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is usable here")
def test_a_gpu_gives_the_hosts_pictures(seats):
    """Recorded: batches of every size, between them other sizes of picture, and what was given stays as it was."""
    with open_lane("cuda:0") as lane:
        live = Shift()
        made = Drawing(lambda: live, lane)
        there = {size: (made.seats([frame], [patch])[0], look.to("cuda:0")) for size, (frame, patch, look) in seats.items()}
        given = []
        for count in (1, 3, 2, 1, 4, 3):
            for size, (seat, look) in there.items():
                heard = [k / 10 for k in range(count)]
                given += zip([size] * count, heard, made._draw([(look, np.float32([k]), laid(seat)) for k in heard]), strict=True)
        assert made.finishes and all(sorted(each.recorded) == [1, 2, 4] for each in made._recorded.values())
    for size, heard, got in given:
        apart = np.abs(got.astype(int) - wanted(*seats[size], heard, 1.0))
        assert apart.max() <= 4 and apart.mean() < 0.02


def test_a_cpu_finishes_nothing_unless_told():
    assert not Drawing(Shift, Lane()).finishes


def test_memory_that_runs_out_is_one_line(seats):
    made, live = drawing()
    frame, patch, look = seats[128]
    seat, = made.seats([frame], [patch])

    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    live.decode = full
    with pytest.raises(DeviceError, match="not enough memory"):
        made.planes(0, look, np.float32([0]), seat, 1.0)
