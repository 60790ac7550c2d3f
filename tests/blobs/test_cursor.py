"""The cursor that a group's rows are written with."""

import pytest
from django.db import DatabaseError, IntegrityError, connection
from django.test.utils import CaptureQueriesContext

from blobs.cursor import bare_cursor

pytestmark = pytest.mark.django_db


@pytest.fixture
def table():
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE bare (id integer PRIMARY KEY, word varchar(20))")
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE bare")


def test_statements_are_written_as_everywhere(table):
    with bare_cursor(connection) as cursor:
        cursor.execute("INSERT INTO bare VALUES (%s, %s)", (1, "50%s"))
        cursor.executemany("INSERT INTO bare VALUES (%s, %s)", [(2, "b"), (3, "c")])
        cursor.execute("SELECT word FROM bare WHERE word LIKE '50%%' OR id = %s", (3,))
        assert cursor.fetchall() == [("50%s",), ("c",)]
        cursor.execute("SELECT count(*) FROM bare WHERE word LIKE '50%'")
        assert cursor.fetchone() == (1,)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("INSERT INTO blobs_blob (id) VALUES (%s)", IntegrityError),
        ("SELECT nothing FROM nowhere WHERE id = %s", DatabaseError),
    ],
)
def test_errors_leave_the_block_as_djangos(statement, error):
    with pytest.raises(error), bare_cursor(connection) as cursor:
        cursor.execute(statement, (1,))


def test_whoever_counts_queries_sees_them(table):
    with CaptureQueriesContext(connection) as queries, bare_cursor(connection) as cursor:
        cursor.execute("SELECT 1")
    assert len(queries) == 1
