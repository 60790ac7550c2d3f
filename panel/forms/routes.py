"""The form of a gateway, and those of the short lists about ways for mail (G-001…G-047)."""

from __future__ import annotations

from typing import Any

from django import forms

from accounts.settings import LONGEST_PASSWORD
from operations.models import RelayService, usual_services
from panel.forms.base import PanelForm, dress, of_model, values_of
from panel.forms.settings import Checkboxes
from panel.forms.tabbed import FormTab, TabbedForm
from spool.gateways import scope_of
from spool.models import Gateway

SERVER = (
    "name", "host", "port", "encryption", "username", "use_mx", "verify_certificate",
    "allow_clear_text_login", "is_enabled",
)  # fmt: skip
SCOPE = (
    "minimum_priority", "maximum_priority", "fall_back_to_direct", "one_recipient_at_a_time",
)  # fmt: skip
MOST_NAMES = 20_000  # characters of a list of domains


class GatewayServerForm(PanelForm):
    """Where it is, and how to log in there (G-002…G-004)."""

    help_page = "gateways"

    def __init__(self, *args: Any, row: Gateway | None = None, **kwargs: Any) -> None:
        kwargs.setdefault("initial", values_of(row or Gateway(), SERVER))
        super().__init__(*args, **kwargs)
        self.fields.update(of_model(Gateway, SERVER))
        self.fields["password"] = forms.CharField(
            max_length=LONGEST_PASSWORD,
            strip=False,
            required=False,
            label="Password",
            widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
            help_text="Leave it empty to keep the one that is set."
            if row is not None and row.password
            else "Only if the gateway asks for one.",
        )
        if row is not None and row.password:
            self.fields["forget_password"] = forms.BooleanField(
                label="Take the password away", required=False
            )
        _dress(self)

    def values(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in SERVER}

    def password(self) -> str | None:
        """None: it stays; empty: it is taken away."""
        if self.cleaned_data.get("forget_password"):
            return ""
        return self.cleaned_data["password"] or None


class GatewayScopeForm(PanelForm):
    """Which mail goes there (G-005, G-006)."""

    help_page = "gateways.scope"

    def __init__(self, *args: Any, row: Gateway | None = None, **kwargs: Any) -> None:
        scope = scope_of(row) if row is not None else {"destinations": [], "sending_domains": []}
        initial = dict(values_of(row or Gateway(), SCOPE))
        initial |= {name: "\n".join(names) for name, names in scope.items()}
        kwargs.setdefault("initial", initial)
        super().__init__(*args, **kwargs)
        self.fields.update(of_model(Gateway, SCOPE))
        area = forms.Textarea(attrs={"rows": 4, "autocapitalize": "none", "spellcheck": "false"})
        self.fields["sending_domains"] = forms.CharField(
            required=False, max_length=MOST_NAMES, widget=area,
            help_text="Domains of this server, one a line. Empty: mail of all of them.",
        )  # fmt: skip
        self.fields["destinations"] = forms.CharField(
            required=False, max_length=MOST_NAMES, widget=area,
            help_text="Domains elsewhere, one a line; .example means all below it. Empty: any.",
        )  # fmt: skip
        _dress(self)

    def values(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in SCOPE}

    def names(self, field: str) -> list[str]:
        return str(self.cleaned_data[field]).split()


def gateway_form(data: Any = None, *, row: Gateway | None = None) -> TabbedForm:
    return TabbedForm(
        [
            FormTab("server", "Server", GatewayServerForm(data, prefix="server", row=row)),
            FormTab(
                "scope",
                "Which mail",
                GatewayScopeForm(data, prefix="scope", row=row),
                intro="Of several gateways that fit, the narrower one takes the mail; equals "
                "share it.",
            ),
        ]
    )


class RelayDomainForm(PanelForm):
    """A domain of somebody else's for which this server stands in (G-016)."""

    help_page = "relay-domains"
    name = forms.CharField(label="Domain", max_length=253)
    host = forms.CharField(
        label="Pass on to", max_length=253, required=False,
        help_text="A host; empty: the servers that its MX prefers to this one.",
    )  # fmt: skip
    port = forms.IntegerField(min_value=1, max_value=65535, initial=25)
    note = forms.CharField(max_length=200, required=False)
    verify_recipients = forms.BooleanField(
        required=False, initial=True,
        help_text="Ask that server about each recipient before taking mail for it.",
    )  # fmt: skip
    one_recipient_at_a_time = forms.BooleanField(
        required=False,
        help_text="Hand over each message once for every recipient, on the same connection.",
    )


class RelayNetworkForm(PanelForm):
    """Machines that may send without logging in (G-040)."""

    help_page = "relay-networks"
    network = forms.CharField(
        max_length=50, help_text="An address or a network such as 192.0.2.0/24 or 2001:db8::/32."
    )
    services = forms.MultipleChoiceField(
        choices=RelayService.choices, initial=usual_services, widget=Checkboxes,
        help_text="Where its machines need not log in; elsewhere they must, as everybody.",
    )  # fmt: skip
    note = forms.CharField(max_length=200, required=False)


class ForwardingBanForm(PanelForm):
    """A domain to which nothing is forwarded automatically (G-045)."""

    help_page = "forwarding-blacklist"
    name = forms.CharField(
        label="Domain", max_length=255, help_text="A domain, or *.domain for all below it."
    )
    note = forms.CharField(max_length=200, required=False)


class SingleDestinationForm(PanelForm):
    """A domain to which mail goes one recipient at a time (S-040)."""

    help_page = "single-destinations"
    name = forms.CharField(
        label="Domain", max_length=253, help_text="A domain elsewhere, or .domain for all below it."
    )
    note = forms.CharField(max_length=200, required=False)


class HoldRuleForm(PanelForm):
    """Mail that is to be kept back from now on."""

    help_page = "hold-rules"
    sender = forms.CharField(
        max_length=330, required=False, help_text="An address, or @domain for all of a domain."
    )
    recipient = forms.CharField(
        max_length=330, required=False, help_text="An address, or @domain for all of a domain."
    )
    destination = forms.CharField(
        max_length=253, required=False, help_text="A domain elsewhere, or .domain for all below it."
    )
    domain = forms.CharField(
        max_length=253, required=False, help_text="A domain of this server whose mail is held."
    )
    reason = forms.CharField(max_length=200, help_text="Shown beside each message that is held.")
    hours = forms.IntegerField(
        required=False, min_value=1, max_value=24 * 365, label="For so many hours",
        help_text="Then all is released. Empty: until the rule is removed.",
    )  # fmt: skip
    quarantines = forms.BooleanField(
        required=False, label="Put it in quarantine",
        help_text="It stays there until somebody releases it, or is removed when its time is over.",
    )  # fmt: skip


def one_form(form: PanelForm, label: str) -> TabbedForm:
    """A single form with the same Save and the same way to show what a service refuses."""
    return TabbedForm([FormTab("values", label, form)])


def _dress(form: forms.Form) -> None:
    for name, field in form.fields.items():
        dress(name, field)
