"""A client made from nothing but the API's own description."""

from __future__ import annotations

from functools import partial
from urllib.parse import quote

import jsonschema
import requests


class Refused(Exception):
    def __init__(self, problem):
        super().__init__(problem.get("detail"))
        self.problem = problem


class Generated:
    """Every operation is a method: path and query parameters by name, the body as `body`.

    Answers are held against the schema; a change sends the ETag of what was read last.
    """

    def __init__(self, base, key):
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {key}"
        self._session.trust_env = False
        self._base = base
        self._tags = {}
        accept = {"Accept": "application/vnd.oai.openapi+json"}
        self.schema = self._session.get(f"{base}/api/schema/", headers=accept, timeout=30).json()
        for path, operations in self.schema["paths"].items():
            for method, one in operations.items():
                setattr(self, one["operationId"], partial(self._call, method, path, one))

    def _call(self, method, path, operation, body=None, headers=None, **given):
        headers = dict(headers or {})
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "path":
                value = quote(str(given.pop(parameter["name"])))
                path = path.replace(f"{{{parameter['name']}}}", value)
        if method in ("patch", "put"):
            headers.setdefault("If-Match", self._tags.get(path, "*"))
        answer = self._session.request(
            method, self._base + path, json=body, params=given, headers=headers, timeout=30
        )
        if "ETag" in answer.headers:
            self._tags[path] = answer.headers["ETag"]
        self._check(answer, operation)
        if answer.status_code >= 400:
            raise Refused(answer.json())
        return answer.json() if answer.content else None

    def _check(self, answer, operation):
        told = operation["responses"][str(answer.status_code)]
        if "content" not in told:
            assert not answer.content
            return
        kind = answer.headers["Content-Type"].partition(";")[0]
        described = {"components": self.schema["components"], **told["content"][kind]["schema"]}
        jsonschema.Draft202012Validator(as_json_schema(described)).validate(answer.json())


def as_json_schema(schema):
    """OpenAPI 3.0's `nullable`, as JSON Schema says it."""
    if isinstance(schema, list):
        return [as_json_schema(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {name: as_json_schema(value) for name, value in schema.items() if name != "nullable"}
    return {"anyOf": [plain, {"type": "null"}]} if schema.get("nullable") is True else plain
