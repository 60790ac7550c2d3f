"""What tests of the way out share."""

import pytest

from tests.dns_server import DnsServer

FAR = {
    ("far.test", "MX"): ["10 mx.far.test."],
    ("mx.far.test", "A"): ["127.0.0.1"],
    ("other.test", "MX"): ["10 mx.other.test."],
    ("mx.other.test", "A"): ["127.0.0.1"],
    ("none.test", "MX"): ["0 ."],
    ("failing.test", "A"): ["127.0.0.1"],
}


@pytest.fixture
async def far_dns():
    async with DnsServer(dict(FAR)) as server:
        server.failing = {"failing.test"}
        yield server
