"""The address of the page on which a subscriber leaves with one click (RFC 8058)."""

from __future__ import annotations

from django.conf import settings

from mailinglists import signedids

HTTPS_PORT = 443
# The page behind it: GET asks, POST does it; `signedids.linked` reads the word.
UNSUBSCRIBE_PATH = "/panel/unsubscribe/{word}/"


def one_click_url(subscriber_id: int) -> str:
    """As it stands in List-Unsubscribe; lasts as long as the subscription."""
    port = HTTPS_PORT + settings.MAILHOST_PORT_OFFSET
    where = settings.MAILHOST_HOSTNAME + ("" if port == HTTPS_PORT else f":{port}")
    return f"https://{where}{UNSUBSCRIBE_PATH.format(word=signedids.link_word(subscriber_id))}"
