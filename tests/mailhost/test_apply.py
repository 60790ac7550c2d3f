"""A YAML file makes the server what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from accounts import aliases, authentication, directory, passwords
from accounts.models import Plan, Role, User, UserAlias
from clock.moments import utc_now
from domains import directory as domain_directory
from domains.models import Domain, DomainAlias
from events.models import AuditEntry
from operations.models import RelayNetwork
from spool import gateways
from spool.models import Gateway
from tests.factories import PASSWORD, verifiers
from tests.mailhost.applying import EXAMPLE, snapshot

pytestmark = pytest.mark.django_db(transaction=True)


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


@pytest.mark.spec("G-040")
def test_services_of_relay_networks_are_applied(apply: Any) -> None:
    apply("relay_networks: [192.0.2.0/24]")
    assert RelayNetwork.objects.get().services == ["smtp"]
    run = apply("relay_networks: [{network: 192.0.2.0/24, services: submission}]")
    assert run.lines == [
        "~ relay network 192.0.2.0/24: services ['smtp'] -> ['submission']",
        "changed 1 thing",
    ]
    assert RelayNetwork.objects.get().services == ["submission"]
    assert apply("relay_networks: [192.0.2.0/24]").lines == ["nothing to change"]
    run = apply("relay_networks: [{network: 192.0.2.0/24, services: [imap]}]")
    assert "imap is none of smtp, submission" in str(run.problems)


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


def test_an_empty_file_is_nothing_to_do(apply: Any) -> None:
    assert apply("").lines == ["nothing to change"]
    assert apply("# only words\n").lines == ["nothing to change"]


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
