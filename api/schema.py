"""How the API describes itself: OpenAPI 3 with every refusal, header and example."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import get_doc
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework import serializers

from api.fields import In, Out

PROBLEM_JSON = "application/problem+json"


class FieldProblem(Out):
    field = serializers.CharField(help_text="Which field; the parts of a path are joined by dots.")
    reason = serializers.CharField()


class Problem(Out):
    """A refusal. RFC 9457. Some have more members: `limit`, `allowed` and `used`, for example."""

    type = serializers.CharField(help_text="An address that explains this kind of problem.")
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="A sentence about this occurrence.")
    errors = FieldProblem(many=True, required=False)  # type: ignore[assignment]


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "api.access.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "A token from `manage.py token create`, the panel or `/tokens/`.",
        }


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "api.access.PanelSession"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": "sessionid"}


_FULL_PLAN = {
    "type": "/api/problems/limit-reached/",
    "title": "A limit or a plan has no room for more",
    "status": 409,
    "detail": "the limit of 10 domains is reached",
    "limit": "domains",
    "allowed": 10,
    "used": 10,
}
_WRONG_VALUE = {
    "type": "/api/problems/values-refused/",
    "title": "Values that cannot be taken",
    "status": 422,
    "detail": "limits.users: must not be negative",
    "errors": [{"field": "limits.users", "reason": "must not be negative"}],
}
WORDS = {
    400: "The body is not JSON, or says what this address never does; see `type`.",
    401: "No token, or one that opens nothing.",
    403: "Not with this role, or not with this token's scopes.",
    404: "There is nothing here, or nothing for you.",
    405: "Not with this method.",
    406: "Answers are JSON.",
    409: "Something stands in the way: a limit, a name in use, a state.",
    412: "It was changed after you had read it.",
    413: "The body is too large.",
    415: "Bodies are JSON.",
    422: "Values that cannot be taken; `errors` names each.",
    428: "A change without `If-Match`.",
    503: "The service did not follow.",
    429: "Too many requests; `Retry-After` says how many seconds to wait.",
}
EXAMPLES = {409: ("A full plan", _FULL_PLAN), 422: ("A wrong value", _WRONG_VALUE)}

IDEMPOTENCY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description=(
        "Any text of 1 to 255 printable characters. Sent again within 24 hours with the same "
        "body, the first answer comes again and nothing is done twice."
    ),
)
IF_MATCH = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    required=True,
    description="The `ETag` of what you have read; `*` overwrites whatever there is.",
)


class HouseSchema(AutoSchema):
    """Adds to each operation what all of them have in common."""

    def get_tags(self) -> list[str]:
        return [getattr(self.view, "scope", "") or "self"]

    def get_operation_id(self) -> str:
        name = type(self.view).__name__
        words = "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
        return f"{words}_{self.method.lower()}"

    def get_description(self) -> str:  # type: ignore[override]  # as the library's own
        """What the method says: the words on a class are for whoever reads the code."""
        return str(get_doc(getattr(self.view, self.method.lower(), None)))

    def get_override_parameters(self) -> list[Any]:
        if self.method == "POST":
            return [IDEMPOTENCY]
        return [IF_MATCH] if self.method in ("PATCH", "PUT") else []

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        statuses = [401, 403, 404, 406, 422, 429]
        if self.method != "GET":
            statuses += [400, 409, 412, 413, 415]
        if self.method in ("PATCH", "PUT"):
            statuses.append(428)
        if getattr(self.view, "scope", "") == "services" and self.method == "POST":
            statuses.append(503)
        for status in sorted(statuses):
            bodies.setdefault(str(status), self._problem(status, direction))
        return bodies

    def _problem(self, status: int, direction: Any) -> Any:
        examples = []
        if status in EXAMPLES:
            name, value = EXAMPLES[status]
            examples.append(OpenApiExample(name, value, media_type=PROBLEM_JSON))
        response = OpenApiResponse(Problem, WORDS[status], examples)
        return self._get_response_for_code(response, str(status), [PROBLEM_JSON], direction)  # type: ignore[no-untyped-call]

    def _map_serializer_field(
        self, field: Any, direction: Any, bypass_extensions: bool = False
    ) -> dict[str, Any] | None:
        schema: dict[str, Any] | None = super()._map_serializer_field(  # type: ignore[no-untyped-call]
            field, direction, bypass_extensions
        )
        if schema and "$ref" not in schema and field.initial not in (None, "", []):
            # Every switch is off at first: that tells nothing.
            return schema if field.initial is False else {**schema, "example": field.initial}
        return schema

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> dict[str, Any]:
        schema: dict[str, Any] = super()._map_basic_serializer(serializer, direction)  # type: ignore[no-untyped-call]
        if isinstance(serializer, In):
            schema["additionalProperties"] = False
        return schema


def page_of(serializer: type[Any]) -> type[Any]:
    """A page of a list, for the schema."""
    fields = {
        "items": serializer(many=True),
        "next": serializers.CharField(
            allow_null=True, help_text="The address of the next page; null: this is the last one."
        ),
        "total": serializers.IntegerField(
            required=False, help_text="Of all pages; only where `count=true` asked for it."
        ),
    }
    return type(f"PageOf{serializer.__name__.removesuffix('Out')}", (Out,), fields)
