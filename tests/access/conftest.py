"""Pages that ask DNS ask a server of the test's own, which knows no name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.conf import settings as conf

from tests.dns_server import ThreadedDnsServer


@pytest.fixture(autouse=True)
def _own_dns(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with ThreadedDnsServer({}) as server:
        monkeypatch.setattr(conf, "MAILHOST_DNS_SERVERS", [server.address])
        yield
