"""The message archive's page: says truthfully that nothing is archived (A-010)."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path

from panel.access import SYSTEM, opens_for


@opens_for(SYSTEM)
def archive(request: HttpRequest) -> HttpResponse:
    return render(request, "panel/archive.html")


urlpatterns = [path("archive/", archive, name="archive")]
