"""A YAML file makes the server what it says, and a snapshot writes such a file."""

from __future__ import annotations

import io
import textwrap
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts import aliases, apppasswords, authentication, directory, passwords
from accounts.models import LoginSettings, Plan, Role, User, UserAlias
from accounts.settings import LOGIN
from clock.moments import utc_now
from domains import directory as domain_directory
from domains.models import TABS, Domain, DomainAlias
from domains.values import settable_fields
from events.models import AuditEntry
from mailhost.provisioning.credentials import read_scram, write_scram
from mailhost.provisioning.nodes import Unreadable
from mailhost.provisioning.reading import read
from operations.models import ListenerSettings, RelayNetwork
from protocols.scram import derive_keys
from spool import gateways
from spool.models import Gateway, SpoolSettings
from tests.factories import PASSWORD, make_domain, verifiers

pytestmark = pytest.mark.django_db(transaction=True)

EXAMPLE = """
    domains:
      - name: example.com
        admin: {username: admin, password: secret123, full_name: Ada Admin}
        limits: {users: 1200, max_message_size_kb: 0, disk_space_mb: 0}
        throttling: {outgoing_messages_per_hour_enabled: false}
        users:
          - {username: alice, password: secret123, full_name: Alice}
          - {username: bob, password: secret123}
        user_aliases:
          - {name: sales, targets: [alice, bob]}
        domain_aliases: [example.net]
    gateways:
      - {name: sink, host: 127.0.0.1, port: 2526, domains: [sink.test]}
"""


class Run:
    """What one run of `apply` printed; `problems` as place and reason."""

    def __init__(self, path: Path, text: str, **options: Any) -> None:
        path.write_text(textwrap.dedent(text))
        out, err = io.StringIO(), io.StringIO()
        self.failure = ""
        try:
            call_command("apply", str(path), stdout=out, stderr=err, **options)
        except CommandError as error:
            self.failure = str(error)
        self.lines = out.getvalue().splitlines()
        self.problems = [line.removeprefix(f"{path}:") for line in err.getvalue().splitlines()]
        LOGIN.forget()


@pytest.fixture
def apply(tmp_path: Path) -> Any:
    return lambda text, **options: Run(tmp_path / "site.yaml", text, **options)


def snapshot(*domains: str, **options: Any) -> str:
    out = io.StringIO()
    call_command("snapshot", *domains, stdout=out, **options)
    return out.getvalue()


def test_the_example_makes_a_domain_that_works(apply: Any) -> None:
    run = apply(EXAMPLE, allow_weak_passwords=True)
    assert not run.failure
    assert run.lines == [
        "+ domain example.com, administrator admin",
        "+ user alice@example.com",
        "+ user bob@example.com",
        "+ alias sales@example.com -> alice, bob",
        "+ domain alias example.net of example.com",
        "+ gateway sink for sink.test",
        "changed 6 things",
    ]
    domain = Domain.objects.get()
    assert (domain.domainlimits.users, domain.domainlimits.max_message_size_kb) == (1200, 0)
    admin = User.objects.get(local_part="admin")
    assert (admin.full_name, admin.is_primary_administrator) == ("Ada Admin", True)
    directory.clear()
    domain_directory.clear()
    found = authentication.check_password(
        "alice@example.net", "secret123", service="imap", local_ip=None, now=utc_now()
    )
    assert found.full_name == "Alice"
    assert Gateway.objects.get().destinations.get().name == "sink.test"


def test_a_second_run_changes_nothing(apply: Any) -> None:
    apply(EXAMPLE, allow_weak_passwords=True)
    audited = AuditEntry.objects.count()
    run = apply(EXAMPLE)
    assert run.lines == ["nothing to change"]
    assert AuditEntry.objects.count() == audited


def test_a_dry_run_tells_everything_and_changes_nothing(apply: Any) -> None:
    run = apply(EXAMPLE, allow_weak_passwords=True, dry_run=True)
    assert run.lines[-1] == "would change 6 things"
    assert not Domain.objects.exists()
    assert not Gateway.objects.exists()
    assert not AuditEntry.objects.exists()


def test_a_dry_run_lets_later_parts_refer_to_earlier_ones(apply: Any) -> None:
    text = f"""
        plans: [{{name: small, users: 9}}]
        resellers: [{{username: rob, plan: small}}]
        domains:
          - name: new.example
            reseller: rob
            admin: {{username: admin, password_hash: "{verifiers().password}"}}
        gateways: [{{name: out, host: mx.example, sending_domains: [new.example]}}]
    """
    assert apply(text, dry_run=True).problems == []
    assert not Plan.objects.exists()
    assert apply(text).problems == []
    assert gateways.scope_of(Gateway.objects.get())["sending_domains"] == ["new.example"]
    assert Domain.objects.get().ownership.reseller.role == Role.RESELLER


@pytest.mark.spec("U-014")
def test_weak_passwords_need_the_option(apply: Any) -> None:
    run = apply(EXAMPLE)
    assert "the password has fewer than 10 characters" in run.problems[0]
    assert run.problems[0].startswith("4:12: admin")
    assert not Domain.objects.exists()
    assert Gateway.objects.exists(), "other parts of the file are applied"
    assert run.failure


def test_changes_are_told_with_old_and_new(apply: Any) -> None:
    apply(EXAMPLE, allow_weak_passwords=True)
    run = apply(
        """
        settings:
          login: {minimum_password_length: 9}
        relay_networks: [192.0.2.0/24]
        domains:
          - name: EXAMPLE.com
            disabled: true
            limits: {users: 0}
            users:
              - {username: Alice, full_name: Alice B., password: another-one}
              - {username: bob, status: disabled, administrator: true}
            user_aliases: [{name: sales, targets: [bob, x@elsewhere.example]}]
            catch_all: alice
        gateways: [{name: sink, port: 26, password: s3cret}]
        """
    )
    assert run.lines == [
        "~ login settings: minimum_password_length 10 -> 9",
        "+ relay network 192.0.2.0/24",
        "~ options of example.com: is_disabled false -> true",
        "~ limits of example.com: users 1200 -> 0",
        "~ user alice@example.com: full_name Alice -> Alice B.",
        "~ password of alice@example.com",
        "~ user bob@example.com: status enabled -> disabled",
        "~ role of bob@example.com: administrator",
        "~ alias sales@example.com: -> bob, x@elsewhere.example",
        "+ catch-all of example.com -> alice",
        "~ gateway sink: port 2526 -> 26, password",
        "changed 11 things",
    ]
    assert gateways.password_of(Gateway.objects.get()) == "s3cret"
    entry = AuditEntry.objects.filter(object_name="sink").first()
    assert entry is not None
    assert "s3cret" not in str(entry.changes)
    assert "manage.py apply" in entry.actor
    assert RelayNetwork.objects.get().network == "192.0.2.0/24"
    again = apply("domains: [{name: example.com, user_aliases: [{name: sales}], limits: ~}]")
    assert again.lines == ["nothing to change"]


def test_what_the_file_leaves_out_stays_unless_pruned(apply: Any) -> None:
    apply(EXAMPLE, allow_weak_passwords=True)
    less = """
        domains:
          - name: example.com
            users: [{username: alice}]
            user_aliases: []
            domain_aliases: []
        gateways: []
    """
    assert apply(less).lines == ["nothing to change"]
    run = apply(less, prune=True)
    assert run.lines == [
        "- alias sales@example.com",
        "- domain alias example.net of example.com",
        "- user bob@example.com",
        "- gateway sink",
        "changed 4 things",
    ]
    assert set(User.objects.values_list("local_part", flat=True)) == {"admin", "alice"}
    assert not DomainAlias.objects.exists()
    assert apply("domains: [{name: example.com}]", prune=True).lines == ["nothing to change"]


def test_every_problem_has_its_line_and_column_and_nothing_is_changed(apply: Any) -> None:
    run = apply(
        """\
        domains:
          - name: example.com
            limit: {users: 1200}
            limits: {users: -3, max_message_size_kb: many, disk_space_mb: 0, disk_space_mb: 1}
            priority: {standard: 11}
            technical: {smtp_port: 70000, pop_port: 010}
            features: [calendar]
            users:
              - {username: alice, password: secret123, password_hash: x}
              - {username: ALICE, pasword: secret123}
              - {username: "b b", status: off}
              - {username: carol, pop_access: maybe, full_name: [x], mailbox_size_mb: 1.5}
              - password: x
            user_aliases:
              - {name: sales, targets: {alice: bob}}
            domain_aliases: [example..net]
        gateways:
          - {name: sink, host: 127.0.0.1, port: 0}
        settings: {logn: {}}
        """
    )
    places = [problem.split(" ")[0] for problem in run.problems]
    assert places == [
        "3:5:", "4:21:", "4:46:", "4:70:", "5:26:", "6:28:", "6:45:", "7:15:", "9:63:", "10:9:",
        "10:27:", "11:20:", "12:39:", "12:57:", "12:79:", "13:9:", "15:32:", "16:22:", "18:41:",
        "19:12:",
    ]  # fmt: skip
    assert "perhaps 'limits'?" in run.problems[0]
    assert run.failure == "nothing was changed"
    assert not Domain.objects.exists()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: [", "did not find"),
        ("- x", "must be a mapping"),
        ("domains: &a [*a]", "must be a mapping"),
        ("domains: {}", "must be a list"),
        ("x:\ty: z", ""),
        ("domains: !!python/object/apply:os.system [ls]", "must be a mapping"),
        ("--- a\n--- b", "expected a single document"),
    ],
)
def test_what_is_no_such_file_is_refused(apply: Any, text: str, problem: str) -> None:
    run = apply(text)
    assert problem in run.problems[0] or "found" in run.problems[0]
    assert run.failure == "nothing was changed"


@given(st.text(max_size=200) | st.from_regex(r"[a-z&*:{}\[\]\-, \n]{0,80}", fullmatch=True))
@settings(max_examples=200)
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read(text)
    except Unreadable as error:
        assert error.problems


def test_an_empty_file_is_nothing_to_do(apply: Any) -> None:
    assert apply("").lines == ["nothing to change"]
    assert apply("# only words\n").lines == ["nothing to change"]


def test_a_domain_with_a_problem_is_left_alone_and_the_others_are_applied(apply: Any) -> None:
    hashed = verifiers().password
    run = apply(
        f"""\
        domains:
          - name: bad.example
            admin: {{username: admin, password_hash: "{hashed}"}}
            limits: {{users: 2}}
            users: [{{username: a}}, {{username: b}}]
          - name: noadmin.example
          - name: good.example
            admin: {{username: admin, password_hash: "{hashed}"}}
          - name: loop.example
            admin: {{username: admin, password_hash: "{hashed}"}}
            user_aliases:
              - {{name: a, targets: [b]}}
              - {{name: b, targets: [a]}}
        """
    )
    assert run.problems == [
        "2:5: the limit of 2 users is reached",
        "6:5: noadmin.example is new: it needs an admin with a username",
        "12:9: the alias would loop: a@loop.example -> b@loop.example -> a@loop.example",
    ]
    assert [domain.name for domain in Domain.objects.all()] == ["good.example"]
    assert run.failure == "3 parts of the file were not applied"


def test_plain_words_and_numbers_are_texts_where_texts_are_meant(apply: Any) -> None:
    run = apply(
        """
        domains:
          - name: words.example
            admin: {username: on, password: 12345678901, full_name: 1e3}
            users: [{username: 0123, full_name: 2026-01-01}, {username: no}]
        """,
        allow_weak_passwords=True,
    )
    assert run.problems == []
    assert set(User.objects.values_list("local_part", "full_name")) == {
        ("on", "1e3"), ("0123", "2026-01-01"), ("no", ""),
    }  # fmt: skip
    assert passwords.fits(User.objects.get(local_part="on"), "12345678901")


FULL = """
    settings:
      login: {cram_md5: true, clear_text_login: never}
      listeners: {message_size_mb: 25, over_quota_is_permanent: true}
      transport: {use_dane: always, report_contact: tls@one.example}
      spool: {retry_minutes: [5, 10], patience_days: 3, postmaster: root@one.example}
    relay_networks:
      - 192.0.2.0/24
      - {network: "2001:db8::1", note: the scanner}
    relay_domains:
      - {name: kept.example, host: mx.kept.example, port: 2525, verify_recipients: false}
    forwarding_blacklist:
      - strict.example
      - {name: "*.strict.example", note: blames us}
    tls_policies:
      - {destination: .old.example, level: none, note: until May}
      - {destination: bank.example, level: verified}
    plans: [{name: small, domains: 3, withheld_features: [syncml, notes]}]
    resellers: [{username: rob, password: correct horse battery, plan: small}]
    system_administrators: [{username: root, password: correct horse battery, full_name: Root}]
    domains:
      - name: bücher.example
        listen_ip: 192.0.2.7
        list_command_address: lists
        disabled: true
        reseller: rob
        admin: {username: admin, password: correct horse battery}
        technical: {smtp_port: 2500, autoresponder_exclusions: high}
        features: {tasks: false, active_directory: true}
        priority: {standard: 9, standard_enabled: true}
        sharing: {folders: false}
        event_restrictions: {user_added: false}
      - name: one.example
        admin: {username: admin, password: correct horse battery}
        users:
          - {username: alice, password: correct horse battery, mailbox_size_mb: 5,
             time_zone: Europe/Berlin, language: de, reply_to: a@b.example, status: receiving}
          - {username: ben, administrator: true, pop_access: false, password_locked: true,
             forward_to: [alice, ben@elsewhere.example], keep_forwarded: false}
          - {username: jörg, password: pässwörter sind länger}
        user_aliases:
          - {name: sales, targets: [alice, team, ext@elsewhere.example], internal_only: true}
          - {name: team, targets: [ben, admin@xn--bcher-kva.example, alice+news]}
        catch_all: {targets: [alice], in_address_list: false}
        domain_aliases: [one.net, ünö.net]
    gateways:
      - {name: out, host: mx.example, username: me, password: geheim, encryption: required,
         sending_domains: [one.example], minimum_priority: 1, maximum_priority: 3}
      - {name: sink, host: "::1", port: 2526, domains: [sink.test, .below.test]}
"""


@pytest.mark.parametrize(("secrets", "short"), [(True, False), (False, False), (True, True)])
def test_a_snapshot_applied_to_an_empty_server_gives_the_same_snapshot(
    apply: Any, django_db_blocker: Any, secrets: bool, short: bool
) -> None:
    run = apply(FULL)
    assert run.problems == []
    alice = User.objects.get(local_part="alice")
    apppasswords.add(user=alice, name="phone", by=None, scopes=["imap"])
    first = snapshot(secrets=secrets, short=short)
    call_command("flush", interactive=False, verbosity=0)
    Domain.objects.all().delete()
    LOGIN.forget()
    again = apply(first)
    assert again.problems == []
    assert snapshot(secrets=secrets, short=short) == first
    assert apply(first).lines == ["nothing to change"]


def test_a_snapshot_has_a_key_for_every_setting_and_no_secret_unasked(apply: Any) -> None:
    apply(FULL)
    text = snapshot()
    for tab, model in TABS.items():
        assert f"{tab}:" in text
        for field in settable_fields(model):
            assert f"{field}:" in text or field.startswith("chosen_source")
    for model in (ListenerSettings, SpoolSettings, LoginSettings):
        for field in settable_fields(model):
            assert f"{field}:" in text
    for secret in ("password_hash", "argon2", "SCRAM", "geheim", "cram_md5_state"):
        assert secret not in text
    assert "geheim" in snapshot(secrets=True)


def test_secrets_of_a_snapshot_open_the_accounts_elsewhere(apply: Any) -> None:
    apply(FULL)
    _, phone = apppasswords.add(user=User.objects.get(local_part="ben"), name="phone", by=None)
    text = snapshot(secrets=True)
    call_command("flush", interactive=False, verbosity=0)
    LOGIN.forget()
    apply(text)
    directory.clear()
    domain_directory.clear()
    place = {"service": "imap", "local_ip": None}
    for login, password in (("jörg@ünö.net", "pässwörter sind länger"), ("ben@one.net", phone)):
        assert authentication.check_password(login, password, **place, now=utc_now())
    keys = authentication.scram_keys("jörg@one.example", **place)
    assert derive_keys("pässwörter sind länger", salt=keys.salt) == keys


def test_a_snapshot_of_one_domain_has_nothing_else(apply: Any) -> None:
    apply(FULL)
    text = snapshot("ONE.net", short=True)
    assert text.startswith("domains:\n  - name: one.example\n")
    assert "settings" not in text
    assert "gateways" not in text
    with pytest.raises(CommandError, match=r"there is no domain nowhere\.example"):
        snapshot("nowhere.example")


def test_a_snapshot_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    make_domain("file.example")
    path = tmp_path / "site.yaml"
    call_command("snapshot", output=str(path), secrets=True)
    assert path.stat().st_mode & 0o777 == 0o600
    assert "file.example" in path.read_text()


@pytest.mark.spec("D-092")
def test_a_domain_beyond_its_limits_can_be_restored(apply: Any) -> None:
    domain = make_domain("over.example", "a", "b", "c")
    domain.domainlimits.users = 2
    domain.domainlimits.save()
    text = snapshot(secrets=True)
    call_command("flush", interactive=False, verbosity=0)
    [problem] = apply(text).problems
    assert problem.endswith("the limit of 2 users is reached")
    assert apply(text, over_limits=True).problems == []
    assert snapshot(secrets=True) == text


def test_passwords_given_as_hashes_are_taken_as_they_are(apply: Any) -> None:
    hashed = verifiers().password
    text = f"""
        domains:
          - name: hash.example
            admin: {{username: admin, password_hash: "{hashed.removeprefix("argon2")}"}}
    """
    assert apply(text).problems == []
    assert User.objects.get().password == hashed
    assert User.objects.get().check_password(PASSWORD)
    assert apply(text).lines == ["nothing to change"]


def test_scram_keys_are_written_as_other_servers_write_them() -> None:
    keys = derive_keys("pencil", salt=b"salt" * 4)
    assert read_scram(write_scram(keys)) == keys
    for text in ("", "SCRAM-SHA-256$4096:x$y:z", "SCRAM-SHA-1$4096:eA==$eA==:eA=="):
        with pytest.raises(ValueError, match="form|base64|length"):
            read_scram(text)


def test_targets_of_aliases_compare_by_what_they_mean(apply: Any) -> None:
    apply(EXAMPLE, allow_weak_passwords=True)
    run = apply(
        """
        domains:
          - name: example.com
            user_aliases: [{name: sales, targets: [BOB@example.net, alice@example.com, bob]}]
        """
    )
    assert run.lines == ["nothing to change"]
    assert aliases.target_names(UserAlias.objects.get()) == ["alice", "bob"]


def test_the_file_of_the_handbook_is_applied_and_changes_nothing_twice(apply: Any) -> None:
    page = (Path(__file__).parents[2] / "docs" / "provisioning.md").read_text()
    text = page.partition("```yaml\n")[2].partition("```")[0]
    assert apply(text).problems == []
    assert apply(text).lines == ["nothing to change"]


@pytest.mark.spec("D-049", "D-091", "P-028")
def test_values_that_are_seldom_meant_are_applied_with_a_warning(apply: Any) -> None:
    run = apply(
        """
        domains:
          - name: odd.example
            admin: {username: admin}
            technical: {smtp_port: 2500}
        """
    )
    assert run.lines == [
        "+ domain odd.example, administrator admin (no password: cannot log in yet)",
        "! odd.example: smtp_port: a port other than the standard one needs port translation",
        "changed 1 thing",
    ]
    again = "domains: [{name: odd.example, limits: {recipients_per_message: 5}}]"
    assert apply(again).lines[1].startswith("! odd.example: recipients_per_message:")
    assert apply(again).lines == ["nothing to change"]


@pytest.mark.spec("D-027")
def test_a_file_sets_what_new_domains_begin_with_and_a_snapshot_writes_it(apply: Any) -> None:
    text = """
        domain_defaults:
          list_command_address: lists
          limits: {users: 20}
        domains:
          - {name: new.example, admin: {username: admin, password: correct horse battery}}
          - name: old.example
            admin: {username: admin, password: correct horse battery}
            limits: {users: 100}
    """
    run = apply(text)
    assert any("defaults for new domains: users 100 -> 20" in line for line in run.lines), run.lines
    users = {domain.name: domain.domainlimits.users for domain in Domain.objects.all()}
    assert users == {"new.example": 20, "old.example": 100}
    assert Domain.objects.get(name="new.example").list_command_address == "lists"
    assert not [line for line in apply(text).lines if line[:1] in "+~-"]
    whole, one = snapshot(short=True), snapshot("new.example", short=True)
    assert "domain_defaults:\n  list_command_address: lists\n  limits: {users: 20}" in whole
    assert "limits: {users: 20}" not in whole.partition("domains:")[2]
    assert "limits: {users: 100}" in whole
    # Another server may have other defaults: a domain alone says what is not the factory's.
    assert "domain_defaults" not in one and "limits: {users: 20}" in one
    refused = apply("domain_defaults: {limits: {user: 1}}")
    assert "perhaps 'users'" in refused.problems[0]
