"""What administrators of a domain read in the log of deliveries (M-080)."""

import pytest

from logbook.kinds import Kind
from spool import deliverylog
from tests import factories
from tests.logs import logged_in
from tests.spool.claiming import claim
from tests.spool.outgoing import submit

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("one")]


def test_whereto_an_alias_of_others_leads_stands_in_no_line_for_the_sender(tmp_path):
    two = factories.make_domain("two.example")
    factories.make_alias(two, "info", "secret@hidden.test")
    with logged_in(tmp_path) as lines:
        submit("info@two.example", "bob@far.test")
        for recipient in claim().result.recipients:
            deliverylog.delivered_here(recipient)
        sender, others = (lines(Kind.DELIVERY, name) for name in ("one.example", "two.example"))
    assert "bob@far.test" in str(sender) and "secret" not in str(sender)
    assert "secret@hidden.test" in str(others) and "bob@far.test" not in str(others)
