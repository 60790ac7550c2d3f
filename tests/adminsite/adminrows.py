"""A row of every model, and pages of the Django admin as a browser fills them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import models
from django.test import Client
from django.urls import reverse

from accounts.models import User
from clock.moments import utc_now
from domains.models import Domain

MODELS = [model for room in settings.ROOMS for model in apps.get_app_config(room).get_models()]
HOSTILE = "<script>alert(1)</script>"


def url(model: type[models.Model], page: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def log_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def make_mail(domain: Domain) -> None:
    """Rows of mail, filled with whatever fits each field."""
    numbers = itertools.count(1)
    alice = User.objects.get(domain=domain, local_part="alice")
    for model in MODELS:
        if not model._default_manager.exists():
            make_row(model, {User: alice, Domain: domain}, numbers)


def make_row(model: type[models.Model], known: dict[Any, Any], numbers: Iterator[int]) -> Any:
    values: dict[str, Any] = {}
    for field in model._meta.concrete_fields:
        if isinstance(field, models.ForeignKey):
            target = field.related_model
            if target not in known:
                known[target] = target._default_manager.first() or make_row(target, known, numbers)
            values[field.name] = known[target]
        elif (
            field.has_default()
            and not field.primary_key
            or field.get_internal_type() == "BigAutoField"
        ):
            continue
        elif type(field).__name__ == "MomentField" or isinstance(field, models.DateField):
            values[field.name] = utc_now()
        elif isinstance(field, models.GenericIPAddressField):
            values[field.name] = f"192.0.2.{next(numbers) % 256}"
        elif isinstance(field, models.IntegerField):
            values[field.name] = next(numbers)
        elif isinstance(field, models.FloatField):
            values[field.name] = 0.5
        elif isinstance(field, models.BinaryField):
            values[field.name] = b"\xff\x00"
        elif isinstance(field, models.GenericIPAddressField):
            values[field.name] = f"192.0.2.{next(numbers) % 256}"
        elif isinstance(field, models.CharField | models.TextField):
            values[field.name] = HOSTILE[: field.max_length or 100]
        elif isinstance(field, models.GenericIPAddressField) and not field.null:
            values[field.name] = "192.0.2.1"
        elif isinstance(field, models.BooleanField):
            values[field.name] = False
    return model._default_manager.create(**values)


def filled(client: Client, page: str) -> dict[str, Any]:
    """What a browser would send back of the form as it stands."""
    form = client.get(page).context["adminform"].form
    values = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    return {
        name: value
        for name, value in values.items()
        if value is not None and value != "" and value is not False
    }
