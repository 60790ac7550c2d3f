"""A new domain page by page: what was entered so far waits in the session (D-022…D-025)."""

from __future__ import annotations

import base64
from collections.abc import Collection, MutableMapping
from typing import Any

from accounts import secrets
from accounts.secrets import Undecipherable
from panel.forms import domains as forms
from panel.forms.base import PanelForm
from panel.forms.tabbed import TabbedForm

KEY = "new-domain"
PURPOSE = "password of a domain to be"
STEPS = ("options", "technical", "features", "limits", "sharing")
TITLES = ("Domain and administrator", "Technical", "Features", "Limits", "Sharing")


class Draft:
    """There is no domain before Save: leaving leaves nothing behind but this, in one session."""

    def __init__(
        self,
        session: MutableMapping[str, Any],
        *,
        withheld: Collection[str] = (),
        offers_folder: bool = True,
    ) -> None:
        """`withheld`: features that the plan of who fills it in has not; `offers_folder`: whether
        he may say where the domain lies."""
        self._session = session
        self._withheld = withheld
        self._offers_folder = offers_folder
        self._kept: dict[str, Any] = session.get(KEY, {})

    @property
    def reached(self) -> int:
        """The number of the furthest page that may be opened, from 1."""
        return int(self._kept.get("reached", 1))

    @property
    def has_password(self) -> bool:
        return bool(self._password())

    def keep(self, step: str, data: Any) -> None:
        """What was entered on one page, right or wrong. The password is kept encrypted."""
        form = self._blank(data).form(step)
        values = {name: form[name].data for name in form.fields}
        password = values.pop("password", "")
        if password:
            sealed = secrets.encrypt(PURPOSE, password.encode())
            self._kept["password"] = base64.b64encode(sealed).decode()
        self._kept[step] = values
        self._write()

    def reach(self, number: int) -> None:
        self._kept["reached"] = max(self.reached, number)
        self._write()

    def forget(self) -> None:
        self._session.pop(KEY, None)

    def shown(self, step: str) -> PanelForm:
        """The form of one page with what was entered there, and no word about errors."""
        form = self._blank(None).form(step)
        form.initial = {**form.initial, **self._kept.get(step, {})}
        return self._without_duty(form)

    def tabbed(self) -> TabbedForm:
        """All pages as one form to be checked and saved."""
        data: dict[str, Any] = {}
        blank = self._blank(None)
        for step in STEPS:
            form = blank.form(step)
            values = self._kept.get(step) or {name: form[name].value() for name in form.fields}
            for name, value in values.items():
                if value is not None and value is not False:
                    data[f"{step}-{name}"] = value
        data["options-password"] = self._password()
        return self._blank(data)

    def with_errors(self, tabbed: TabbedForm, step: str) -> PanelForm:
        return self._without_duty(tabbed.form(step))

    def _blank(self, data: Any) -> TabbedForm:
        return forms.for_new(
            data, only=STEPS, withheld=self._withheld, offers_folder=self._offers_folder
        )

    def _without_duty(self, form: PanelForm) -> PanelForm:
        """A password that is kept need not be entered again, and is never sent back."""
        if "password" in form.fields and self.has_password:
            form.fields["password"].required = False
            form.fields["password"].help_text = "Kept from before; empty: it stays."
        return form

    def _password(self) -> str:
        sealed = self._kept.get("password", "")
        try:
            return secrets.decrypt(PURPOSE, base64.b64decode(sealed)).decode() if sealed else ""
        except Undecipherable:
            return ""

    def _write(self) -> None:
        self._session[KEY] = self._kept
