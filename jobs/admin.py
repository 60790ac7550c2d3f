"""Jobs in Django's admin."""

from __future__ import annotations

from django.contrib import admin

from adminsite.readonly import ReadOnlyAdmin
from jobs.engines import djangoq
from jobs.models import Job

# django-q2's own pages could be used to run any function of the program by hand.
for model in djangoq.admin_models():
    admin.site.unregister(model)


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    list_display = ["id", "kind", "actor", "state", "done", "total", "created_at", "finished_at"]
    list_filter = ["state", "kind"]
