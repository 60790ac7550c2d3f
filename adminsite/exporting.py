"""Chosen rows of any admin list as a CSV file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any

from django.contrib import admin
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse

from adminsite import csvfiles

# What a password became, and what opens a session: nobody's business, on no page and in no file.
SECRETS = frozenset(
    {
        "password", "scram_salt", "scram_stored_key", "scram_server_key", "cram_md5_state",
        "secret", "digest", "token_hash", "cookie_hash", "session_key", "code_hash",
        "credential_id", "body_digest",
    }
)  # fmt: skip
CHUNK = 1_000


def shown_fields(model: type[models.Model]) -> list[models.Field[Any, Any]]:
    """What may be seen of a row: no bytes, no secrets."""
    return [
        field
        for field in model._meta.concrete_fields
        if not isinstance(field, models.BinaryField) and field.name not in SECRETS
    ]


@admin.action(description="Export as CSV", permissions=["view"])
def export_csv(
    modeladmin: admin.ModelAdmin[Any], request: HttpRequest, queryset: QuerySet[Any]
) -> StreamingHttpResponse:
    """All columns of the chosen rows, safe for spreadsheets; written as they are read."""
    words: Mapping[str, Callable[[Any], str]] = getattr(modeladmin, "shown_as", {})
    related = modeladmin.list_select_related
    joined = {name.partition("__")[0] for name in related} if isinstance(related, tuple) else set()
    fields = shown_fields(modeladmin.model)
    readers = [_reader(field, field.name in joined, words.get(field.name)) for field in fields]
    rows = ([read(row) for read in readers] for row in queryset.iterator(chunk_size=CHUNK))
    name = str(modeladmin.model._meta.verbose_name_plural).replace(" ", "-")
    return csvfiles.response(f"{name}.csv", [field.name for field in fields], rows)


def _reader(
    field: models.Field[Any, Any], is_joined: bool, words: Callable[[Any], str] | None
) -> Callable[[Any], object]:
    """A row that another points to by its name if that costs no query, else by its key."""
    value = attrgetter(field.name if is_joined or not field.is_relation else field.attname)
    if words is None:
        return value
    in_words = words
    return lambda row: None if value(row) is None else in_words(value(row))


admin.site.add_action(export_csv, "export_csv")
