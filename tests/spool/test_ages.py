"""The oldest message of all destinations is found without looking at all of them."""

import random
from types import SimpleNamespace

import pytest

from spool import ages
from spool.agents.route import RemoteRoute
from spool.ages import Ages
from spool.destinations import Destination
from spool.outbound import Outbound


def work(message_id):
    message = SimpleNamespace(message_id=message_id)
    one = SimpleNamespace(is_forced=False, priority=5, ledger_domain_id=1, message=message)
    return SimpleNamespace(recipients=[one], message=message)


def outbound(share=100):
    made = Outbound(
        None, report=None, read_body=None, choose_sasl=None, give_back=None
    )  # nothing is sent
    made.oldest_share_percent = share
    return made


def start(made):
    """What leaves next, and its destination holds a slot from now on."""
    chosen = made._next()
    if chosen is None:
        return None
    destination, taken = chosen
    destination.busy += 1
    made._list(destination)
    return destination, taken.message.message_id


@pytest.mark.spec("P-003")
@pytest.mark.parametrize("seed", range(20))
def test_whatever_comes_and_goes_the_oldest_that_may_leave_is_chosen(seed):
    dice = random.Random(seed)
    made, busy = outbound(), []
    for _ in range(400):
        act = dice.random()
        if act < 0.5:
            route = RemoteRoute(f"d{dice.randrange(20)}.test")
            made.add(route, work(dice.randrange(1_000)))
        elif act < 0.7 and busy:
            destination = busy.pop(dice.randrange(len(busy)))
            destination.busy -= 1
            if dice.random() < 0.5:
                destination.is_known = True
            made._list(destination)
        elif act < 0.75:
            for destination in made._destinations.values():
                if dice.random() < 0.1:
                    made._pop_all(destination)
        else:
            made.oldest_share_percent = dice.choice((0, 100))
            waiting = [one.age for one in made._destinations.values() if one.may_start]
            chosen = start(made)
            assert (chosen is None) == (not waiting)
            if chosen is not None:
                busy.append(chosen[0])
                if made.oldest_share_percent:
                    assert chosen[1] == min(waiting)


@pytest.mark.spec("P-003")
def test_every_tenth_start_serves_the_oldest_the_others_keep_their_turn():
    made = outbound(share=10)
    for number in range(40):
        made.add(RemoteRoute(f"d{number}.test"), work(1_000 - number))
    order = [start(made)[1] for _ in range(40)]
    assert [place for place, number in enumerate(order) if number == 961] == [9]
    assert order[:9] == list(range(1_000, 991, -1))


def test_entries_are_no_more_than_twice_the_destinations_whether_or_not_they_are_asked_for():
    entries = Ages()
    for number in range(5_000):
        destination = Destination(RemoteRoute(f"d{number}.test"), maximum=1)
        destination.put(work(number), (True, -5, number))
        entries.enter(destination)
        destination.pop()
    assert len(entries) <= 2 * ages.FEW
    steady = Destination(RemoteRoute("steady.test"), maximum=1)
    for number in range(5_000, 0, -1):
        steady.put(work(number), (True, -5, number))
        entries.enter(steady)
    assert len(entries) <= 2 * ages.FEW
    assert entries.take() is steady
    assert entries.take() is None


def test_a_choice_looks_at_a_few_destinations_however_many_there_are(monkeypatch):
    """Counted, not timed."""
    made = outbound(share=10)
    for number in range(3_000):
        made.add(RemoteRoute(f"d{number}.test"), work(number))
    looks = 0
    may_start = Destination.may_start.fget

    def counted(destination):
        nonlocal looks
        looks += 1
        return may_start(destination)

    monkeypatch.setattr(Destination, "may_start", property(counted))
    for _ in range(1_000):
        assert start(made) is not None
    assert looks < 10 * 1_000
