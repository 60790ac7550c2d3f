"""Who sees what others have done to the spool."""

import pytest

from blobs.ids import new_id
from clock.moments import utc_now
from spool import selectors
from spool.models import SpoolChange
from tests.people import make_world


@pytest.mark.django_db
def test_all_but_system_administrators_see_only_what_they_did_themselves():
    world = make_world()
    for who in (world.root, world.reseller, world.admin):
        SpoolChange.objects.create(
            id=new_id(), at=utc_now(), actor=str(who), actor_account=who, verb="force"
        )
    assert len(selectors.changes_for(world.root)) == 3
    for who in (world.reseller, world.admin):
        assert [row.actor_account for row in selectors.changes_for(who)] == [who]
    assert selectors.changes_for(world.other_reseller) == []
