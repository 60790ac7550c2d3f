"""Dovecot as the other server: it keeps MODSEQs, and parts levels by dots."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.retrieval.remote import dovecot


@pytest.fixture(scope="session")
def dovecot_ports() -> Iterator[dict[str, int]]:
    if dovecot.PROGRAM is None:
        pytest.skip("Dovecot is not installed")
    with dovecot.running() as ports:
        yield ports
