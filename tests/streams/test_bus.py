import pytest
import zmq
import zmq.auth

from limner.engine.errors import DeviceError, UsageError
from limner.streams.bus import Bus, local, parse

HERE = "tcp://127.0.0.1:*"


@pytest.mark.parametrize("address, inside", [
    ("tcp://127.0.0.1:5555", True), ("tcp://127.8.8.8:5555", True), ("tcp://localhost:5555", True), ("tcp://[::1]:5555", True),
    ("ipc:///tmp/limner", True), ("inproc://limner", True), ("tcp://0.0.0.0:5555", False), ("tcp://*:5555", False),
    ("tcp://192.168.1.4:5555", False), ("tcp://[::]:5555", False), ("tcp://eth0:5555", False), ("tcp://localhost.evil.example:5555", False)])
def test_what_only_this_machine_can_reach(address, inside):
    assert local(address) is inside


@pytest.mark.parametrize("endpoint, found", [
    ("tcp://0.0.0.0:5555", "others could listen in"), ("tcp://*:5555", "others could listen in"),
    ("http://127.0.0.1", "expected an endpoint"), ("", "expected an endpoint"), ("5555", "expected an endpoint"),
    ("tcp://127.0.0.1:5555?secret=x", "unknown option"), ("tcp://0.0.0.0:5555?key=x", "clients=DIR"),
    ("tcp://0.0.0.0:5555?key=x&clients=/no/such/folder", "clients=DIR")])
def test_endpoints_that_are_not_taken(endpoint, found):
    with pytest.raises(UsageError, match=found):
        parse(endpoint)


@pytest.fixture
def keys(tmp_path):
    (tmp_path / "clients").mkdir()
    zmq.auth.create_certificates(tmp_path, "server")
    (tmp_path / "text.key").write_text("no certificate")
    return tmp_path


@pytest.mark.parametrize("key, found", [("server.key", "only the public half"), ("text.key", "not a CURVE certificate"),
                                        ("missing.key", "not a CURVE certificate")])
async def test_certificates_that_do_not_serve(keys, key, found):
    bus = Bus(parse(f"{HERE}?key={keys / key}&clients={keys / 'clients'}"), zmq.PUB, 4)
    with pytest.raises(UsageError, match=found):
        bus.open()


async def test_the_port_that_was_chosen_is_told_and_freed():
    bus = Bus(parse(HERE), zmq.PULL, 4)
    bus.open()
    address = bus.address
    with pytest.raises(DeviceError, match="cannot be bound"):
        Bus(parse(address), zmq.PULL, 4).open()
    bus.close()
    again = Bus(parse(address), zmq.PULL, 4)
    again.open()
    again.close()
