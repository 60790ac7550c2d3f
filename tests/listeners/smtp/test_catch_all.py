"""Mail for made-up addresses of a domain that has a catch-all, on the wire (U-034)."""

import asyncio

import pytest

from accounts.aliases import set_catch_all
from mailboxes.models import Message
from operations.guard import Barred, Holdings
from operations.models import Kind
from operations.rules import Rule
from spool import rewriting
from tests.listeners.world import forget_everything
from tests.operations.outside import wait_for
from tests.spool.reported import offer_report

HARVESTING = Rule(1, Kind.HARVESTING, "smtp", 300, 1, 600, "block")


def catch(world, **values):
    set_catch_all(domain=world.domain, targets=["alice"], values=values, by=None)
    forget_everything()


@pytest.mark.spec("U-034")
def test_reports_for_made_up_addresses_come_in_only_where_the_catch_all_takes_them(talk, world):
    one = talk()
    one.hello()
    catch(world)
    assert offer_report(one, "made-up@example.com").startswith("550 5.1.1")
    catch(world, takes_reports=True)
    assert offer_report(one, "made-up@example.com").startswith("250")
    assert Message.objects.get().folder.account == world.alice
    catch(world, takes_reports=False)
    assert offer_report(one, "made-up@example.com").startswith("550 5.1.1")
    assert Message.objects.count() == 1


@pytest.mark.spec("U-036", lacks="the ARC seal, and spam levels (D-051)")
def test_reports_on_forwarded_mail_go_back_to_its_sender_past_a_catch_all(talk, world):
    catch(world, takes_reports=True)
    address = rewriting.sender_for("bob@elsewhere.test", "alice@example.com")
    one = talk()
    one.hello()
    assert offer_report(one, address).startswith("250")
    assert not Message.objects.exists()


@pytest.mark.spec("U-034")
def test_who_guesses_addresses_is_counted_although_all_are_taken(smtp, talk, world):
    smtp.guard.take(Holdings(rules=(HARVESTING,)))
    catch(world)
    for guesses, barred in ((4, None), (5, Barred.BLOCKED)):
        one = talk()
        one.hello()
        assert one.say("MAIL FROM:<stranger@elsewhere.test>").startswith("250")
        for number in range(guesses):
            assert one.say(f"RCPT TO:<guess{number}@example.com>").startswith("250")
        assert one.submit().startswith("250")
        assert one.say("QUIT").startswith("221")
        wait_for(lambda: not smtp.listener.visits)
        smtp.call(asyncio.sleep(0))  # the end of the visit has been seen to
        assert smtp.guard.look("127.0.0.1", "smtp") is barred
