"""Posts that wait for a moderator: looked at, let go out, refused (L-005)."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path

from blobs.errors import BadId, StoreError
from blobs.ids import decode_id, encode_id
from mailinglists import moderation, moderatormail, reading, selectors
from mailinglists.errors import HeldPostUnknown
from mailinglists.models import HeldPost, MailingList
from panel import listpages, notices
from panel.access import ACTION, EVERYBODY, FORM, actor_of, opens_for
from panel.forms.mailinglists import RefusePostForm

ROWS = 50


@opens_for(EVERYBODY)
def posts(request: HttpRequest, name: str, local_part: str) -> HttpResponse:
    row = listpages.found(request, name, local_part)
    rows = selectors.held_posts(row)
    after = request.GET.get("after", "")
    if after:
        rows = rows.filter(pk__gt=_number(after))
    found = list(rows[: ROWS + 1])
    shown = found[:ROWS]
    last = encode_id(shown[-1].pk) if len(found) > ROWS else ""
    context = {
        "rows": [(one, _urls(row, one)) for one in shown],
        "next_url": f"{request.path}?after={last}" if last else "",
        **listpages.about(request, row),
    }
    return render(request, "panel/mailinglists/posts.html", context)


@opens_for(EVERYBODY)
def post(request: HttpRequest, name: str, local_part: str, post_id: str) -> HttpResponse:
    """Safe to show: no markup of its own, nothing from elsewhere. The look is on record."""
    row, held = _found(request, name, local_part, post_id)
    urls = _urls(row, held)
    try:
        view = reading.view(post=held, by=actor_of(request))
    except StoreError:
        notices.warned(request, "The text of the post cannot be read now.")
        return redirect(urls["list"])
    context = {"post": held, "view": view, "urls": urls, **listpages.about(request, row)}
    return render(request, "panel/mailinglists/post.html", context)


@opens_for(EVERYBODY, methods=ACTION)
def approve(request: HttpRequest, name: str, local_part: str, post_id: str) -> HttpResponse:
    row, held = _found(request, name, local_part, post_id)
    try:
        moderation.approve(held=held, by=actor_of(request))
    except StoreError:
        notices.failed(request, f"“{held}” cannot be read now, so it still waits.")
    else:
        notices.done(request, f"“{held}” goes out to the list now.")
    return redirect(_urls(row, held)["list"])


@opens_for(EVERYBODY, methods=FORM)
def refuse(request: HttpRequest, name: str, local_part: str, post_id: str) -> HttpResponse:
    row, held = _found(request, name, local_part, post_id)
    form = RefusePostForm(request.POST if request.method == "POST" else None)

    def run() -> None:
        text = form.cleaned_data["text"]
        refusal = moderation.refuse(held=held, text=text, by=actor_of(request))
        moderatormail.tell_author(row, refusal)

    urls = _urls(row, held)
    if request.method == "POST" and form.is_valid() and form.save(run):
        is_told = bool(form.cleaned_data["text"].strip())
        told = "and its author is told why" if is_told else "and nobody is told"
        notices.done(request, f"“{held}” is refused, {told}.")
        return redirect(urls["list"])
    intro = f"“{held}”, by {held.author or held.sender or 'nobody'}, does not go out to the list."
    context: dict[str, Any] = {"form": form, "post": held, "urls": urls, "intro": intro}
    return render(
        request, "panel/mailinglists/refuse.html", context | listpages.about(request, row)
    )


def _found(
    request: HttpRequest, name: str, local_part: str, post_id: str
) -> tuple[MailingList, HeldPost]:
    row = listpages.found(request, name, local_part)
    held = HeldPost.objects.filter(mailing_list=row, pk=_number(post_id)).first()
    if held is None:
        raise HeldPostUnknown(0)
    held.mailing_list = row
    return row, held


def _number(text: str) -> int:
    try:
        return decode_id(text)
    except BadId:
        raise HeldPostUnknown(0) from None


def _urls(row: MailingList, held: HeldPost) -> dict[str, str]:
    key = encode_id(held.pk)
    return {
        "list": listpages.url(row, "list-posts"),
        "view": listpages.url(row, "list-post", key),
        "approve": listpages.url(row, "list-post-approve", key),
        "refuse": listpages.url(row, "list-post-refuse", key),
    }


_OF_LIST = "domain/<str:name>/list/<str:local_part>/posts/"
urlpatterns = [
    path(_OF_LIST, posts, name="list-posts"),
    path(f"{_OF_LIST}<str:post_id>/", post, name="list-post"),
    path(f"{_OF_LIST}<str:post_id>/approve/", approve, name="list-post-approve"),
    path(f"{_OF_LIST}<str:post_id>/refuse/", refuse, name="list-post-refuse"),
]
