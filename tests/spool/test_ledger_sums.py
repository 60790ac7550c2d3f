"""The ledger's sums at a constant cost, and the end of its old hours."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from importlib import import_module
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from prometheus_client.parser import text_string_to_metric_families

from clock.moments import to_micros
from domains.errors import ValuesRefused
from spool import ledger, ledgersums, maintenance, proof, settings, traffic
from spool.configuration import SPOOL
from spool.ledger import COLUMNS, HOUR_MICROS
from spool.models import LedgerDomainTotal, LedgerHour, LedgerTotal
from tests import factories

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
HOUR = to_micros(NOW) // HOUR_MICROS
DAY = timedelta(days=1)


def count(domain_id, hours_ago, **counts):
    with connection.cursor() as cursor:
        ledger.count(cursor, domain_id, to_micros(NOW) - hours_ago * HOUR_MICROS, **counts)


def scrape(client):
    """The counters of the ledger, as Prometheus reads them."""
    return {
        sample.labels.get("end", "accepted"): int(sample.value)
        for family in text_string_to_metric_families(client.get("/metrics").content.decode())
        for sample in family.samples
        if sample.name in ("mailhost_recipients_accepted_total", "mailhost_recipients_ended_total")
    }


def sums_of_all_rows():
    return {name: sum(LedgerHour.objects.values_list(name, flat=True)) for name in COLUMNS}


def some_years(domain_ids, years=3):
    """Hours from now back to long ago, each with a number of its own."""
    for place, hours_ago in enumerate(
        (0, 1, 5, 6, 7, 30, 800, 8_000, 17_000, 18_000, 8760 * years)
    ):
        for domain_id in domain_ids:
            count(domain_id, hours_ago, accepted=3 + place, delivered=2, relayed=place, bounced=1)


def test_counting_takes_a_key_only_for_an_hour_that_has_none():
    for _ in range(3):
        count(7, 0, accepted=1, relayed=2)
    count(8, 0, accepted=1)
    first, second = LedgerHour.objects.order_by("pk")
    assert (first.domain_id, first.accepted, first.relayed) == (7, 3, 6)
    assert second.pk == first.pk + 1


@pytest.mark.spec("M-090")
def test_counters_neither_fall_nor_jump_when_hours_are_added_up_and_folded(client):
    some_years((0, 7))
    before = scrape(client)
    assert before == sums_of_all_rows()
    ledgersums.add_up(now=NOW)
    assert scrape(client) == before
    assert ledgersums.fold(before=NOW - 730 * DAY, at_once=3) == 3
    assert scrape(client) == before
    maintenance.forget_old_rows(now=NOW)
    assert scrape(client) == before == sums_of_all_rows()
    count(7, 0, accepted=1)
    assert scrape(client) == before | {"accepted": before["accepted"] + 1}


@pytest.mark.spec("M-090")
def test_a_scrape_reads_the_latest_hours_only(client):
    some_years((0, 7))
    ledgersums.add_up(now=NOW)
    total = LedgerTotal.objects.get()
    assert total.before_hour == HOUR - ledgersums.SETTLED_HOURS
    # What stands in older rows is not read any more.
    LedgerHour.objects.filter(hour__lt=total.before_hour).update(accepted=0)
    with CaptureQueriesContext(connection) as captured:
        ledgersums.totals()
    assert ledgersums.totals()["accepted"] > sums_of_all_rows()["accepted"]
    (asked,) = [query["sql"] for query in captured if "spool_ledgerhour" in query["sql"]]
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(f"EXPLAIN QUERY PLAN {asked}")
            assert "ledger_hour (hour>?)" in str(cursor.fetchall())


def test_years_are_added_up_in_short_steps_and_nothing_twice(client):
    some_years((0, 7))
    before = sums_of_all_rows()
    with CaptureQueriesContext(connection) as captured:
        ledgersums.add_up(now=NOW)
    assert len([query for query in captured if "UPDATE" in query["sql"]]) > 3
    for later in (NOW, NOW + timedelta(hours=3), NOW + DAY):
        ledgersums.add_up(now=later)
        assert ledgersums.totals() == before
    ledgersums.add_up(now=NOW - DAY)  # a clock that was set back
    assert ledgersums.totals() == before


def test_old_hours_become_one_sum_of_their_domain_and_the_ledger_stays_even():
    one = factories.make_domain("one.example")
    for hours_ago in (8760 * 3, 8760 * 3 - 1, 8760 * 2 + 1, 8760, 30, 0):
        count(one.pk, hours_ago, accepted=4, delivered=3, bounced=1)
        count(one.pk + 1000, hours_ago, accepted=2, relayed=2)  # a domain that has gone
        count(0, hours_ago, accepted=1, discarded=1)
    balances = proof.balances()
    assert [(each.accepted, each.is_even) for each in balances] == [(18, True), (24, True)]
    for _ in range(2):
        done = maintenance.forget_old_rows(now=NOW)
        assert proof.balances() == balances
    assert done.ledger_hours == 0
    folded = LedgerHour.objects.filter(hour=ledgersums.FOLDED)
    assert dict(folded.values_list("domain_id", "accepted")) == {one.pk: 12, one.pk + 1000: 6, 0: 3}
    kept = LedgerHour.objects.exclude(hour=ledgersums.FOLDED).values_list("hour", flat=True)
    assert set(kept) == {HOUR - 8760, HOUR - 30, HOUR}
    shown = StringIO()
    call_command("ledger", stdout=shown)
    assert "Even: each of 42 accepted recipients is accounted for." in shown.getvalue()
    days = traffic.by_time((NOW - 400 * DAY).date(), NOW.date())
    assert sum(span.accepted for span in days) == 21


def test_the_proof_reads_the_latest_hours_only_as_long_as_it_is_even():
    one = factories.make_domain("one.example")
    for hours_ago in (8760 * 3, 8760, 30, 1, 0):
        count(one.pk, hours_ago, accepted=4, delivered=3, bounced=1)
        count(one.pk + 1000, hours_ago, accepted=2, relayed=2)
    balances = proof.balances()
    maintenance.forget_old_rows(now=NOW)
    assert proof.balances() == balances
    assert proof.balances(only=one) == [balances[1]]
    before_hour = LedgerTotal.objects.get().before_hour
    # What stands in older rows is not read any more...
    LedgerHour.objects.filter(hour__lt=before_hour).update(accepted=0)
    assert proof.balances() == balances
    # ...but where something is missing they have the last word.
    LedgerHour.objects.filter(hour__lt=before_hour, domain_id=one.pk).update(accepted=4)
    LedgerHour.objects.filter(hour=HOUR, domain_id=one.pk).update(accepted=5)
    elsewhere, ours = proof.balances()
    assert (ours.domain, ours.missing, elsewhere.missing) == ("one.example", 1, -6)


def test_what_was_counted_in_an_hour_that_had_been_added_up_is_no_fault():
    ledgersums.add_up(now=NOW)
    count(0, 30, accepted=2)
    count(0, 1, delivered=2)
    assert [balance.missing for balance in proof.balances()] == [0]


@pytest.mark.django_db(transaction=True)
def test_sums_by_domain_begin_with_what_the_total_had():
    """An older version has added up without them."""
    some_years((0, 7))
    ledgersums.add_up(now=NOW)
    fresh = dict(LedgerDomainTotal.objects.values_list("domain_id", "accepted"))
    assert sum(fresh.values()) == LedgerTotal.objects.get().accepted
    LedgerDomainTotal.objects.all().delete()
    migration = import_module("spool.migrations.0015_ledger_by_domain")
    with connection.cursor() as cursor:
        cursor.execute(migration.FILL)
    assert dict(LedgerDomainTotal.objects.values_list("domain_id", "accepted")) == fresh


def test_what_is_counted_late_in_an_old_hour_is_folded_too():
    ledgersums.add_up(now=NOW)
    for _ in range(2):
        count(7, 8760 * 2 + 1, accepted=2, delivered=2)
        maintenance.forget_old_rows(now=NOW)
    (row,) = LedgerHour.objects.all()
    assert (row.hour, row.accepted, row.delivered) == (0, 4, 4)


def test_nothing_is_folded_that_the_total_does_not_have():
    count(7, 8760 * 3, accepted=2)
    assert ledgersums.fold(before=NOW, at_once=500) == 0
    LedgerTotal.objects.create(pk=1, before_hour=HOUR - 8760 * 4)
    assert ledgersums.fold(before=NOW, at_once=500) == 0


def test_an_operator_says_how_long_hours_are_kept():
    count(7, 40 * 24, accepted=2, delivered=2)
    maintenance.forget_old_rows(now=NOW)
    assert LedgerHour.objects.get().hour == HOUR - 40 * 24
    with pytest.raises(ValuesRefused):
        SPOOL.change({"ledger_retention_days": 30}, by=None)
    SPOOL.change({"ledger_retention_days": 31}, by=None)
    settings.forget()
    assert maintenance.forget_old_rows(now=NOW).ledger_hours == 1
    assert LedgerHour.objects.get().hour == 0


@pytest.mark.django_db(transaction=True)
def test_two_processes_that_keep_house_at_once_count_nothing_twice():
    def keep_house(_):
        try:
            return maintenance.forget_old_rows(now=NOW).ledger_hours
        finally:
            connection.close()

    some_years((0, 7))
    before = sums_of_all_rows()
    with ThreadPoolExecutor(2) as pool:
        folded = list(pool.map(keep_house, range(2)))
    assert sum(folded) == 4
    assert sums_of_all_rows() == ledgersums.totals() == before
