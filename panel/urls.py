"""The pages of the panel: every module of `panel.views` brings its own `urlpatterns`."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from django.urls import URLPattern, URLResolver

from panel import views

app_name = "panel"
urlpatterns: list[URLPattern | URLResolver] = []
for _found in sorted(iter_modules(views.__path__), key=lambda found: found.name):
    _module = import_module(f"{views.__name__}.{_found.name}")
    urlpatterns += vars(_module).get("urlpatterns", [])
