"""What tests of the spool share."""

import ssl

import pytest
import trustme

from tests import factories
from tests.dns_server import DnsServer
from tests.spool import outgoing
from tests.spool.clockwork import set_clock
from tests.spool.hourly import TEN_TO_THREE

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


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def server_tls(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("mx.far.test", "gateway.test").configure_cert(context)
    return context


@pytest.fixture
def fresh_spool():
    """Nothing is remembered of another test's rows, and what this one begins ends with it."""
    outgoing.forget_everything()
    yield
    outgoing.stop_committer()


@pytest.fixture
def one(fresh_spool):
    """The domain one.example, with alice."""
    return factories.make_domain("one.example", "alice")


@pytest.fixture
def clock(fresh_spool, monkeypatch):
    """The spool's: ten to three until the test moves it."""
    return set_clock(monkeypatch, TEN_TO_THREE)
