"""A snapshot writes the file that makes another server the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts import apppasswords, authentication, directory
from accounts.models import CapSettings, LoginSettings, User
from accounts.settings import LOGIN
from clock.moments import utc_now
from domains import directory as domain_directory
from domains.models import TABS, Domain
from domains.values import settable_fields
from mailhost.provisioning.credentials import read_scram, write_scram
from operations.models import ListenerSettings
from protocols.scram import derive_keys
from spool.models import SpoolSettings
from tests.factories import make_domain
from tests.mailhost.applying import snapshot

pytestmark = pytest.mark.django_db(transaction=True)

FULL = """
    settings:
      login: {cram_md5: true, clear_text_login: never}
      caps: {domains: 50, users: 500, withheld_features: [calendar]}
      listeners: {message_size_mb: 25, over_quota_is_permanent: true}
      transport: {use_dane: always, report_contact: tls@one.example}
      spool: {retry_minutes: [5, 10], patience_days: 3, postmaster: root@one.example}
    relay_networks:
      - 192.0.2.0/24
      - {network: "2001:db8::1", note: the scanner, services: [smtp, submission]}
    relay_domains:
      - {name: kept.example, host: mx.kept.example, port: 2525, verify_recipients: false,
         one_recipient_at_a_time: true}
    single_destinations:
      - .lists.example
      - {name: picky.example, note: takes no more}
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
             time_zone: Europe/Berlin, language: de, reply_to: a@b.example, status: receiving,
             telephone: "+49 30 1", city: Köln}
          - {username: ben, administrator: true, pop_access: false, password_locked: true,
             forward_to: [alice, ben@elsewhere.example], keep_forwarded: false}
          - {username: jörg, password: pässwörter sind länger}
        user_aliases:
          - {name: sales, targets: [alice, team, ext@elsewhere.example], internal_only: true}
          - {name: team, targets: [ben, admin@xn--bcher-kva.example, alice+news]}
        catch_all: {targets: [alice], in_address_list: false, takes_reports: true}
        domain_aliases: [one.net, ünö.net]
    gateways:
      - {name: out, host: mx.example, username: me, password: geheim, encryption: required,
         sending_domains: [one.example], minimum_priority: 1, maximum_priority: 3}
      - {name: sink, host: "::1", port: 2526, domains: [sink.test, .below.test],
         one_recipient_at_a_time: true}
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
    for model in (ListenerSettings, SpoolSettings, LoginSettings, CapSettings):
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


def test_scram_keys_are_written_as_other_servers_write_them() -> None:
    keys = derive_keys("pencil", salt=b"salt" * 4)
    assert read_scram(write_scram(keys)) == keys
    for text in ("", "SCRAM-SHA-256$4096:x$y:z", "SCRAM-SHA-1$4096:eA==$eA==:eA=="):
        with pytest.raises(ValueError, match="form|base64|length"):
            read_scram(text)
