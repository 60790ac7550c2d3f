"""Makes the examples of the API's description: from its schemas, and the values of one table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from api.samples import BY_COMPONENT, BY_NAME

MOMENT = "2030-01-31T09:00:00Z"
DAY = "2030-01-31"
# What a text becomes that no table knows: a test looks for it.
UNKNOWN = "…"
# Of a request that must have nothing, so many fields are shown.
FEW = 3
CREATED = "201"

_KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


def add(result: Any, generator: Any, request: Any, public: Any) -> Any:
    """Called by drf-spectacular with the whole description; what has an example keeps it."""
    components = result["components"]["schemas"]
    for operations in result["paths"].values():
        for operation in operations.values():
            for media, code in main_contents(operation):
                if "example" not in media and "examples" not in media:
                    media["example"] = _Maker(components, code).value("", "", media["schema"])
    return result


def main_contents(operation: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """What is asked, and what is answered where all is well, files aside; with the status.

    An empty status: it is the request.
    """
    bodies = [("", operation.get("requestBody", {}))]
    bodies += [(code, one) for code, one in operation["responses"].items() if code[0] == "2"]
    for code, body in bodies:
        for media in body.get("content", {}).values():
            if media["schema"].get("format") != "binary":
                yield media, code


class _Maker:
    """Requests show what they must have and what the table names; answers what they always have.

    What is told once, when something is made, stands in answers of 201.
    """

    def __init__(self, components: dict[str, Any], code: str) -> None:
        self._components = components
        self._code = code

    def value(self, owner: str, name: str, schema: dict[str, Any]) -> Any:
        """For the property `name` of the component `owner`."""
        chosen = BY_COMPONENT.get(owner, {})
        if name in chosen:
            return chosen[name]
        for way in ("allOf", "oneOf", "anyOf"):
            if way in schema:
                return self.value(owner, name, schema[way][0])
        if "$ref" in schema:
            component = schema["$ref"].rpartition("/")[2]
            return self._object(component, self._components[component])
        if "example" in schema:
            return schema["example"]
        if name in BY_NAME and _fits(BY_NAME[name], schema):
            return BY_NAME[name]
        return self._plain(owner, name, schema)

    def _object(self, component: str, schema: dict[str, Any]) -> dict[str, Any]:
        owner = component.removeprefix("Patched")
        properties = schema.get("properties", {})
        names = list(properties)
        wanted = set(schema.get("required", ()))
        if not self._code:
            wanted |= BY_COMPONENT.get(owner, {}).keys()
            names = [name for name in names if name in wanted] or names[:FEW]
        elif self._code != CREATED:
            names = [name for name in names if name in wanted]
        return {name: self.value(owner, name, properties[name]) for name in names}

    def _plain(self, owner: str, name: str, schema: dict[str, Any]) -> Any:
        if "enum" in schema:
            return schema["enum"][0]
        match schema.get("type"):
            case "array":
                return [self.value(owner, f"{name}[]", schema["items"])]
            case "object" | None:
                return {}
            case "boolean":
                return False
            case "integer" | "number":
                return min(max(1, schema.get("minimum", 1)), schema.get("maximum", 1))
        return {"date-time": MOMENT, "date": DAY}.get(schema.get("format", ""), UNKNOWN)


def _fits(value: Any, schema: dict[str, Any]) -> bool:
    if value is None:
        return bool(schema.get("nullable"))
    if type(value) not in _KINDS.get(schema.get("type", ""), ()):
        return False
    if "enum" in schema:
        return value in schema["enum"]
    if isinstance(value, list) and not all(_fits(one, schema["items"]) for one in value):
        return False
    return "format" not in schema or schema["format"] not in ("date", "date-time")
