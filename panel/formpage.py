"""A page with one form: shown, checked, saved by a service, with refusals at their fields."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from domains.errors import Refused
from panel import refusals
from panel.forms.base import PanelForm


@dataclass(frozen=True, slots=True)
class FormPage:
    """`back_url`: where Cancel leads, named `back_label` above the heading."""

    title: str
    save_label: str
    back_url: str
    back_label: str
    intro: str = ""
    is_upload: bool = False

    def show(self, request: HttpRequest, form: PanelForm, **context: object) -> HttpResponse:
        given = {
            "form": form, "title": self.title, "save_label": self.save_label,
            "back_url": self.back_url, "back_label": self.back_label, "intro": self.intro,
            "is_upload": self.is_upload, **context,
        }  # fmt: skip
        return render(request, "panel/operations/form.html", given)


def save(request: HttpRequest, form: PanelForm, change: Callable[[], object]) -> bool:
    """Whether the POST could be saved; what was refused stands in the form."""
    if request.method != "POST" or not form.is_valid():
        return False
    try:
        change()
    except Refused as error:
        for name, sentence in refusals.problems(error):
            form.refuse(name, sentence)
        return False
    return True
