"""The form of a user's forwards, on his own page and on his administrator's (U-036)."""

from __future__ import annotations

from typing import Any

from django import forms

from accounts.models import User
from panel.forms.aliases import TargetsField
from panel.forms.base import PanelForm


class AddressesField(TargetsField):
    """Changed only if other addresses stand there."""

    def has_changed(self, initial: Any, data: Any) -> bool:
        return str(initial or "").split() != str(data or "").split()


class ForwardingForm(PanelForm):
    help_page = "users"

    def __init__(self, user: User, data: Any = None, *, prefix: str | None = None) -> None:
        initial = {
            "forward_to": "\n".join(user.forward_to),
            "keep_forwarded": user.keep_forwarded,
        }
        super().__init__(data, initial=initial, prefix=prefix)
        self.add("forward_to", AddressesField(
            label="Forward to",
            required=False,
            help_text="One address in each line; nothing: mail is not forwarded.",
        ))  # fmt: skip
        self.add("keep_forwarded", forms.BooleanField(
            label="Keep a copy",
            required=False,
            help_text="Mail that cannot be forwarded is kept in any case.",
        ))  # fmt: skip
