import numpy as np
import pytest

from limner.clients.zmq.client import Client
from limner.engine.errors import DeviceError
from limner.streams import slots
from limner.streams.slots import SlotWriter


@pytest.fixture
def writer():
    writer = SlotWriter(1000, slots=3)
    yield writer
    writer.close()


@pytest.fixture
def read():
    with Client() as client:
        yield lambda slot: client._shared({name: getattr(slot, name) for name in ("name", "offset", "size", "sequence")})


def test_what_was_written_is_read(writer, read):
    for k in range(10):
        data = np.full((5, 20 + k), k, np.uint8)
        assert read(writer.write(data)) == data.tobytes()


def test_a_reader_who_is_too_late_knows(writer, read):
    told = [writer.write(np.full(1000, k, np.uint8)) for k in range(4)]
    assert read(told[0]) is None
    assert [read(slot)[0] for slot in told[1:]] == [1, 2, 3]


def test_a_slot_that_is_being_written_is_not_read(writer, read):
    slot = writer.write(np.zeros(1000, np.uint8))
    writer._bytes[0][:8].view("<u8")[0] = 7
    assert read(slot) is None


def test_the_memory_is_freed():
    writer = SlotWriter(10)
    slot = writer.write(np.zeros(10, np.uint8))
    writer.close()
    with pytest.raises(FileNotFoundError):
        slots.SharedMemory(slot.name)


def test_no_memory(monkeypatch):
    def refuse(**asked):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(slots, "SharedMemory", refuse)
    with pytest.raises(DeviceError, match=r"No space left.*leave out shm=1"):
        SlotWriter(1000)
