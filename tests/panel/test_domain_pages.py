"""The list of domains and the page of one: what they show, change and refuse."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from clock.moments import to_micros, utc_now
from domains.models import Domain, DomainLimits, DomainTechnical
from events.models import AuditEntry
from mailboxes.models import DomainUsage
from panel import domainlist
from spool import throttle
from spool.models import ThrottleCrossing
from tests.factories import PASSWORD, make_domain
from tests.people import World
from zones.models import ZoneCheck

pytestmark = pytest.mark.django_db

LogIn = Callable[[User], Client]
LIST = "/panel/domains/"
OWN = "/panel/domain/own.example/"


def names(response: Any) -> list[str]:
    return [row.name for row in response.context["listing"].rows]


def filled(client: Client, url: str, **changes: object) -> dict[str, object]:
    """What a browser would send of a page with tabs, with some fields changed."""
    data: dict[str, object] = {}
    tabbed = client.get(url).context["tabbed"]
    for tab in tabbed:
        for bound in tab.form:
            value = bound.value()
            if value is not None and value is not False and value != "":
                data[bound.html_name] = value
    if tabbed.version is not None:
        data["version"] = tabbed.version
    data.update({name.replace("__", "-"): value for name, value in changes.items()})
    return {name: value for name, value in data.items() if value is not None}


@pytest.mark.spec("D-001")
@pytest.mark.spec("D-002")
def test_the_list_shows_what_is_in_sight_and_what_each_domain_uses(
    world: World, log_in: LogIn
) -> None:
    DomainUsage.objects.update_or_create(domain=world.own, defaults={"bytes": 3 * 2**20})
    page = log_in(world.root).get(LIST)
    assert names(page) == ["other.example", "own.example"]
    row = page.context["listing"].rows[1]
    assert (row.users_used, row.aliases_used, row.disk_used) == (2, 1, 3 * 2**20)
    assert "3 MB" in page.content.decode()
    assert names(log_in(world.reseller).get(LIST)) == ["own.example"]


@pytest.mark.spec("D-002")
def test_the_list_filters_sorts_and_pages(world: World, log_in: LogIn) -> None:
    client = log_in(world.root)
    for number in range(30):
        make_domain(f"d{number:02}.example")
    Domain.objects.filter(name="d07.example").update(is_disabled=True)
    DomainLimits.objects.filter(domain=world.own).update(disk_space_mb=1)
    DomainUsage.objects.update_or_create(domain=world.own, defaults={"bytes": 2**20 + 1})
    assert names(client.get(LIST, {"q": "d1"})) == [f"d1{n}.example" for n in range(10)]
    assert names(client.get(LIST, {"q": "alias.exam"})) == ["own.example"]
    assert names(client.get(LIST, {"show": "disabled"})) == ["d07.example"]
    assert names(client.get(LIST, {"show": "over-quota"})) == ["own.example"]
    assert names(client.get(LIST, {"sort": "-disk_used"}))[0] == "own.example"
    assert names(client.get(LIST, {"sort": "users_used"}))[-1] == "other.example"
    second = client.get(LIST, {"size": "25", "page": "2"})
    assert len(names(second)) == 7
    assert names(client.get(LIST, {"size": "25", "page": "99"})) == names(second)
    for nonsense in ({"page": "x"}, {"size": "-1"}, {"sort": "password"}, {"q": "\0'\"%_"}):
        assert client.get(LIST, nonsense).status_code == 200


@pytest.mark.spec("D-002")
def test_the_list_flags_domains_whose_limit_of_the_hour_is_reached(
    world: World, log_in: LogIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = utc_now()
    monkeypatch.setattr(domainlist, "utc_now", lambda: now)
    given = {"hour": throttle.hour_of(to_micros(now)), "reason": "messages", "at": now,
             "used": 5, "allowed": 5, "who": "own.example"}  # fmt: skip
    of_domain = {"kind": "domain", "key_id": world.own.pk, "domain_id": world.own.pk}
    of_user = {"kind": "user", "key_id": world.other.pk, "domain_id": world.other.pk}
    rows = [ThrottleCrossing.objects.create(**given, **key) for key in (of_domain, of_user)]
    client = log_in(world.root)
    assert ">Throttled</span>" in client.get(LIST, {"q": "own"}).content.decode()
    assert ">Throttled</span>" not in client.get(LIST, {"q": "other"}).content.decode()
    assert names(client.get(LIST, {"show": "throttled"})) == ["own.example"]
    file = client.get(LIST, {"format": "csv", "q": "own"})
    assert b",throttled" in b"".join(file.streaming_content)  # type: ignore[attr-defined]
    ThrottleCrossing.objects.filter(pk=rows[0].pk).update(ended_at=now)
    assert names(client.get(LIST, {"show": "throttled"})) == []


@pytest.mark.spec("G-032")
def test_the_list_shows_what_the_newest_check_of_dns_has_found(world: World, log_in: LogIn) -> None:
    client, shown = log_in(world.root), "/panel/domain/own.example/dns/"
    check = ZoneCheck.objects.create(domain=world.own, checked_at=utc_now(), level="ok")
    assert f'href="{shown}">DNS' not in client.get(LIST).content.decode()
    for level in ("warning", "error"):
        ZoneCheck.objects.filter(pk=check.pk).update(level=level)
        page = client.get(LIST).content.decode()
        assert f'href="{shown}">DNS {level}</a>' in page and page.count(f"DNS {level}") == 1


def test_the_number_of_queries_does_not_grow_with_the_rows(
    world: World, log_in: LogIn, queries_grow: Any
) -> None:
    def more() -> None:
        for _ in range(10):
            make_domain()

    growth = queries_grow(log_in(world.root), LIST, more)
    assert growth.many == growth.few <= 12


def test_htmx_gets_the_table_alone(world: World, log_in: LogIn) -> None:
    headers = {"HX-Request": "true", "HX-Target": "list"}
    page = log_in(world.root).get(LIST, headers=headers)
    assert "<html" not in page.content.decode() and "own.example" in page.content.decode()
    assert "HX-Target" in page["Vary"]


def test_the_file_holds_what_the_filter_leaves_and_no_formula(world: World, log_in: LogIn) -> None:
    Domain.objects.filter(pk=world.own.pk).update(unicode_name="=cmd()")
    page = log_in(world.root).get(LIST, {"format": "csv", "q": "own"})
    text = b"".join(page.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    rows = list(csv.reader(io.StringIO(text)))
    assert [row[0] for row in rows] == ["Domain", "'=cmd()"]


@pytest.mark.spec("X-006")
def test_several_domains_are_disabled_at_once_and_undone(world: World, log_in: LogIn) -> None:
    client = log_in(world.root)
    both = ["own.example", "other.example"]
    page = client.post(f"{LIST}disable/", {"selected": both}, follow=True)
    assert Domain.objects.filter(is_disabled=True).count() == 2
    assert "Disabled 2 domains." in page.content.decode() and "Undo" in page.content.decode()
    client.post(f"{LIST}enable/", {"selected": both})
    assert not Domain.objects.filter(is_disabled=True).exists()
    client.post(f"{LIST}disable/?q=own", {"all_matching": "1"})
    assert list(Domain.objects.filter(is_disabled=True)) == [world.own]
    # A row's own menu means that row, whatever else is checked.
    client.post(f"{LIST}disable/", {"only": "other.example", "selected": ["own.example"]})
    assert Domain.objects.filter(is_disabled=True).count() == 2
    assert "No selected domain" in client.post(f"{LIST}enable/", follow=True).content.decode()


def test_a_reseller_cannot_touch_anothers_domain_by_any_way(world: World, log_in: LogIn) -> None:
    client = log_in(world.other_reseller)
    for data in ({"selected": "own.example"}, {"only": "own.example"}):
        client.post(f"{LIST}disable/", data)
        client.post(f"{LIST}delete/", {**data, "confirmation": "own.example"})
    client.post(f"{LIST}disable/?q=own", {"all_matching": "1"})
    assert client.post(OWN, {"limits-users": "5"}).status_code == 404
    domain = Domain.objects.get(name="own.example")
    assert (domain.is_disabled, domain.is_deleting) == (False, False)
    assert "own.example" not in client.get("/panel/search/?q=own").content.decode()


@pytest.mark.spec("D-009")
@pytest.mark.django_db(transaction=True)
def test_a_domain_is_deleted_only_when_its_name_is_typed(world: World, log_in: LogIn) -> None:
    client = log_in(world.root)
    for typed in (None, "", "other.example"):
        data = {"selected": "own.example"} | ({} if typed is None else {"confirmation": typed})
        page = client.post(f"{LIST}delete/", data)
        assert "cannot be undone" in page.content.decode()
    assert Domain.objects.filter(name="own.example").exists()
    client.post(f"{LIST}delete/", {"selected": "own.example", "confirmation": "own.example"})
    assert not Domain.objects.filter(name="own.example").exists()


@pytest.mark.spec("D-029", "D-030", "X-005")
def test_one_save_changes_all_tabs_and_says_who_did_it(world: World, log_in: LogIn) -> None:
    client = log_in(world.reseller)
    data = filled(
        client, OWN, limits__users="7", technical__pop_port="1110", features__notes=None,
        options__is_disabled="on", options__list_command_address="lists",
    )  # fmt: skip
    assert client.post(OWN, data).status_code == 302
    world.own.refresh_from_db()
    assert (world.own.is_disabled, world.own.list_command_address) == (True, "lists")
    assert DomainLimits.objects.get(domain=world.own).users == 7
    assert DomainTechnical.objects.get(domain=world.own).pop_port == 1110
    entry = AuditEntry.objects.get(verb="changed features")
    assert (entry.actor, entry.client_address, entry.changes) == (
        "rob", "127.0.0.1", {"notes": [True, False]},
    )  # fmt: skip


def test_what_is_refused_on_one_tab_changes_nothing_on_another(world: World, log_in: LogIn) -> None:
    client = log_in(world.root)
    data = filled(client, OWN, limits__users="7", technical__pop_port="143")
    page = client.post(OWN, data)
    assert page.context["tabbed"].active == "technical"
    assert "Port 143 is taken" in page.content.decode()
    assert DomainLimits.objects.get(domain=world.own).users == 100
    page = client.post(OWN, filled(client, OWN, limits__users="many"))
    assert page.context["tabbed"].active == "limits"


@pytest.mark.spec("D-007")
def test_who_saves_second_is_told_and_overwrites_nothing(world: World, log_in: LogIn) -> None:
    client = log_in(world.root)
    first, second = (filled(client, OWN, limits__users=n) for n in ("7", "8"))
    assert client.post(OWN, first).status_code == 302
    page = client.post(OWN, second)
    assert "Somebody else saved this page" in page.content.decode()
    assert DomainLimits.objects.get(domain=world.own).users == 7


@pytest.mark.spec("D-031")
def test_a_posted_name_is_ignored(world: World, log_in: LogIn) -> None:
    client = log_in(world.root)
    client.post(OWN, filled(client, OWN, options__name="evil.example", limits__users="7"))
    assert Domain.objects.get(pk=world.own.pk).name == "own.example"


@pytest.mark.spec("D-041", "D-042")
def test_the_primary_administrator_is_another_user_or_a_new_one(
    world: World, log_in: LogIn
) -> None:
    client = log_in(world.root)

    def primary() -> str:
        return User.objects.get(domain=world.own, is_primary_administrator=True).local_part

    client.post(OWN, filled(client, OWN, options__administrator="alice"))
    assert primary() == "alice"
    new = {"options__who": "new", "options__username": "nina"}
    page = client.post(OWN, filled(client, OWN, **new, options__password="short"))
    assert "fewer than 10 characters" in page.content.decode()
    client.post(OWN, filled(client, OWN, **new, options__password=PASSWORD))
    assert primary() == "nina"
    page = client.post(OWN, filled(client, OWN, options__administrator="nobody"))
    assert "no such user" in page.content.decode()


@pytest.mark.spec("D-003", "D-021", "D-037", "D-038")
def test_a_domain_is_opened_by_the_form(world: World, log_in: LogIn) -> None:
    client = log_in(world.reseller)
    new = {
        "options__name": "New.example", "options__username": "ada",
        "options__password": PASSWORD, "limits__users": "3",
    }  # fmt: skip
    url = f"{LIST}new/"
    page = client.post(url, filled(client, url, **{**new, "options__name": "own.example"}))
    assert "is a domain or a domain alias already" in page.content.decode()
    assert PASSWORD not in page.content.decode()
    assert client.post(url, filled(client, url, **new)).status_code == 302
    domain = Domain.objects.get(name="new.example")
    assert domain.ownership.reseller == world.reseller  # type: ignore[attr-defined]
    assert (domain.users.get().local_part, domain.domainlimits.users) == ("ada", 3)


@pytest.mark.spec("D-034")
def test_system_administrators_alone_say_where_a_domain_lies(
    world: World, log_in: LogIn, settings: Any, tmp_path: Path
) -> None:
    settings.MAILHOST_DOMAIN_ROOTS = [str(tmp_path.resolve())]
    url, path = f"{LIST}new/", str(tmp_path.resolve() / "chosen")
    new = {
        "options__name": "new.example", "options__username": "ada",
        "options__password": PASSWORD,
    }  # fmt: skip
    reseller, root = log_in(world.reseller), log_in(world.root)
    first = f"{url}step/1/"
    for page in (url, first):
        assert "folder_path" not in reseller.get(page).content.decode()
        assert "folder_path" in root.get(page).content.decode()
    sent = filled(reseller, url, **new, options__folder_path=path)
    assert reseller.post(url, sent).status_code == 403
    assert reseller.post(first, {**sent, "go": "next"}).status_code == 403
    assert not Domain.objects.filter(name="new.example").exists()
    assert root.post(url, filled(root, url, **new, options__folder_path=path)).status_code == 302
    assert Domain.objects.get(name="new.example").area.path == path


@pytest.mark.spec("D-004")
def test_the_menu_leads_to_the_same_form_as_the_list_and_only_those_who_may(
    world: World, log_in: LogIn
) -> None:
    for who in (world.root, world.reseller):
        page = log_in(who).get(LIST)
        entries = [one for group in page.context["menu"] for one in group.entries]
        (entry,) = (one for one in entries if one.label == "New domain")
        assert entry.url == page.context["listing"].add_url == f"{LIST}new/"
        assert page.content.decode().count(f'href="{LIST}new/"') >= 2
    client = log_in(world.admin)
    assert f"{LIST}new/" not in client.get("/panel/").content.decode()
    assert client.get(f"{LIST}new/").status_code == 403


HOSTILE = "<script>alert(1)</script>"


def test_markup_in_names_is_only_text(world: World, log_in: LogIn) -> None:
    Domain.objects.filter(pk=world.own.pk).update(unicode_name=HOSTILE)
    User.objects.filter(domain=world.own).update(full_name=HOSTILE)
    User.objects.filter(pk=world.root.pk).update(full_name=HOSTILE)
    client = log_in(world.root)
    for url in (LIST, OWN, "/panel/", f"{LIST}delete/?name=own.example", "/panel/search/?q=a"):
        page = client.get(url)
        assert page.status_code == 200 and HOSTILE not in page.content.decode()
    assert HOSTILE not in client.get(LIST, {"q": f'">{HOSTILE}'}).content.decode()


def test_forms_from_elsewhere_are_refused(world: World) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(world.root)
    for url in (OWN, f"{LIST}disable/", f"{LIST}delete/", f"{LIST}new/", "/panel/logout/"):
        assert client.post(url, {"selected": "own.example"}).status_code == 403
    assert not Domain.objects.filter(is_disabled=True).exists()
