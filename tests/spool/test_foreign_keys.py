"""Rows that point at others are found by an index when those go, or there is a reason why not."""

from collections import defaultdict

import pytest
from django.apps import apps
from django.db import connection, models

from clock.moments import utc_now
from spool import telling, trace
from spool.models import SpooledMessage, SpooledRecipient, TraceEntry
from tests import factories
from tests.spool import outgoing

pytestmark = pytest.mark.django_db

DOMAINS_GO_SELDOM = "one reading of the table for a domain that goes, no entry for each message"
BLOBS_ARE_COUNTED = "blobs go by SQL of their own when nobody counts on them any more"
WITHOUT_INDEX = {
    "spool_spooledmessage.domain_id": DOMAINS_GO_SELDOM,
    "spool_spooledrecipient.ledger_domain_id": DOMAINS_GO_SELDOM,
    "spool_spooledmessage.blob_id": BLOBS_ARE_COUNTED,
    "mailboxes_message.blob_id": BLOBS_ARE_COUNTED,
    "mailinglists_post.blob_id": BLOBS_ARE_COUNTED,
    "mailinglists_heldpost.blob_id": BLOBS_ARE_COUNTED,
}
# What the insert of a message that is delivered at once writes to, beside conditional indexes.
ON_THE_HOT_PATH = {
    "spool_spooledmessage": {"id", "message_id"},
    "spool_spooledrecipient": {"id", "message_id", "address"},
}

KEYS = {
    "sqlite": """
        SELECT master.name, key."from"
        FROM sqlite_master AS master, pragma_foreign_key_list(master.name) AS key
        WHERE master.type = 'table'
    """,
    "postgresql": """
        SELECT child.relname, attribute.attname
        FROM pg_constraint AS held
        JOIN pg_class AS child ON child.oid = held.conrelid
        JOIN pg_attribute AS attribute
            ON attribute.attrelid = child.oid AND attribute.attnum = held.conkey[1]
        WHERE held.contype = 'f'
    """,
}
# Table, first column, and the condition of the index (SQLite: its whole text) if it has one.
INDEXES = {
    "sqlite": """
        SELECT master.name, found.name, CASE WHEN list.partial THEN made.sql END
        FROM sqlite_master AS master, pragma_index_list(master.name) AS list,
            pragma_index_info(list.name) AS found
        LEFT JOIN sqlite_master AS made ON made.name = list.name
        WHERE master.type = 'table' AND found.seqno = 0
        UNION ALL
        SELECT master.name, found.name, NULL
        FROM sqlite_master AS master, pragma_table_info(master.name) AS found
        WHERE master.type = 'table' AND found.pk = 1
    """,
    "postgresql": """
        SELECT indexed.relname, attribute.attname, pg_get_expr(index.indpred, index.indrelid)
        FROM pg_index AS index
        JOIN pg_class AS indexed ON indexed.oid = index.indrelid
        JOIN pg_attribute AS attribute
            ON attribute.attrelid = indexed.oid AND attribute.attnum = index.indkey[0]
    """,
}


def rows(queries):
    with connection.cursor() as cursor:
        cursor.execute(queries[connection.vendor])
        return cursor.fetchall()


def indexed_columns(*, also_partly):
    """By table; `also_partly`: also those that hold all values but NULL, which nobody looks for."""
    found = defaultdict(set)
    for table, column, condition in rows(INDEXES):
        plain = (condition or "").replace('"', "").rstrip(")")
        if condition is None or (also_partly and plain.endswith(f"{column} IS NOT NULL")):
            found[table].add(column)
    return found


def keys_that_are_searched():
    """By the database, which guards them, and by Django, which clears or follows them."""
    yield from rows(KEYS)
    for model in apps.get_models(include_auto_created=True):
        for field in model._meta.concrete_fields:
            if field.is_relation and field.remote_field.on_delete is not models.DO_NOTHING:
                yield model._meta.db_table, field.column


def test_foreign_keys_without_an_index_are_few_and_each_has_its_reason():
    indexed = indexed_columns(also_partly=True)
    bare = {
        f"{table}.{column}"
        for table, column in keys_that_are_searched()
        if column not in indexed[table]
    }
    assert bare == set(WITHOUT_INDEX)


def test_no_delivery_pays_for_more_indexes_than_before():
    indexed = indexed_columns(also_partly=False)
    for table, columns in ON_THE_HOT_PATH.items():
        assert indexed[table] == columns


@pytest.mark.parametrize(
    ("model", "field"), [(SpooledMessage, "sender_account"), (TraceEntry, "recipient")]
)
def test_an_index_that_leaves_out_empty_keys_finds_the_others(model, field):
    name = next(index.name for index in model._meta.indexes if index.fields == [field])
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
    assert name in model.objects.filter(**{field: 7}).order_by().explain()


@pytest.mark.django_db(transaction=True)
def test_the_trace_of_a_delivery_is_told_when_the_account_is_gone():
    outgoing.forget_everything()
    bert = factories.make_user(factories.make_domain("one.example", "alice"), "bert")
    message = SpooledMessage.objects.get(pk=outgoing.submit("bert@one.example"))
    outgoing.stop_committer()
    key = bert.pk
    bert.delete()
    assert SpooledRecipient.objects.get(message=message).account_id == key
    told = telling.tell(trace.trace(message), now=utc_now())
    assert "To bert@one.example:" in told
    assert "It was put into the mailbox on" in told
