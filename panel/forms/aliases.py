"""The forms of aliases, of the catch-all and of domain aliases."""

from __future__ import annotations

from typing import Any

from django import forms

from accounts import aliases
from accounts.models import UserAlias
from domains.models import Domain
from panel.forms.base import PanelForm, of_model, values_of

LONGEST_TARGETS = 20_000


class TargetsField(forms.CharField):
    """Addresses in lines, or parted by blanks, commas or semicolons."""

    widget = forms.Textarea(attrs={"rows": 5, "autocapitalize": "none", "spellcheck": "false"})

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=LONGEST_TARGETS, **options)

    def clean(self, value: Any) -> Any:
        text = super().clean(value) or ""
        return text.replace(",", " ").replace(";", " ").split()


class AliasForm(PanelForm):
    """U-030, U-031. The name of an alias that is there stays."""

    help_page = "aliases"
    other_names = {"username": "name", "local_part": "name"}

    def __init__(self, domain: Domain, alias: UserAlias | None, data: Any) -> None:
        row = alias or UserAlias(domain=domain)
        initial = dict(values_of(row, aliases.ALIAS_FIELDS))
        if alias is not None:
            initial["targets"] = "\n".join(aliases.target_names(alias))
        super().__init__(data, initial=initial)
        if alias is None:
            self.add("name", forms.CharField(
                label="Alias",
                max_length=64,
                help_text=f"What stands before @{domain.unicode_name}.",
                widget=forms.TextInput(attrs={"autocapitalize": "none", "autocomplete": "off"}),
            ))  # fmt: skip
        self.add("targets", TargetsField(label="Leads to", help_text=TARGETS))
        fields = of_model(UserAlias, aliases.ALIAS_FIELDS)
        fields["may_send_as"].label = "Sending allowed"
        fields["in_address_list"].help_text = "The users of the domain find it there."
        for name, field in fields.items():
            self.add(name, field)

    def values(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in aliases.ALIAS_FIELDS}


TARGETS = "One in each line: user names of this domain, or whole addresses anywhere."


class CatchAllForm(PanelForm):
    """U-034."""

    help_page = "aliases"
    targets = TargetsField(
        label="Leads to",
        required=False,
        help_text=f"{TARGETS} Empty: mail for unknown addresses is refused.",
    )
    takes_reports = forms.BooleanField(
        label="Take reports, too",
        required=False,
        help_text="Reports have no sender. Most that come for addresses which do not exist answer "
        "spam that somebody else sent in the name of the domain: without this they are refused.",
    )


class DomainAliasForm(PanelForm):
    """D-101."""

    help_page = "aliases"
    name = forms.CharField(
        label="Further name",
        max_length=253,
        help_text="As it is registered in the DNS, such as example.net.",
        widget=forms.TextInput(attrs={"autocapitalize": "none", "spellcheck": "false"}),
    )
