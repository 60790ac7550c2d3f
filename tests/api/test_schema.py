"""The API describes itself, completely and truthfully."""

import json

import jsonschema
import pytest
from django.urls import URLPattern, URLResolver

from api import urls
from api.examples import UNKNOWN, main_contents
from api.samples import BY_COMPONENT, BY_NAME
from tests.api.generated import as_json_schema


@pytest.fixture(scope="module")
def made():
    """The description, once one of the tests has asked for it."""
    return {}


@pytest.fixture
def schema(db, client, made):
    if not made:
        answer = client.get("/api/schema/", headers={"accept": "application/vnd.oai.openapi+json"})
        assert answer.status_code == 200
        made.update(json.loads(answer.content))
    return made


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
            assert "token must be good for" not in one.get("description", ""), (method, path)
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


def told_examples(media):
    return [one["value"] for one in media.get("examples", {}).values()] or [media["example"]]


def operations(schema):
    for path, found in schema["paths"].items():
        for method, one in found.items():
            yield f"{method} {path}", one


def test_every_request_and_every_answer_has_an_example_that_fits_its_schema(schema):
    faults, number = [], 0
    schema = as_json_schema(schema)
    for label, operation in operations(schema):
        for media, code in main_contents(operation):
            number += 1
            place = f"{label}: {code or 'request'}"
            part = {"components": schema["components"], **media["schema"]}
            validator = jsonschema.Draft202012Validator(part)
            for example in told_examples(media):
                faults += [f"{place}: {error.message}" for error in validator.iter_errors(example)]
    assert faults == []
    assert number > 200


def test_every_text_of_an_example_says_something(schema):
    def unknown(value, path):
        if isinstance(value, dict):
            return [one for name in value for one in unknown(value[name], f"{path}.{name}")]
        if isinstance(value, list):
            return [one for below in value for one in unknown(below, f"{path}[]")]
        return [path] if value == UNKNOWN else []

    found = [
        place
        for label, operation in operations(schema)
        for media, _ in main_contents(operation)
        for example in told_examples(media)
        for place in unknown(example, label)
    ]
    assert found == [], "give these fields a value in api/samples.py"


def test_the_table_of_examples_names_only_what_is_there(schema):
    parts = schema["components"]["schemas"]
    known = {
        name.removeprefix("Patched"): part.get("properties", {}) for name, part in parts.items()
    }
    strays = [
        f"{owner}.{name}"
        for owner, values in BY_COMPONENT.items()
        for name in values
        if name not in known.get(owner, {})
    ]
    names = {name for part in known.values() for name in part}
    strays += [name for name in BY_NAME if name.removesuffix("[]") not in names]
    assert strays == []
