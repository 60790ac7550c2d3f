"""The `api` app: tokens, remembered requests and web hooks; pages only in the web process."""

from django.apps import AppConfig


class ApiConfig(AppConfig):
    name = "api"
    verbose_name = "API"
