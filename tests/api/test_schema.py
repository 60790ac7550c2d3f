"""The API describes itself, completely and truthfully."""

import json

import pytest
from django.urls import URLPattern, URLResolver

from api import urls


@pytest.fixture
def schema(db, client):
    answer = client.get("/api/schema/", headers={"accept": "application/vnd.oai.openapi+json"})
    assert answer.status_code == 200
    return json.loads(answer.content)


def test_every_address_stands_in_the_schema(schema):
    def count(patterns):
        found = 0
        for one in patterns:
            if isinstance(one, URLResolver):
                found += count(one.url_patterns)
            elif isinstance(one, URLPattern) and one.name not in (
                "schema", "docs", "problems", "problem", "nothing",
            ):  # fmt: skip
                found += 1
        return found

    assert len(schema["paths"]) == count(urls.urlpatterns) > 50


def test_every_operation_has_a_name_of_its_own_words_and_refusals(schema):
    names = []
    for path, operations in schema["paths"].items():
        for method, one in operations.items():
            if method == "parameters":
                continue
            names.append(one["operationId"])
            assert one.get("summary"), (method, path)
            assert {"401", "403", "404", "422", "429"} <= one["responses"].keys()
            problem = one["responses"]["422"]["content"]
            assert list(problem) == ["application/problem+json"]
            headers = {parameter["name"] for parameter in one.get("parameters", ())}
            assert ("If-Match" in headers) == (method in ("patch", "put"))
            assert ("Idempotency-Key" in headers) == (method == "post")
    assert len(names) == len(set(names))


def test_the_schema_is_made_without_a_warning(db, client, capsys):
    client.get("/api/schema/")
    told = capsys.readouterr().err
    assert "Warning" not in told and "Error" not in told


def test_requests_take_no_unknown_names(schema):
    assert schema["components"]["schemas"]["NewDomainIn"]["additionalProperties"] is False
