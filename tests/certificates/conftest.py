"""An authority, a folder of certificates for each test, and an ACME server that trusts nothing."""

from __future__ import annotations

import pytest

from certificates.settings import ACME
from tests.acme_server import AcmeServer
from tests.authority import Authority


@pytest.fixture(scope="session")
def authority():
    return Authority()


@pytest.fixture
def folder(settings, tmp_path):
    settings.MAILHOST_DATA = tmp_path
    settings.MAILHOST_CERTIFICATES = tmp_path / "certificates"
    settings.MAILHOST_CERTIFICATES.mkdir(mode=0o700)
    return settings.MAILHOST_CERTIFICATES


@pytest.fixture
def acme(folder, live_server, tmp_path, monkeypatch):
    """The server, ordered from by default; every host's web server is ours."""
    place = (live_server.thread.host, live_server.thread.port)
    with AcmeServer(tmp_path, place) as running:
        running.ours = place
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(running.ca_path))
        switch_on(running)
        yield running
    ACME.forget()


def switch_on(acme, **values):
    ACME.change(
        {
            "is_enabled": True,
            "agrees_to_terms": True,
            "directory_url": acme.directory_url,
            "contact": "postmaster@example.com",
            **values,
        },
        by=None,
    )
