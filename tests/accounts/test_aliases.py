"""Aliases and the catch-all: one address, many targets, no loops."""

from __future__ import annotations

import pytest

from accounts import aliases, directory, services
from accounts.aliases import NewAlias
from accounts.errors import AliasLoops, TargetMalformed, TargetUnknown
from accounts.models import LocalPart, User, UserAlias
from domains import services as domain_services
from domains.errors import LimitReached, ValuesRefused
from domains.models import Domain
from tests.factories import make_alias, make_domain, make_domain_alias, make_user
from tests.races import Pause, beside

pytestmark = pytest.mark.django_db


def targets(domain: Domain, name: str) -> list[str]:
    return aliases.target_names(UserAlias.objects.get(domain=domain, local_part=name))


@pytest.mark.spec("U-030", lacks="spam levels, at which external targets get nothing (D-051)")
def test_targets_may_be_users_aliases_and_addresses_anywhere() -> None:
    domain, other = make_domain("t.example", "alice", "bob"), make_domain("o.example", "carol")
    make_domain_alias(other, "o-alias.example")
    make_alias(domain, "sales", "alice")
    make_alias(
        domain,
        "all",
        "sales",
        "Bob@T.example",
        "bob",
        "alice+news",
        "carol@o-alias.example",
        "Some.One@elsewhere.example",
        '"odd name"@elsewhere.example',
    )
    assert sorted(targets(domain, "all")) == sorted(
        [
            "sales",
            "bob",
            "alice+news",
            "carol@o.example",
            "Some.One@elsewhere.example",
            '"odd name"@elsewhere.example',
        ]
    )


@pytest.mark.spec("U-030", lacks="spam levels, at which external targets get nothing (D-051)")
@pytest.mark.parametrize(
    ("target", "error"),
    [
        ("nobody", TargetUnknown),
        ("nobody@t.example", TargetUnknown),
        ("a b", TargetMalformed),
        ("x@", TargetMalformed),
        ("@x.example", TargetMalformed),
        ("x@localhost", TargetMalformed),
        ("x@y.example\r\nRCPT TO:<z@y.example>", TargetMalformed),
        ("x" * 65 + "@y.example", TargetMalformed),
    ],
)
def test_a_target_that_is_none_is_refused(target: str, error: type[Exception]) -> None:
    domain = make_domain("t.example")
    with pytest.raises(error):
        make_alias(domain, "sales", target)
    assert not UserAlias.objects.exists()


@pytest.mark.spec("U-030", lacks="spam levels, at which external targets get nothing (D-051)")
def test_loops_are_found_through_aliases_domain_aliases_and_the_catch_all() -> None:
    domain, other = make_domain("l.example", "alice"), make_domain("m.example", "bob")
    make_domain_alias(domain, "l-alias.example")
    for loop in (
        [NewAlias(name="a", targets=["a"])],
        [NewAlias(name="a", targets=["a+detail"])],
        [NewAlias(name="a", targets=["b"]), NewAlias(name="b", targets=["a@l-alias.example"])],
        [NewAlias(name="*", targets=["x@l-alias.example", "alice"])],
    ):
        with pytest.raises((AliasLoops, TargetUnknown)):
            aliases.add_aliases(domain=domain, aliases=loop, by=None)
    make_alias(domain, "a", "alice")
    make_alias(other, "b", "a@l.example")
    a = UserAlias.objects.get(local_part="a")
    with pytest.raises(AliasLoops) as error:
        aliases.change_alias(alias=a, targets=["alice", "b@m.example"], by=None)
    assert error.value.path == ("a@l.example", "b@m.example", "a@l.example")
    assert targets(domain, "a") == ["alice"]


@pytest.mark.spec("D-086", "U-034")
def test_the_limit_counts_addresses_and_the_catch_all_but_no_targets() -> None:
    domain = make_domain(None, "alice", "bob", limits={"user_aliases": 2})
    make_alias(domain, "one", "alice", "bob", "x@elsewhere.example")
    aliases.set_catch_all(domain=domain, targets=["alice"], by=None)
    with pytest.raises(LimitReached) as error:
        make_alias(domain, "two", "alice")
    assert error.value.limit == "user_aliases"


@pytest.mark.spec("U-034")
def test_the_catch_all_is_set_changed_and_taken_away() -> None:
    domain = make_domain(None, "alice", "bob")
    for wanted in (["alice"], ["alice", "bob"], ["bob"]):
        aliases.set_catch_all(domain=domain, targets=wanted, by=None)
        assert targets(domain, "*") == wanted
        assert UserAlias.objects.get().takes_reports is False
    aliases.set_catch_all(domain=domain, targets=["bob"], values={"takes_reports": True}, by=None)
    aliases.set_catch_all(domain=domain, targets=["alice"], by=None)
    assert UserAlias.objects.get().takes_reports is True, "what is not given stays"
    make_alias(domain, "caught", "whoever")
    with pytest.raises(ValuesRefused):
        aliases.change_alias(
            alias=UserAlias.objects.get(local_part="caught"),
            values={"takes_reports": True},
            by=None,
        )
    assert aliases.set_catch_all(domain=domain, targets=[], by=None) is None
    assert not UserAlias.objects.filter(local_part="*").exists()


@pytest.mark.spec("U-031")
def test_options_of_an_alias_are_kept_and_checked() -> None:
    domain = make_domain(None, "alice")
    make_alias(domain, "sales", "alice", internal_only=True, may_send_as=False)
    sales = UserAlias.objects.get()
    assert (sales.internal_only, sales.may_send_as, sales.in_address_list) == (True, False, True)
    for values in ({"internal_only": "yes"}, {"local_part": "x"}, {"created_at": 1}):
        with pytest.raises(ValuesRefused):
            aliases.change_alias(alias=sales, values=values, by=None)


def test_an_alias_needs_a_target() -> None:
    domain = make_domain(None, "alice")
    with pytest.raises(ValuesRefused):
        make_alias(domain, "sales")
    make_alias(domain, "sales", "alice")
    with pytest.raises(ValuesRefused):
        aliases.change_alias(alias=UserAlias.objects.get(), targets=[], by=None)


def test_an_address_that_becomes_an_account_is_led_to_by_key() -> None:
    domain, other = make_domain(None, "alice"), make_domain("later.example")
    make_alias(domain, "far", "alice", "bob@later.example")
    bob = make_user(other, "bob")
    assert UserAlias.objects.get().targets.filter(account=bob).exists()
    assert targets(domain, "far") == ["alice", "bob@later.example"]
    services.delete_user(user=bob, by=None)
    assert targets(domain, "far") == ["alice"]


@pytest.mark.spec("D-100")
@pytest.mark.spec("U-030", lacks="spam levels, at which external targets get nothing (D-051)")
def test_what_services_write_the_directory_reads() -> None:
    domain = make_domain("read.example", "alice")
    make_alias(domain, "sales", "alice", "x@elsewhere.example")
    directory.clear()
    entry = directory.lookup(domain.pk, "sales")
    assert entry is not None
    alice = User.objects.get(local_part="alice")
    assert [target.account_id for target in entry.targets] == [alice.pk, None]
    command = directory.lookup(domain.pk, "listserv")
    assert command is not None
    assert command.kind == "command"
    aliases.delete_alias(alias=UserAlias.objects.get(), by=None)
    directory.clear()
    assert directory.lookup(domain.pk, "sales") is None


def test_deleting_an_alias_takes_it_out_of_others() -> None:
    domain = make_domain(None, "alice")
    make_alias(domain, "inner", "alice")
    make_alias(domain, "outer", "inner", "alice")
    make_alias(domain, "shell", "inner")
    aliases.delete_alias(alias=UserAlias.objects.get(local_part="inner"), by=None)
    assert targets(domain, "outer") == ["alice"]
    assert not UserAlias.objects.filter(local_part="shell").exists()


def test_domain_services_are_not_in_the_way() -> None:
    domain = make_domain(None, "alice")
    make_alias(domain, "sales", "alice")
    domain_services.set_disabled(domain=domain, is_disabled=True, by=None)
    assert targets(domain, "sales") == ["alice"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.spec("U-010", lacks="the event E-026")
def test_two_domains_that_lose_an_alias_s_last_targets_at_once_leave_no_alias_without() -> None:
    one, two, third = make_domain(None, "alice"), make_domain(None, "bob"), make_domain()
    make_alias(third, "both", f"alice@{one.name}", f"bob@{two.name}")
    alice = User.objects.get(domain=one, local_part="alice")
    bob = User.objects.get(domain=two, local_part="bob")

    def delete_alice(pause: Pause) -> None:
        services.delete_user(user=alice, by=None)
        pause()

    with beside(delete_alice):
        services.delete_user(user=bob, by=None)
    assert not UserAlias.objects.filter(domain=third).exists()
    assert not LocalPart.objects.filter(domain=third, local_part="both").exists()
