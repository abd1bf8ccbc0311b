"""Connections within this machine, for every test of a module that imports the fixture."""

import aioice.ice
import pytest


@pytest.fixture(autouse=True)
def loopback(monkeypatch):
    def only_loopback(use_ipv4, use_ipv6):
        return ["127.0.0.1"]

    only_loopback.offers_loopback = True
    monkeypatch.setattr(aioice.ice, "get_host_addresses", only_loopback)
