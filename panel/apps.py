"""The `panel` app: pages only, no models. The mail process does not load it."""

from django.apps import AppConfig


class PanelConfig(AppConfig):
    name = "panel"
    verbose_name = "Panel"
