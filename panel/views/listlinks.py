"""Where links in mail of lists lead, without a log-in: leaving, joining, deciding about a post.

The word in the address says who may: only this server makes it, and mails it to one person alone.
A GET changes nothing, so that programs which follow links do no harm (RFC 8058 §1).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import wraps

from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from blobs.errors import StoreError
from clock.moments import utc_now
from events import audit
from mailinglists import membership, moderatormail, reading, signedids, tokens
from mailinglists.errors import (
    HeldPostUnknown,
    ListUnknown,
    SubscriberUnknown,
    TokenRefused,
)
from mailinglists.models import Token
from panel.access import client_address
from panel.gate import passes_gate

# Words are beyond guessing; each try costs some work all the same.
MADE_UP_PER_MINUTE = 60
LONGEST_TEXT = 2000

Shown = Callable[..., HttpResponse]


def for_strangers(read: Callable[[str], int | None]) -> Callable[[Shown], Shown]:
    """Opens without a log-in. `read` knows a word that this server has made, spent or not.

    Whoever brings too many others has to wait. Those that are ours are not counted: a big mail
    provider unsubscribes very many people from few addresses.
    """

    def decorate(view: Shown) -> Shown:
        @passes_gate
        @never_cache
        @require_http_methods(["GET", "HEAD", "POST"])
        @wraps(view)
        def opened(request: HttpRequest, word: str) -> HttpResponse:
            address = client_address(request)
            answer = _please_wait(request, address, is_made_up=read(word) is None)
            if answer is None:
                with audit.acting(client_address=address):
                    answer = view(request, word)
            # The word must not go with a link to anywhere else, nor be found by search engines.
            answer.headers["Referrer-Policy"] = "no-referrer"
            answer.headers["X-Robots-Tag"] = "noindex"
            return answer

        return opened

    return decorate


def _please_wait(request: HttpRequest, address: str, *, is_made_up: bool) -> HttpResponse | None:
    key = f"list-links:{address}"
    if cache.get(key, 0) < MADE_UP_PER_MINUTE:
        if is_made_up:
            cache.add(key, 0, timeout=60)
            with suppress(ValueError):  # its minute has ended meanwhile
                cache.incr(key)
        return None
    text = "That was too often. Please try again in a minute."
    answer = _say(request, "Please wait", text, status=429)
    answer.headers["Retry-After"] = "60"
    return answer


# RFC 8058 §3.1: mail programs POST without a cookie, so without a token against forged forms; the
# word in the address is what cannot be forged.
@csrf_exempt
@for_strangers(signedids.linked)
def unsubscribe(request: HttpRequest, word: str) -> HttpResponse:
    """One click (L-007). Whatever the word is, a POST answers that nothing is sent any more."""
    if request.method != "POST":
        try:
            row = membership.find_linked(word)
        except SubscriberUnknown:
            return _say(request, "Nothing to unsubscribe from", GONE)
        context = {
            "title": f"Unsubscribe from {row.mailing_list.address}?",
            "text": f"{row.address} gets nothing more from this list then.",
            "button": "Unsubscribe",
        }
        return render(request, "panel/mailinglists/link.html", context)
    try:
        row = membership.one_click(word)
    except (SubscriberUnknown, ListUnknown):
        return _say(request, "Unsubscribed", UNSUBSCRIBED)
    return _say(request, "Unsubscribed", UNSUBSCRIBED, more=row.mailing_list.goodbye_text)


@for_strangers(signedids.token_of)
def confirm(request: HttpRequest, word: str) -> HttpResponse:
    """What somebody has asked for by mail, or is asked: to join a list or to leave it (L-038)."""
    now = utc_now()
    try:
        if request.method == "POST":
            return _confirmed(request, membership.confirm(word=word, now=now))
        token = tokens.look(word, now=now)
        if token.purpose == Token.Purpose.MODERATE:
            raise TokenRefused
    except (TokenRefused, ListUnknown):
        return _say(request, "Nothing to confirm", OVER, status=404)
    is_joining = token.purpose == Token.Purpose.SUBSCRIBE
    verb = "Subscribe to" if is_joining else "Unsubscribe from"
    text = "gets what is written to this list then." if is_joining else "gets nothing more then."
    context = {
        "title": f"{verb} {token.mailing_list.address}?",
        "text": f"{token.address} {text}",
        "button": "Subscribe" if is_joining else "Unsubscribe",
    }
    return render(request, "panel/mailinglists/link.html", context)


@for_strangers(signedids.token_of)
def moderate(request: HttpRequest, word: str) -> HttpResponse:
    """One post, for the moderator to whom the word was mailed; it ends with the decision."""
    now = utc_now()
    try:
        if request.method == "POST":
            return _decide(request, word)
        token = moderatormail.held_behind(word, now=now)
    except (TokenRefused, HeldPostUnknown):
        return _say(request, "Nothing to decide", DECIDED, status=404)
    assert token.held_post is not None
    view = None
    try:
        with audit.acting(name=token.address):
            view = reading.view(post=token.held_post, by=None)
    except StoreError:
        pass  # it can still be refused
    context = {"post": token.held_post, "mailing_list": token.mailing_list, "view": view}
    return render(request, "panel/mailinglists/moderate.html", context)


def _decide(request: HttpRequest, word: str) -> HttpResponse:
    """Raises TokenRefused, HeldPostUnknown."""
    now, verb = utc_now(), request.POST.get("verb", "")
    if verb == "approve":
        try:
            moderatormail.approve_by(word=word, now=now)
        except StoreError:
            return _say(request, "Not now", "The post cannot be read now, so it still waits.")
        return _say(request, "Approved", "The post goes out to the list now.")
    if verb == "refuse":
        text = request.POST.get("text", "").replace("\0", "")[:LONGEST_TEXT]
        moderatormail.refuse_by(word=word, now=now, text=text)
        told = "Its author is told why." if text.strip() else "Nobody is told."
        return _say(request, "Refused", f"The post does not go out. {told}")
    moderatormail.held_behind(word, now=now)
    return _say(request, "Nothing was decided", "Go back and choose.", status=400)


def _confirmed(request: HttpRequest, done: membership.Confirmed) -> HttpResponse:
    name, row = done.address, done.mailing_list
    if done.purpose == Token.Purpose.SUBSCRIBE:
        now = "is subscribed" if done.had_effect else "was subscribed already"
        text = f"{name} {now} to {row.address}."
        return _say(request, "Subscribed", text, more=row.welcome_text)
    return _say(request, "Unsubscribed", UNSUBSCRIBED, more=row.goodbye_text)


def _say(
    request: HttpRequest, title: str, text: str, *, more: str = "", status: int = 200
) -> HttpResponse:
    context = {"title": title, "text": text, "more": more}
    return render(request, "panel/mailinglists/link.html", context, status=status)


GONE = "The address of this link is on no list now: you get nothing more from it."
UNSUBSCRIBED = "You get nothing more from this list."
OVER = "This link was used already, is too old, or is not complete."
DECIDED = "Somebody has decided about this post already, or the link is too old or not complete."

urlpatterns = [
    path("unsubscribe/<str:word>/", unsubscribe, name="unsubscribe"),
    path("confirm/<str:word>/", confirm, name="confirm-subscription"),
    path("moderate/<str:word>/", moderate, name="moderate"),
]
