import random

from aioice import Connection

from limner.clients.weather import Weather


async def test_a_share_is_lost_and_the_rest_comes_unchanged(monkeypatch):
    came = []

    async def send(transport, data):
        came.append((transport, data))

    monkeypatch.setattr(Connection, "send", send)
    weather = Weather(loss=0.3, rng=random.Random(1))
    transport = object.__new__(Connection)
    with weather.over_all():
        for n in range(1000):
            await transport.send(bytes([n % 256]))
    assert weather.sent == 1000 and weather.lost == 1000 - len(came)
    assert 250 < weather.lost < 350                      # 300 with a deviation of 14
    assert {each for each, _ in came} == {transport} and Connection.send is send


async def test_the_same_seed_is_the_same_weather():
    first, second = (Weather(0.2, 0.1, random.Random(5)) for _ in range(2))
    assert [first.fate() for _ in range(50)] == [second.fate() for _ in range(50)]
