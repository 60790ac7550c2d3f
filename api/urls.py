"""The addresses of the API: every module of `api.v1` brings its own `urlpatterns`."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from django.urls import URLPattern, URLResolver, include, path, re_path

from api import pages, v1
from api.endpoints import Nothing

app_name = "api"

_version_1: list[URLPattern | URLResolver] = []
for _found in sorted(iter_modules(v1.__path__), key=lambda found: found.name):
    _module = import_module(f"{v1.__name__}.{_found.name}")
    _version_1 += vars(_module).get("urlpatterns", [])

urlpatterns: list[URLPattern | URLResolver] = [
    path("v1/", include(_version_1)),
    path("schema/", pages.Schema.as_view(), name="schema"),
    path("docs/", pages.docs, name="docs"),
    path("problems/", pages.problems, name="problems"),
    path("problems/<slug:slug>/", pages.problem, name="problem"),
    re_path("", Nothing.as_view(), name="nothing"),
]
