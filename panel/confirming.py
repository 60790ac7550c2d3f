"""The question before something goes for good: a page that works without scripts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

YES = "yes"


@dataclass(slots=True)
class Question:
    """`rows`: value and label of each row that goes; `wanted`: what must be typed, empty if a
    click is enough."""

    heading: str
    warning: str
    rows: Sequence[tuple[str, str]]
    url: str
    back_url: str
    back_label: str
    wanted: str = ""
    is_wrong: bool = False


def is_confirmed(request: HttpRequest, question: Question) -> bool:
    """Whether the POST answers the question; notes a wrong answer in it."""
    given = request.POST.get("confirmation")
    if given is None:
        return False
    question.is_wrong = given.strip() != (question.wanted or YES)
    return not question.is_wrong


def ask(request: HttpRequest, question: Question) -> HttpResponse:
    return render(request, "panel/confirm.html", {"question": question})
