"""Whatever the schema allows, and much that it does not: no fault, and no answer it hides."""

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode, checks
from schemathesis.specs.openapi import checks as openapi_checks

from accounts.models import ClearTextLogin
from accounts.settings import LOGIN
from mailhost.wsgi import application
from tests.api.conftest import key_for
from tests.people import make_world

EXAMPLES = 2  # of each way, of each operation
# Waits for other processes, which there are none of here.
SLOW = ["/api/v1/services/{service}/", "/api/v1/services/"]
CHECKS = [
    checks.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_schema_conformance,
]


@pytest.fixture
def one_connection(db):
    """As Django's own test client keeps it: a request does not close the test's connection."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_no_request_breaks_the_api_or_its_schema(one_connection, mode):
    # Asked without a network, a request has no address of this machine.
    LOGIN.change({"clear_text_login": ClearTextLogin.ALLOW}, by=None)
    world = make_world()
    key = key_for(world.root, requests_per_minute=60_000)
    schema = schemathesis.openapi.from_wsgi("/api/schema/", application).exclude(path=SLOW)
    faults, statuses = [], set()
    for found in schema.get_all_operations():
        operation = found.ok()
        try:
            ask(operation.as_strategy(generation_mode=mode), key, statuses)
        except Exception as error:  # all of them are told of at once
            causes = getattr(error, "exceptions", [error])
            faults += [f"{operation.label}: {cause}" for cause in causes]
    assert faults == [], "\n\n".join(faults)
    assert {200, 422} <= statuses and 401 not in statuses


def ask(strategy, key, statuses):
    @given(case=strategy)
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def one(case):
        mark = transaction.savepoint()
        try:
            headers = {"Authorization": f"Bearer {key}"}
            statuses.add(case.call_and_validate(checks=CHECKS, headers=headers).status_code)
        finally:
            transaction.savepoint_rollback(mark)

    one()
