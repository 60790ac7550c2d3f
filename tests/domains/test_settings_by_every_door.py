"""Every setting of a domain's tabs has the default, range and unit that the specification says.

By the page of the panel, the API, `apply` and the admin; what they keep, a snapshot writes.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from api import tokens
from clock.moments import utc_now
from domains.models import TABS, Domain
from domains.values import settable_fields
from tests.api.conftest import Program
from tests.domains import specification
from tests.domains.specification import SETTINGS, Values
from tests.panel.test_domain_pages import filled
from tests.people import World, make_world

# Of these the setting is there; what it governs waits for its room.
pytestmark = [
    pytest.mark.django_db,
    pytest.mark.spec("D-055", "P-017", lacks="automatic replies"),
    pytest.mark.spec("D-056", lacks="greylisting"),
    pytest.mark.spec("D-057", "D-094", lacks="the Global Address List in webmail"),
    pytest.mark.spec("D-061", lacks="the calendar"),
    pytest.mark.spec("D-063", lacks="address books"),
    pytest.mark.spec("D-064", lacks="content filters"),
    pytest.mark.spec("D-070", "D-087", "P-012"),
    pytest.mark.spec("D-071", lacks="notes"),
    pytest.mark.spec("D-072", "D-088"),
    pytest.mark.spec("D-073", "D-089"),
    pytest.mark.spec("D-074", lacks="spam filters"),
    pytest.mark.spec("D-075", lacks="SyncML"),
    pytest.mark.spec("D-076", lacks="task lists"),
    pytest.mark.spec("D-077", lacks="log-ins against a directory server"),
    pytest.mark.spec("D-093", lacks="sharing itself"),
    pytest.mark.spec("D-095", lacks="shared calendars"),
    pytest.mark.spec("D-096", lacks="shared contacts"),
    pytest.mark.spec("D-097", lacks="shared folders"),
    pytest.mark.spec("D-098", lacks="shared notes"),
    pytest.mark.spec("D-099", lacks="shared task lists"),
    pytest.mark.spec("E-001", lacks="rules, which it would restrict"),
    pytest.mark.spec("E-011", "E-012", "E-013", "E-014", lacks="the event, beside its switch"),
    pytest.mark.spec("E-017", "E-018", "E-019"),
    pytest.mark.spec("E-015", "E-016", lacks="the event, beside its switch"),
    pytest.mark.spec("E-025", "E-026", "E-030", lacks="the event, beside its switch"),
]
OWN = "/panel/domain/own.example/"
# What says where mail comes from has tests of its own (G-015), as have two options of D-052.
OTHERS = {
    "require_smtp_authentication_for_author",
    "accept_spf_pass_without_authentication",
    "source_address_ipv4",
    "source_address_ipv6",
    "chosen_source_ipv4",
    "chosen_source_ipv6",
}
Apply = Callable[[str], list[str]]


@pytest.fixture
def world() -> World:
    return make_world()


@pytest.fixture
def panel(world: World) -> Client:
    client = Client()
    client.force_login(world.root)
    return client


@pytest.fixture
def program(world: World) -> Program:
    key = tokens.issue(user=world.root, name="test", scopes=("*",), by=None, now=utc_now())[1]
    return Program(key)


@pytest.fixture
def apply(tmp_path: Path) -> Apply:
    """The problems that `apply` prints, each as `line:column: words`."""

    def run(text: str) -> list[str]:
        path = tmp_path / "site.yaml"
        path.write_text(text)
        problems = io.StringIO()
        try:
            call_command("apply", str(path), stdout=io.StringIO(), stderr=problems)
        except CommandError:
            assert problems.getvalue()
        return [line.removeprefix(f"{path}:") for line in problems.getvalue().splitlines()]

    return run


def kept(name: str = "own.example") -> Values:
    domain = Domain.objects.get(name=name)
    found: Values = {}
    for one in SETTINGS:
        row = getattr(domain, TABS[one.tab]._meta.model_name or "")
        found.setdefault(one.tab, {})[one.name] = getattr(row, one.name)
    return found


def with_defaults(values: Values) -> Values:
    """Without those of which the specification does not say how they begin."""
    return {
        tab: {name: values[tab][name] for name in names}
        for tab, names in specification.defaults().items()
    }


def fields(values: Values, *, empty: Any = None) -> dict[str, Any]:
    """As a browser sends them: a switch that is off is not sent at all."""
    sent: dict[str, Any] = {}
    for tab, settings in values.items():
        for name, value in settings.items():
            shown = "on" if value is True else empty if value is False else str(value)
            sent[f"{tab}__{name}"] = shown
    return sent


def test_the_specification_names_every_setting_of_every_tab() -> None:
    named = {(one.tab, one.name) for one in SETTINGS}
    there = {(tab, name) for tab, model in TABS.items() for name in settable_fields(model)}
    assert there - named == {("technical", name) for name in OTHERS}
    assert named <= there and len(named) == len(SETTINGS)


def test_a_new_domain_begins_with_the_defaults_by_every_door(
    world: World, panel: Client, program: Program, apply: Apply
) -> None:
    tabbed = panel.get("/panel/domains/new/").context["tabbed"]
    shown = {
        tab: {name: tabbed.form(tab)[name].value() for name in names}
        for tab, names in specification.defaults().items()
    }
    assert shown == specification.defaults()
    administrator = {"username": "ada", "password": "four plain words please"}
    body = {"name": "rest.example", "administrator": administrator}
    assert with_defaults(program.call("post", "domains/", body).json()["tabs"]) == shown
    applied = yaml.safe_dump({"domains": [{"name": "file.example", "admin": administrator}]})
    assert apply(applied) == []
    assert with_defaults(kept("file.example")) == with_defaults(kept("rest.example")) == shown


def test_every_setting_stands_on_its_tab_with_help_and_unit(world: World, panel: Client) -> None:
    page = panel.get(OWN)
    text = page.content.decode()
    for one in SETTINGS:
        form = page.context["tabbed"].form(one.tab)
        assert f'name="{one.tab}-{one.name}"' in text, one
        assert form.fields[one.name].help_text, one
        cells = {cell.field.name: cell for cell in (*form.cells(), *form.switches())}
        if not one.name.endswith("_enabled") or one.name in cells:
            assert cells[one.name].unit == one.unit, one


def test_the_page_takes_every_value_of_the_range_and_no_other(world: World, panel: Client) -> None:
    for values in specification.rounds():
        answer = panel.post(OWN, filled(panel, OWN, **fields(values)))
        assert answer.status_code == 302, answer.context["tabbed"].error_count
        assert kept() == values
    before = kept()
    for values in specification.refused():
        wrong = {f"{one.tab}__{one.name}" for one in SETTINGS if not one.is_switch}
        data = fields(before) | {name: fields(values)[name] for name in wrong}
        while wrong:
            page = panel.post(OWN, filled(panel, OWN, **data))
            told = blamed(page)
            assert told and told <= wrong
            data |= {name: fields(before)[name] for name in told}
            wrong -= told
            assert kept() == before


def blamed(page: Any) -> set[str]:
    """The fields with an error beside them."""
    return {
        f"{tab.key}__{name}"
        for tab in page.context["tabbed"]
        for name, errors in tab.form.errors.items()
        if str(errors[0])
    }


def test_the_api_takes_every_value_of_the_range_and_no_other(
    world: World, program: Program
) -> None:
    path = "domains/own.example/"
    for values in specification.rounds():
        answer = program.change(path, {"tabs": values})
        assert answer.status_code == 200, answer.json()
        assert kept() == values
        shown = answer.json()["tabs"]
        assert {tab: {name: shown[tab][name] for name in values[tab]} for tab in values} == values
    before = kept()
    for values in specification.refused():
        answer = program.change(path, {"tabs": values})
        assert answer.status_code == 422
        problems = {one["field"]: one for one in answer.json()["errors"]}
        assert set(problems) == {f"tabs.{one.tab}.{one.name}" for one in SETTINGS}
        assert kept() == before


def test_a_file_takes_every_value_of_the_range_and_no_other(world: World, apply: Apply) -> None:
    for values in specification.rounds():
        assert not [line for line in apply(_file(values)) if "warning" not in line]
        assert kept() == values
    written = io.StringIO()
    call_command("snapshot", "own.example", stdout=written)
    (snapshot,) = yaml.safe_load(written.getvalue())["domains"]
    assert {tab: {name: snapshot[tab][name] for name in kept()[tab]} for tab in TABS} == kept()
    before = kept()
    for values in specification.refused():
        text = _file(values)
        refused = [int(problem.partition(":")[0]) for problem in apply(text)]
        lines = [line.strip() for line in text.splitlines()]
        assert refused == [
            number for number, line in enumerate(lines, 1) if _is_of_a_setting(line)
        ]  # one problem on each line
        assert len(refused) == len(SETTINGS)
        assert kept() == before


def _file(values: Values) -> str:
    return yaml.safe_dump({"domains": [{"name": "own.example", **values}]})


def _is_of_a_setting(line: str) -> bool:
    name, _, value = line.partition(": ")
    return bool(value) and name in {one.name for one in SETTINGS}


def test_the_admin_shows_every_setting_and_refuses_what_is_out_of_range(
    world: World, panel: Client
) -> None:
    before = kept()
    for tab, model in TABS.items():
        url = reverse(f"admin:domains_{model._meta.model_name}_change", args=[world.own.pk])
        form = panel.get(url).context["adminform"].form
        settings = [one for one in SETTINGS if one.tab == tab]
        assert {one.name for one in settings} <= set(form.fields)
        numbers = [one for one in settings if not one.is_switch]
        for values in specification.refused() if numbers else ():
            page = panel.post(url, {one.name: values[tab][one.name] for one in numbers})
            assert {one.name for one in numbers} <= set(page.context["adminform"].form.errors)
            assert kept() == before
