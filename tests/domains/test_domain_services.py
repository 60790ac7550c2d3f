"""Domains: created with every tab, changed within ranges, named once, disabled, deleted."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.db import connections

from accounts import provisioning
from accounts.errors import NotPermitted
from accounts.models import User
from accounts.provisioning import NewDomain
from accounts.services import NewUser
from blobs import holding
from blobs.models import Area
from domains import advice, directory, selectors, services
from domains.errors import (
    ChangedMeanwhile,
    FolderRefused,
    LimitReached,
    NameMalformed,
    NameTaken,
    PortClaimed,
    ValuesRefused,
)
from domains.models import TABS, Domain, DomainAlias, HostedName
from tests.factories import make_domain, make_domain_alias
from tests.people import make_world
from tests.races import Pause, beside, run_together


def change(domain: Domain, tab: str, **values: object) -> None:
    services.change_tab(domain=domain, tab=tab, values=values, by=None)


@pytest.mark.django_db
@pytest.mark.spec("D-032", "D-037", "D-040")
@pytest.mark.spec("D-039", lacks="webmail, where others see it")
def test_a_domain_is_opened_with_all_tabs_and_its_administrator() -> None:
    new = NewDomain(
        name="Bücher.example",
        administrator=NewUser(username="Admin", values={"full_name": "Ada Admin"}),
        tabs={"limits": {"users": 1200, "disk_space_mb": 0}},
        options={"listen_ip": "2001:DB8::0:1", "list_command_address": "Lists"},
    )
    domain = provisioning.open_domain(new=new, by=None)
    domain = Domain.objects.get(pk=domain.pk)
    assert (domain.name, domain.unicode_name) == ("xn--bcher-kva.example", "bücher.example")
    assert (domain.listen_ip, domain.list_command_address) == ("2001:db8::1", "lists")
    assert domain.domainlimits.users == 1200
    for tab in TABS:
        assert selectors.tab_of(domain, tab).domain_id == domain.pk
    admin = User.objects.get(domain=domain)
    assert (admin.local_part, admin.full_name) == ("admin", "Ada Admin")
    assert admin.is_primary_administrator


@pytest.mark.django_db
@pytest.mark.spec("D-032")
@pytest.mark.spec("D-101")
def test_a_name_is_hosted_once_as_domain_or_alias() -> None:
    domain, other = make_domain("one.example"), make_domain("two.example")
    make_domain_alias(domain, "alias.example")
    for name in ("ONE.example", "alias.example", "Alias.Example."):
        with pytest.raises(NameTaken):
            make_domain(name)
        with pytest.raises(NameTaken):
            make_domain_alias(other, name)
    with pytest.raises(NameMalformed):
        make_domain_alias(domain, "no dots")


@pytest.mark.django_db(transaction=True)
@pytest.mark.spec("D-032", "D-084")
@pytest.mark.spec("D-101")
def test_parallel_requests_neither_share_a_name_nor_exceed_the_alias_limit() -> None:
    one, two = make_domain("p-one.example"), make_domain("p-two.example")
    wanted = [(one, "s.example"), (two, "s.example")]
    wanted += [(one, f"a{number}.example") for number in range(3)]
    errors = run_together(*(partial(make_domain_alias, *pair) for pair in wanted))
    assert one.aliases.count() == 2
    assert DomainAlias.objects.filter(name="s.example").count() <= 1
    assert {type(error) for error in errors} <= {NameTaken, LimitReached}
    assert HostedName.objects.count() == 2 + DomainAlias.objects.count()


@pytest.mark.django_db
@pytest.mark.spec("D-084", "D-102")
def test_domain_aliases_have_a_limit_and_can_be_removed() -> None:
    domain = make_domain("main.example")
    make_domain_alias(domain, "a.example")
    make_domain_alias(domain, "b.example")
    with pytest.raises(LimitReached):
        make_domain_alias(domain, "c.example")
    services.remove_alias(alias=DomainAlias.objects.get(name="a.example"), by=None)
    assert directory.by_name("a.example") is None
    make_domain_alias(domain, "c.example")
    directory.clear()
    found = directory.by_name("c.example")
    assert found is not None
    assert found.name == "main.example"


@pytest.mark.django_db
@pytest.mark.spec("D-080", "D-090", "D-091", "P-001", "D-052", "D-062")
@pytest.mark.spec("D-050", lacks="automatic replies and spam levels")
@pytest.mark.spec("D-051", lacks="spam levels")
@pytest.mark.parametrize(
    ("tab", "values"),
    [
        ("technical", {"smtp_port": 0}),
        ("technical", {"smtp_port": 65536}),
        ("technical", {"smtp_port": "25"}),
        ("technical", {"autoresponder_exclusions": "sometimes"}),
        ("technical", {"chosen_source_ipv4": "::1"}),
        ("technical", {"chosen_source_ipv6": "fe80::1%eth0"}),
        ("technical", {"source_address_ipv4": "chosen"}),
        ("technical", {"require_smtp_authentication": 1}),
        ("limits", {"users": -1}),
        ("limits", {"users": 1.5}),
        ("limits", {"max_message_size_kb": 2**31}),
        ("priority", {"standard": 0}),
        ("priority", {"bounces": 11}),
        ("priority", {"attempt_x_threshold": 0}),
        ("priority", {"attempt_x_threshold": 2**15}),
        ("throttling", {"outgoing_messages_per_hour": None}),
        ("features", {"calendar": "on"}),
        ("features", {"domain_id": 2}),
        ("sharing", {"nothing": True}),
    ],
)
def test_values_out_of_range_are_refused(tab: str, values: dict[str, object]) -> None:
    domain = make_domain()
    with pytest.raises(ValuesRefused):
        change(domain, tab, **values)
    assert Domain.objects.get(pk=domain.pk).version == 1


@pytest.mark.django_db
def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(ValuesRefused) as error:
        change(make_domain(), "limits", users=-1, nonsense=1, user_aliases=5)
    assert {problem.field for problem in error.value.problems} == {"users", "nonsense"}


@pytest.mark.django_db
@pytest.mark.spec("N-003", "D-043", "D-044", "D-045", "D-046", "D-047", "D-049")
@pytest.mark.spec("D-048")
@pytest.mark.parametrize(
    "values",
    [
        {"pop_port": 143},
        {"smtp_port": 587},
        {"smtp_port": 465},
        {"imap_port": 995},
        {"ldap_port": 25},
    ],
)
def test_a_port_belongs_to_one_protocol(values: dict[str, int]) -> None:
    with pytest.raises(PortClaimed):
        change(make_domain(), "technical", **values)


@pytest.mark.django_db
@pytest.mark.spec("N-003", "D-045")
@pytest.mark.spec("D-033")
def test_domains_share_ports_of_one_protocol_and_none_of_two() -> None:
    one, two, three = (make_domain() for _ in range(3))
    services.change_options(domain=one, options={"listen_ip": "192.0.2.1"}, by=None)
    services.change_options(domain=two, options={"listen_ip": "192.0.2.2"}, by=None)
    change(one, "technical", smtp_port=2525)
    change(two, "technical", pop_port=2525)
    with pytest.raises(PortClaimed):
        change(three, "technical", imap_port=2525)
    with pytest.raises(PortClaimed):
        services.change_options(domain=two, options={"listen_ip": "192.0.2.1"}, by=None)
    with pytest.raises(PortClaimed):
        services.change_options(domain=two, options={"listen_ip": None}, by=None)
    change(three, "technical", smtp_alternate_port_enabled=False)
    change(three, "technical", smtp_alternate_port=2525)
    with pytest.raises(PortClaimed):
        change(three, "technical", smtp_alternate_port_enabled=True)
    change(three, "technical", smtp_alternate_port=465, smtp_alternate_port_enabled=True)


@pytest.mark.django_db(transaction=True)
@pytest.mark.spec("N-003")
def test_two_domains_claim_one_port_for_two_protocols_at_the_same_moment_and_one_gets_it() -> None:
    one, two = make_domain(), make_domain()

    def claim_first(pause: Pause) -> None:
        change(one, "technical", pop_port=2525)
        pause()

    with beside(claim_first), pytest.raises(PortClaimed):
        change(two, "technical", imap_port=2525)

    def give_up_first(pause: Pause) -> None:
        change(one, "technical", pop_port=110)
        pause()

    with beside(give_up_first):
        change(two, "technical", imap_port=2525)


@pytest.mark.django_db
@pytest.mark.spec("D-049", "D-091", "P-028")
def test_odd_values_are_taken_with_a_warning() -> None:
    domain = make_domain()
    change(domain, "technical", smtp_port=2526)
    change(domain, "limits", recipients_per_message=50)
    change(
        domain,
        "priority",
        attempt_x_enabled=True,
        attempt_y_enabled=True,
        attempt_x_threshold=5,
        attempt_y_threshold=5,
    )
    warned = [
        problem.field
        for tab in ("technical", "limits", "priority")
        for problem in advice.advise(selectors.tab_of(domain, tab))
    ]
    assert warned == ["smtp_port", "recipients_per_message", "attempt_y_threshold"]
    assert not advice.advise(selectors.tab_of(make_domain(), "technical"))


@pytest.mark.django_db
@pytest.mark.spec("D-007")
def test_a_tab_saved_on_top_of_an_unseen_change_is_refused() -> None:
    domain = make_domain()
    services.change_tab(
        domain=domain, tab="limits", values={"users": 5}, by=None, expected_version=1
    )
    with pytest.raises(ChangedMeanwhile):
        services.change_tab(
            domain=domain, tab="sharing", values={"notes": False}, by=None, expected_version=1
        )


@pytest.mark.django_db
@pytest.mark.spec("D-036")
def test_a_disabled_domain_keeps_everything() -> None:
    domain = make_domain(None, "alice")
    services.set_disabled(domain=domain, is_disabled=True, by=None)
    assert Domain.objects.get(pk=domain.pk).is_disabled
    assert User.objects.filter(domain=domain).count() == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.spec("D-034")
def test_the_folder_is_made_for_the_owner_alone(settings: LazySettings) -> None:
    domain = make_domain("folder.example")
    folder = settings.MAILHOST_DATA / "domains" / "folder.example"
    assert domain.area.directory == folder
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.django_db
@pytest.mark.spec("D-034")
def test_a_folder_must_be_absolute_allowed_apart_and_free_of_links(
    settings: LazySettings, tmp_path: Path
) -> None:
    root = (tmp_path / "root").resolve()
    (root / "used").mkdir(parents=True)
    (root / "used" / "file").touch()
    (root / "link").symlink_to(tmp_path)
    settings.MAILHOST_DOMAIN_ROOTS = [str(root)]
    taken = open_at("taken.example", str(root / "a" / "b"))
    assert taken.area.directory == root / "a" / "b"
    for path in (
        "relative/path",
        str(root),
        str(root / ".." / "x"),
        str(root / "link" / "x"),
        str(root / "used"),
        str(root / "a"),
        str(root / "a" / "b"),
        str(root / "a" / "b" / "c"),
        "/etc/mail",
        str(settings.MAILHOST_DATA / "keys"),
    ):
        with pytest.raises(FolderRefused):
            open_at("new.example", path)
    assert open_at("new.example", str(root / "a" / "bc"))
    assert Area.objects.filter(kind=Area.Kind.DOMAIN).count() == 2


@pytest.mark.django_db
@pytest.mark.spec("D-034")
def test_system_administrators_alone_choose_the_folder_of_a_new_domain(
    settings: LazySettings, tmp_path: Path
) -> None:
    settings.MAILHOST_DOMAIN_ROOTS = [str(tmp_path.resolve())]
    world, path = make_world(), str(tmp_path.resolve() / "chosen")
    for actor in (world.reseller, world.admin, world.user):
        with pytest.raises(NotPermitted):
            open_at("new.example", path, by=actor)
    assert not Domain.objects.filter(name="new.example").exists()
    assert open_at("new.example", path, by=world.root).area.path == path


def open_at(name: str, path: str, *, by: User | None = None) -> Domain:
    administrator = NewUser(username="admin")
    new = NewDomain(name=name, administrator=administrator, folder_path=path)
    return provisioning.open_domain(new=new, by=by)


@pytest.mark.django_db
def test_nothing_is_left_of_a_domain_that_could_not_be_opened() -> None:
    new = NewDomain(
        name="half.example", administrator=NewUser(username="a b"), tabs={"limits": {"users": 5}}
    )
    with pytest.raises(Exception, match="cannot be used"):
        provisioning.open_domain(new=new, by=None)
    assert not Domain.objects.exists()
    assert not Area.objects.filter(kind=Area.Kind.DOMAIN).exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.spec("D-008")
def test_the_folder_of_a_closed_domain_is_moved_when_nobody_writes_into_it_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    domain = make_domain()
    is_waiting, lock = threading.Event(), holding._lock

    def note(fd: int, how: int) -> bool:
        if not (has_got := lock(fd, how)):
            is_waiting.set()
        return has_got

    def close() -> None:
        provisioning.close_domain(domain=domain, by=None)
        connections.close_all()

    monkeypatch.setattr(holding, "_lock", note)
    area = Area.objects.get(pk=domain.area_id)
    thread = threading.Thread(target=close)
    with holding.held(area):
        thread.start()
        assert is_waiting.wait(20)
        (area.directory / "written late").touch()
    thread.join(30)
    assert not area.directory.exists()
    area.refresh_from_db()
    assert (area.directory / "written late").exists()
