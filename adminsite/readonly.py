"""An admin page that only shows, for rows that a service or a mail flow keeps.

What comes out of mail is hostile text: it is shown as Django escapes it, never marked as safe.
"""

from __future__ import annotations

from typing import Any

from django.db import models
from django.http import HttpRequest
from unfold.admin import ModelAdmin

# Bytes say nothing on a page, and what a password became is nobody's business.
_HIDDEN = (models.BinaryField,)
_SECRET = frozenset({"password"})


class PlainAdmin(ModelAdmin):  # type: ignore[misc]
    """Tables may be huge: no count of the whole, no list of all rows to choose from."""

    show_full_result_count = False
    list_per_page = 50


class ReadOnlyAdmin(PlainAdmin):
    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [
            field.name
            for field in self.model._meta.concrete_fields
            if not isinstance(field, _HIDDEN) and field.name not in _SECRET
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return self.get_fields(request, obj)
