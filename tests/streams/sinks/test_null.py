from limner.engine.testing import check_sink
from limner.streams.sinks.null import create
from tests.streams.mp4_reader import beeps, chunks_of, plain


async def test_the_contract():
    await check_sink(create(size=(64, 64), fps=25))


async def test_it_counts():
    async with create(size=(64, 64), fps=25) as sink:
        await sink.show(plain(0))
        for chunk in chunks_of(beeps(1)):
            await sink.play(chunk)
    assert (sink.pictures, sink.samples) == (1, 16_000)
