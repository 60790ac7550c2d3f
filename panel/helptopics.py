"""The help that is shipped with the panel: its topics, and which page leads to which (X-020).

A topic's text is `templates/panel/help/topics/KEY.html`; the fields of a form are described by
the form itself. `settings.spool.patience_days` is the field of that name in `settings.spool`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from django import forms
from django.urls import reverse

from domains.models import TABS
from panel.forms import abuse as abuse_forms
from panel.forms import domains as domain_forms
from panel.forms import loginprovider as provider_forms
from panel.forms import logs as log_forms
from panel.forms import resellers as reseller_forms
from panel.forms import routes as route_forms
from panel.forms import settings as setting_forms
from panel.forms import users as user_forms
from panel.forms import words
from panel.forms.base import SWITCH, PanelForm
from panel.forms.mailinglists import HelpForm
from panel.forms.moving import MoveForm
from panel.forms.renaming import RenameForm
from panel.forms.reports import NewScheduleForm
from panel.forms.retrieval import NewRetrievalForm

START = "getting-started"


@dataclass(frozen=True, slots=True)
class Topic:
    """`pages`: the names of pages whose help link leads here."""

    key: str
    title: str
    group: str
    pages: tuple[str, ...] = ()
    form: Callable[[], type[PanelForm]] | None = None
    intro: str = ""

    @property
    def template(self) -> str:
        return f"panel/help/topics/{self.key}.html"

    @property
    def url(self) -> str:
        return reverse("panel:help", args=(self.key,))


@dataclass(frozen=True, slots=True)
class FieldHelp:
    """What is said of one field. `standard`: what holds if nobody sets it."""

    name: str
    label: str
    unit: str
    standard: str
    text: str


def _domain_tab(tab: str) -> Topic:
    label = domain_forms.LABELS.get(tab, tab.capitalize())
    return Topic(
        f"domains.{tab}",
        f"Domain: {label}",
        "Domains",
        form=lambda: domain_forms.tab_form(tab),
        intro=domain_forms.INTROS[tab],
    )


def _settings_tab(name: str, label: str) -> Topic:
    return Topic(
        f"settings.{name}",
        f"Server settings: {label}",
        "Server",
        form=lambda: setting_forms.form_of(name),
        intro=setting_forms.INTROS[name],
    )


_ROUTES: tuple[tuple[str, str, tuple[str, ...], type[PanelForm], str], ...] = (
    (
        "hold-rules", "Hold rules", ("hold-rules",), route_forms.HoldRuleForm,
        "A rule keeps mail back as it is accepted, and what is in the spool already. Senders are "
        "not told. When the rule is removed or its time is over, all that it holds is delivered. "
        "What it puts in quarantine stays there. "
        "Everything that a rule names must fit; what is left empty fits all mail.",
    ),
    (
        "gateways", "Gateways", ("gateways", "gateway", "gateway-new", "gateway-delete",
                                 "gateway-test"), route_forms.GatewayServerForm,
        "A gateway is another server that takes some or all of the outgoing mail. Without one, "
        "mail goes directly to the servers of its recipients. A test connects, encrypts and logs "
        "in, and shows what was said; no mail is sent by it.",
    ),
    (
        "gateways.scope", "Gateways: which mail", (), route_forms.GatewayScopeForm,
        "A gateway takes mail by its priority, the domain that sends it and the domain that gets "
        "it. Of several that fit, the narrower one is used; equals share the mail.",
    ),
    (
        "relay-domains", "Relay domains", ("relay-domains",), route_forms.RelayDomainForm,
        "For a domain of somebody else's this server can stand in as backup MX: it takes the mail "
        "and passes it on. Each recipient should be asked for first, or the mail that cannot be "
        "passed on comes back to senders who never wrote it.",
    ),
    (
        "relay-networks", "Relay networks", ("relay-networks",), route_forms.RelayNetworkForm,
        "Machines in these networks may send to everybody without logging in. List single "
        "addresses where you can: what is misused there is sent in this server's name.",
    ),
    (
        "single-destinations", "One recipient at a time", ("single-destinations",),
        route_forms.SingleDestinationForm,
        "Recipients of a message at the same server share one transaction, which is quick. Some "
        "strict servers refuse that, and some list servers need a transaction for each recipient: "
        "the domains listed here get one. What became of each recipient is kept singly in any "
        "case. For mail through a gateway or to a relay domain there is a switch there, too.",
    ),
    (
        "forwarding-blacklist", "The forwarding blacklist", ("forwarding-blacklist",),
        route_forms.ForwardingBanForm,
        "Who forwards mail forwards the spam in it, and some receivers block a server for that. "
        "Forwards to these domains cannot be saved, and those that exist stop; the mail stays in "
        "its mailbox. A domain may be exempted in its technical settings.",
    ),
)  # fmt: skip


def _route_topic(
    key: str, title: str, pages: tuple[str, ...], form: type[PanelForm], intro: str
) -> Topic:
    return Topic(key, title, "Mail", pages, form=lambda: form, intro=intro)


_ALL = (
    Topic(START, "Getting started", "First steps", ("home",)),
    Topic("dns", "DNS records of a domain", "First steps", ("dns", "domain-opened", "signing")),
    Topic("mail-programs", "Setting up a mail program", "First steps", ("account",)),
    Topic("lists", "Lists, filters and exports", "First steps", ("search",)),
    Topic(
        "domains", "Domains", "Domains",
        ("domains", "domain", "domains-delete", "domain-limits"),
    ),
    Topic(
        "renaming", "Renaming and reloading a domain", "Domains",
        ("domain-rename", "domain-reload"),
        form=lambda: RenameForm,
    ),
    Topic(
        "moving", "Moving the folder of a domain", "Domains", ("domain-folder",),
        form=lambda: MoveForm,
    ),
    Topic(
        "domains.options", "Domain: Options", "Domains", ("domain-new", "domain-wizard"),
        form=lambda: domain_forms.NewOptionsForm,
    ),
    *(_domain_tab(tab) for tab in TABS),
    Topic(
        "domain-defaults", "Defaults for new domains", "Domains",
        ("domain-defaults", "domain-defaults-existing"),
    ),
    Topic(
        "troubleshooting-domain", "When something is wrong with a domain", "Domains",
        ("domain-impersonate",),
    ),
    Topic(
        "troubleshooting-user", "When something is wrong with a user", "Domains",
        ("impersonate",),
    ),
    Topic(
        "users", "Users", "Domains",
        ("users", "user", "users-new", "users-import", "users-delete", "online-users",
         "inactive-users", "users-import-run",
         "users-import-job", "account-forwarding"),
        form=lambda: user_forms.described(),
    ),
    Topic(
        "aliases", "Aliases and catch-alls", "Domains",
        ("aliases", "alias", "aliases-new", "aliases-delete", "catch-all", "domain-aliases",
         "domain-aliases-delete", "domain-aliases-claim"),
    ),
    Topic(
        "mailing-lists", "Mailing lists", "Domains",
        ("lists", "lists-new", "lists-delete", "list", "my-lists", "list-subscribers",
         "list-subscribers-add", "list-subscribers-import", "list-subscribers-remove",
         "list-subscriber", "list-posts", "list-post", "list-post-refuse"),
        form=lambda: HelpForm,
    ),
    Topic(
        "resellers", "Resellers and plans", "Domains",
        ("resellers", "reseller", "resellers-new", "resellers-delete", "plans", "plan",
         "plans-new", "plans-delete", "domain-owner"),
        form=lambda: reseller_forms.caps_form(),
        intro=reseller_forms.CAPS_INTRO,
    ),
    Topic(
        "spool", "The spool", "Mail",
        ("spool", "spool-waiting", "quarantine", "spool-statistics", "spool-changes", "throttled",
         "message", "message-text", "trace", "refused-mail", "ledger"),
    ),
    Topic(
        "lost-mail", "What a crash has left", "Mail",
        ("lost-mail", "lost-message", "lost-message-text", "lost-message-delete"),
    ),
    *(_route_topic(*row) for row in _ROUTES),
    Topic(
        "retrieval", "Mail fetched from other servers", "Mail",
        ("account-retrieval", "account-retrieval-new", "user-retrieval", "user-retrieval-new",
         "retrieval"),
        form=lambda: NewRetrievalForm,
    ),
    Topic("messaging", "Writing to many users", "Mail", ("mass-email", "mass-reminder")),
    Topic("archive", "The message archive", "Mail", ("archive", "domain-archive")),
    Topic(
        "reports", "Reports", "Reports",
        ("traffic", "disk-usage", "domain-disk", "domain-reports",
         "domain-report", "system-reports", "system-report", "my-report"),
    ),
    Topic(
        "mailed-reports", "Mailed reports", "Reports",
        ("mailed-reports", "mailed-report", "mailed-report-new"),
        form=lambda: NewScheduleForm,
    ),
    Topic("audit", "The audit trail", "Reports", ("audit", "domain-audit")),
    Topic("jobs", "Background jobs", "Reports", ("jobs", "job")),
    Topic("services", "Services and connections", "Server",
          ("services", "connections", "connection-parties")),
    Topic("blocks", "Blocks", "Server", ("blocks", "block-new"),
          form=lambda: abuse_forms.BlockForm),
    Topic("abuse-rules", "Abuse rules", "Server",
          ("abuse-rules", "abuse-rule", "abuse-rule-new"), form=lambda: abuse_forms.RuleForm),
    Topic("blacklist", "Blacklist and whitelist", "Server",
          ("blacklist", "blacklist-new", "blacklist-entry", "blacklist-import",
           "whitelist", "whitelist-new", "whitelist-entry", "whitelist-import")),
    Topic("logs", "Logs", "Server", ("logs",), form=lambda: log_forms.LogForm),
    Topic("transcripts", "Transcripts", "Server",
          ("transcripts", "transcript", "transcript-new"),
          form=lambda: log_forms.TranscriptForm),
    Topic("certificates", "Certificates", "Server", ("certificates",)),
    Topic("login-provider", "The log-in provider", "Server",
          ("login-provider", "account-identities", "account-identity-link"),
          form=lambda: provider_forms.LoginProviderForm),
    Topic("settings", "Server settings", "Server", ("settings",)),
    *(_settings_tab(name, label) for name, label in setting_forms.TABS.items()),
    Topic("commands", "The command line", "Server"),
)  # fmt: skip

TOPICS = {topic.key: topic for topic in _ALL}
_BY_PAGE = {page: topic for topic in _ALL for page in topic.pages}


def topic_of_page(url_name: str) -> str:
    """The key of the topic about a page; the contents of the help where there is none."""
    topic = _BY_PAGE.get(url_name)
    return topic.key if topic is not None else ""


def url(key: str) -> str:
    """The address of a topic or, as `topic.field`, of a field in it; empty if there is none.

    A field that its topic does not describe leads to the topic.
    """
    if key in TOPICS:
        return TOPICS[key].url
    page, _, field = key.rpartition(".")
    topic = TOPICS.get(page)
    if topic is None:
        return ""
    return f"{topic.url}#{field}" if field in _names(topic) else topic.url


def groups() -> dict[str, list[Topic]]:
    """All topics, for the contents."""
    found: dict[str, list[Topic]] = {}
    for topic in TOPICS.values():
        found.setdefault(topic.group, []).append(topic)
    return found


def matching(query: str, text_of: Callable[[Topic], str]) -> list[Topic]:
    """Topics that have every word of the query in their title or text."""
    wanted = query.lower().split()
    return [
        topic
        for topic in TOPICS.values()
        if all(word in f"{topic.title} {text_of(topic)}".lower() for word in wanted)
    ]


def fields(topic: Topic) -> Iterator[FieldHelp]:
    """Each field of the topic's form, in the form's own words."""
    known = topic.form()().fields if topic.form is not None else {}
    for name, field in known.items():
        if name.endswith(SWITCH) and name.removesuffix(SWITCH) in known:
            yield FieldHelp(
                name, f"{known[name.removesuffix(SWITCH)].label}: on", "", _standard(field),
                str(field.help_text),
            )  # fmt: skip
            continue
        yield FieldHelp(
            name, str(field.label), words.unit(name), _standard(field), str(field.help_text)
        )


@lru_cache(maxsize=64)
def _names(topic: Topic) -> frozenset[str]:
    return frozenset(topic.form()().fields if topic.form is not None else ())


def _standard(field: forms.Field) -> str:
    value = field.initial() if callable(field.initial) else field.initial
    if isinstance(field, forms.BooleanField):
        return "on" if value else "off"
    if isinstance(field, forms.ChoiceField) and isinstance(value, str):
        chosen = {str(key): str(label) for key, label in list(field.choices)}  # type: ignore[arg-type]
        return chosen.get(value, value)
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "" if value is None else str(value)
