"""Where the bytes lie, in the Django admin."""

from __future__ import annotations

from django.contrib import admin

from adminsite.readonly import ReadOnlyAdmin
from blobs.models import Area, Blob, Segment


@admin.register(Area)
class AreaAdmin(ReadOnlyAdmin):
    list_display = ("name", "path", "kind")
    list_filter = ("kind",)
    search_fields = ("name", "path")


@admin.register(Segment)
class SegmentAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "area", "size_bytes", "live_bytes", "created_at", "sealed_at")
    list_select_related = ("area",)
    search_fields = ("area__name",)


@admin.register(Blob)
class BlobAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "segment", "offset", "size_bytes", "references")
    list_select_related = ("segment",)
    search_fields = ("=id",)
