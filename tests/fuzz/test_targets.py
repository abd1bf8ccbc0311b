"""The quick part of fuzzing: a few hundred damaged inputs at every door, and every finding kept."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS, quietly, seeds

FINDINGS = Path(__file__).parent / "findings"


@st.composite
def damaged(draw, good: list[bytes]) -> bytes:
    """A good input with a few bytes overwritten, lost, doubled or put in; or plain junk."""
    data = bytearray(draw(st.sampled_from(good)))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        span = draw(st.integers(0, 8))
        data[at : at + span] = draw(st.one_of(st.binary(max_size=8), st.just(bytes(data[at : at + span]) * 2)))
    return bytes(data)


@pytest.mark.parametrize("name", TARGETS)
def test_good_inputs_are_taken_or_said_to_be_bad(name):
    for data in seeds(name):
        quietly(lambda: TARGETS[name](data))  # noqa: B023 - called at once


@pytest.mark.parametrize("name", TARGETS)
def test_damage_is_one_line(name):
    @settings(max_examples=150, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.one_of(damaged(seeds(name)), st.binary(max_size=200)))
    def check(data):
        quietly(lambda: TARGETS[name](data))

    check()


@pytest.mark.parametrize("path", sorted(FINDINGS.glob("*")), ids=lambda path: path.name)
def test_what_was_found_stays_mended(path):
    quietly(lambda: TARGETS[path.name.split("-")[0]](path.read_bytes()))
