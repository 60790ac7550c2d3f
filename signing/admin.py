"""Signing keys in Django's admin: to look at, without the private ones."""

from __future__ import annotations

from django.contrib import admin

from adminsite.readonly import ReadOnlyAdmin
from signing.models import SigningKey


@admin.register(SigningKey)
class SigningKeyAdmin(ReadOnlyAdmin):
    list_display = ("record_name", "algorithm", "created_at", "published_at", "retired_at")
    list_filter = ("algorithm",)
    search_fields = ("name", "selector")
