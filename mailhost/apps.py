"""The `mailhost` app."""

from django.apps import AppConfig


class MailhostConfig(AppConfig):
    name = "mailhost"
    verbose_name = "MailHost"
