"""Addresses of pages that whoever got them by mail opens without a log-in (RFC 8058, L-005)."""

from __future__ import annotations

from django.conf import settings

from mailinglists import signedids

HTTPS_PORT = 443
# The page behind it: GET asks, POST does it; `signedids.linked` reads the word.
UNSUBSCRIBE_PATH = "/panel/unsubscribe/{word}/"
# GET shows the post and asks, POST decides; `moderatormail.held_behind` reads the word.
MODERATE_PATH = "/panel/moderate/{word}/"
# GET asks, POST does it; `tokens.look` reads the word.
CONFIRM_PATH = "/panel/confirm/{word}/"


def one_click_url(subscriber_id: int) -> str:
    """As it stands in List-Unsubscribe; lasts as long as the subscription."""
    return _here(UNSUBSCRIBE_PATH.format(word=signedids.link_word(subscriber_id)))


def moderation_url(word: str) -> str:
    """Where a moderator decides about one post; works once, and as long as the word does."""
    return _here(MODERATE_PATH.format(word=word))


def confirmation_url(word: str) -> str:
    """Where somebody confirms what the word was mailed to him for; works once."""
    return _here(CONFIRM_PATH.format(word=word))


def _here(path: str) -> str:
    port = HTTPS_PORT + settings.MAILHOST_PORT_OFFSET
    where = settings.MAILHOST_HOSTNAME + ("" if port == HTTPS_PORT else f":{port}")
    return f"https://{where}{path}"
