"""The help: its contents, and one page for each topic (X-020)."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import path
from django.utils.html import strip_tags

from panel import helptopics
from panel.access import EVERYBODY, opens_for
from panel.helptopics import TOPICS, Topic

LONGEST_SEARCH = 100


@opens_for(EVERYBODY)
def index(request: HttpRequest) -> HttpResponse:
    query = request.GET.get("q", "").strip()[:LONGEST_SEARCH]
    context = {
        "query": query,
        "groups": helptopics.groups(),
        "found": helptopics.matching(query, _text) if query else [],
    }
    return render(request, "panel/help/index.html", context)


@opens_for(EVERYBODY)
def topic(request: HttpRequest, key: str) -> HttpResponse:
    found = TOPICS.get(key)
    if found is None:
        raise Http404
    neighbours = [one for one in helptopics.groups()[found.group] if one.key != key]
    context = {
        "topic": found,
        "fields": list(helptopics.fields(found)),
        "neighbours": neighbours,
    }
    return render(request, "panel/help/topic.html", context)


def _text(topic: Topic) -> str:
    """What a search looks at."""
    said = strip_tags(render_to_string(topic.template)) if topic.form is None else topic.intro
    return " ".join([said, *(f"{one.label} {one.text}" for one in helptopics.fields(topic))])


urlpatterns = [
    path("help/", index, name="help-index"),
    path("help/<str:key>/", topic, name="help"),
]
