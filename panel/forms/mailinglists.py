"""The forms of a mailing list, in tabs: all that can be set, or what its moderators may set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.db.models import TextField

from domains.models import Domain
from mailinglists.errors import PatternMalformed
from mailinglists.models import MailingList, Mode, PosterRule
from mailinglists.services import PASSWORD_CHARACTERS
from panel import refusals
from panel.forms.aliases import TargetsField
from panel.forms.base import PanelForm, of_model, values_of
from panel.forms.tabbed import FormTab, TabbedForm

LARGEST_FILE_MB = 20

GENERAL = (
    "description", "maximum_post_kb", "is_public", "takes_subscriptions", "shows_subscribers",
)  # fmt: skip
POSTING = ("posting", "is_moderated")
TEXTS = (
    "replies_to", "subject_prefix", "header_text", "footer_text", "welcome_text", "goodbye_text",
    "help_text",
)  # fmt: skip
DELIVERY = (
    "digest_hours", "digest_messages", "digest_kb", "bounce_limit", "bounce_days", "removal_days",
)  # fmt: skip
THROTTLING = ("throttle_messages", "throttle_mb", "throttle_enabled")
FIELDS = (*GENERAL, *POSTING, *TEXTS, *DELIVERY, *THROTTLING)

LABELS = {
    "maximum_post_kb": "Largest post",
    "is_public": "Public",
    "takes_subscriptions": "Subscribing by mail",
    "shows_subscribers": "Subscribers by mail",
    "posting": "Who may post",
    "is_moderated": "Moderated",
    "replies_to": "Answers go to",
    "subject_prefix": "Subject prefix",
    "header_text": "Header",
    "footer_text": "Footer",
    "welcome_text": "Welcome",
    "goodbye_text": "Goodbye",
    "help_text": "Help",
    "digest_hours": "A digest after",
    "digest_messages": "A digest of",
    "digest_kb": "A digest from",
    "bounce_limit": "Suspend after",
    "bounce_days": "Bounces count for",
    "removal_days": "Remove after",
    "throttle_enabled": "Throttling",
    "throttle_messages": "Messages per hour",
    "throttle_mb": "Traffic per hour",
}
VARIABLES = "Words that are replaced: $list, $address, $description, $owner, $help, $unsubscribe."
INTROS = {
    "general": "What the list is, and who runs it.",
    "posting": "Who may write to the list, and what waits until a moderator has looked at it.",
    "moderation": "What waits until a moderator has looked at it, and who may always or never "
    "write to the list.",
    "texts": "What is put around posts, and what people are told.",
    "delivery": "When those who want digests get one, and what becomes of subscribers whose mail "
    "comes back.",
    "throttling": "How much the list may send to other servers in an hour. What it sends counts "
    "for its domain as well.",
}


class ListPartForm(PanelForm):
    """One tab: columns of the list."""

    help_page = "mailing-lists"
    other_names: Mapping[str, str] = {"username": "name", "local_part": "name"}
    columns: tuple[str, ...] = ()

    def __init__(self, row: MailingList, data: Any, **kwargs: Any) -> None:
        self.row = row
        columns = self.columns
        initial = {**values_of(row, columns), **self.further(row)}
        super().__init__(data, initial=initial, **kwargs)
        self.begin()
        for name, field in of_model(MailingList, columns).items():
            field.label = LABELS.get(name, field.label)
            self.add(name, field)
            if isinstance(MailingList._meta.get_field(name), TextField):
                field.widget.attrs["rows"] = 4
        self.finish()

    def further(self, row: MailingList) -> dict[str, Any]:
        """What the fields that are no columns begin with."""
        return {}

    def begin(self) -> None:
        """Adds what stands before the columns."""

    def finish(self) -> None:
        """Adds what stands behind them."""

    def values(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in self.columns if name in self.fields}


class GeneralForm(ListPartForm):
    columns = GENERAL

    def further(self, row: MailingList) -> dict[str, Any]:
        return {"moderators": "\n".join(moderators_of(row))}

    def begin(self) -> None:
        if self.row._state.adding:
            self.add("name", forms.CharField(
                label="Name",
                max_length=64,
                help_text=f"What stands before @{self.row.domain.unicode_name}. Further addresses "
                "are made of it, such as name-request and name-owner.",
                widget=forms.TextInput(attrs={"autocapitalize": "none", "autocomplete": "off"}),
            ))  # fmt: skip

    def finish(self) -> None:
        self.add("moderators", TargetsField(
            label="Moderators", required=False,
            help_text="User names of the domain, one in each line. They look after subscribers, "
            "texts and posts that wait. Without any the administrators of the domain do.",
        ))  # fmt: skip


class DescriptionForm(ListPartForm):
    """What a moderator may say of the list."""

    columns = ("description",)


class _Rules(ListPartForm):
    def further(self, row: MailingList) -> dict[str, Any]:
        return {"allowed": _patterns(row, "allow"), "banned": _patterns(row, "ban")}

    def finish(self) -> None:
        hint = "Addresses, or @domain for all of a domain, one in each line."
        self.add("allowed", TargetsField(
            label="May always post", required=False, help_text=hint,
        ))  # fmt: skip
        self.add("banned", TargetsField(
            label="May never post", required=False,
            help_text=f"{hint} A ban comes before everything else.",
        ))  # fmt: skip
        has_one = bool(self.row.post_password)
        self.add("post_password", forms.CharField(
            label="Post password", required=False, max_length=PASSWORD_CHARACTERS,
            widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
            help_text="A post whose subject has it, as [:password:], goes out at once; it is "
            "taken out of the subject. "
            + ("There is one. Empty: it stays." if has_one else "Empty: there is none."),
        ))  # fmt: skip
        if has_one:
            self.add("no_password", forms.BooleanField(
                label="Remove the post password", required=False,
            ))  # fmt: skip

    def password(self) -> str | None:
        """None: what there is stays; empty: there shall be none."""
        if self.cleaned_data.get("no_password"):
            return ""
        return self.cleaned_data["post_password"] or None


class PostingForm(_Rules):
    columns = POSTING


class ModerationForm(_Rules):
    """What of it a moderator may set."""

    columns = ("is_moderated",)


class TextsForm(ListPartForm):
    columns: tuple[str, ...] = TEXTS

    def finish(self) -> None:
        for name in ("header_text", "footer_text"):
            self.fields[name].help_text += f" {VARIABLES}"


class ModeratorsTextsForm(TextsForm):
    columns = tuple(name for name in TEXTS if name != "replies_to")


class DeliveryForm(ListPartForm):
    columns = DELIVERY


class ThrottlingForm(ListPartForm):
    columns = THROTTLING


_ALL: tuple[tuple[str, str, type[ListPartForm]], ...] = (
    ("general", "General", GeneralForm),
    ("posting", "Posting", PostingForm),
    ("texts", "Texts", TextsForm),
    ("delivery", "Digests and bounces", DeliveryForm),
    ("throttling", "Throttling", ThrottlingForm),
)
_OF_MODERATORS: tuple[tuple[str, str, type[ListPartForm]], ...] = (
    ("texts", "Texts", ModeratorsTextsForm),
    ("moderation", "Moderation", ModerationForm),
    ("general", "General", DescriptionForm),
)


class ListForm(TabbedForm):
    """All tabs of one list. `manages`: all that there is, not only what moderators may set."""

    def __init__(
        self, row: MailingList, data: Any, *, manages: bool, version: int | None = None
    ) -> None:
        parts = _ALL if manages else _OF_MODERATORS
        tabs = [
            FormTab(key, label, form(row, data, prefix=key), intro=INTROS[key])
            for key, label, form in parts
        ]
        super().__init__(tabs, version=version)

    @classmethod
    def for_new(cls, domain: Domain, data: Any) -> ListForm:
        return cls(MailingList(domain=domain), data, manages=True)

    def values(self) -> dict[str, Any]:
        """Columns, for `mailinglists.services`."""
        found: dict[str, Any] = {}
        for tab in self:
            form: Any = tab.form
            found |= form.values()
        return found

    def _data(self, name: str) -> Any:
        for tab in self:
            if name in tab.form.fields:
                return tab.form.cleaned_data[name]
        return None

    @property
    def name(self) -> str:
        return str(self._data("name") or "")

    @property
    def moderators(self) -> list[str] | None:
        """User names; None: not to be set here."""
        found: list[str] | None = self._data("moderators")
        return found

    @property
    def rules(self) -> list[tuple[str, str]]:
        """Patterns and their kinds; what stands in both is banned."""
        kinds = (("allow", "allowed"), ("ban", "banned"))
        return [(one, kind) for kind, name in kinds for one in self._data(name)]

    def refuse(self, error: refusals.Refused) -> None:
        """As every form, and a rule that cannot be is told at the field that it stands in."""
        if not isinstance(error, PatternMalformed):
            super().refuse(error)
            return
        name = "banned" if error.pattern in self._data("banned") else "allowed"
        form = next(tab.form for tab in self if name in tab.form.fields)
        form.refuse(name, refusals.words(error))

    def password(self) -> str | None:
        """None: what there is stays; empty: there shall be none."""
        form: Any = next(tab.form for tab in self if "post_password" in tab.form.fields)
        password: str | None = form.password()
        return password


class HelpForm(PanelForm):
    """Every setting of a list, for the help."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        row = MailingList(domain=Domain(unicode_name="example.com"))
        for _, _, form in _ALL:
            self.fields |= form(row, None).fields


class AddSubscribersForm(PanelForm):
    """A few at once; many come by a file."""

    help_page = "mailing-lists"
    addresses = forms.CharField(
        label="Addresses", max_length=100_000,
        widget=forms.Textarea(attrs={"rows": 6, "autocapitalize": "none", "spellcheck": "false"}),
        help_text="One in each line, with or without a name: ann@example.com or "
        "Ann Example <ann@example.com>.",
    )  # fmt: skip
    mode = forms.ChoiceField(label="They get", choices=Mode.choices, initial=Mode.STANDARD)
    confirmed = forms.BooleanField(
        label="They have agreed", required=False,
        help_text="They are subscribed at once. Otherwise each gets a mail and is subscribed when "
        "he confirms it. What you say here is on record.",
    )  # fmt: skip


class UploadSubscribersForm(PanelForm):
    help_page = "mailing-lists"
    file = forms.FileField(
        label="CSV file",
        help_text=f"UTF-8, at most {LARGEST_FILE_MB} MB.",
        widget=forms.FileInput(attrs={"accept": ".csv,text/csv"}),
    )
    confirmed = forms.BooleanField(
        label="They have agreed", required=False,
        help_text="They are subscribed at once. Otherwise each gets a mail and is subscribed when "
        "he confirms it. What you say here is on record.",
    )  # fmt: skip


class SubscriberForm(PanelForm):
    """What can be changed of one; the address is what he is."""

    help_page = "mailing-lists"
    name = forms.CharField(label="Name", required=False, max_length=200)
    mode = forms.ChoiceField(label="Gets", choices=Mode.choices)


class RefusePostForm(PanelForm):
    help_page = "mailing-lists"
    text = forms.CharField(
        label="Why", required=False, max_length=2000, widget=forms.Textarea(attrs={"rows": 4}),
        help_text="The author is told so. Empty: the post is thrown away, and nobody is told.",
    )  # fmt: skip


def moderators_of(row: MailingList) -> list[str]:
    """Their user names."""
    if row._state.adding:
        return []
    names = row.moderators.values_list("user__local_part", flat=True)
    return sorted(names)


def _patterns(row: MailingList, kind: str) -> str:
    if row._state.adding:
        return ""
    rows = PosterRule.objects.filter(mailing_list=row, kind=kind).order_by("pattern")
    return "\n".join(rows.values_list("pattern", flat=True))
