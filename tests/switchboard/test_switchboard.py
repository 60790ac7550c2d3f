"""Who is told, when, and how often."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.db import connection, connections, transaction

from switchboard import exchange
from switchboard.carriers import unix
from switchboard.carriers.unix import Inlet, Peers
from switchboard.changes import changes_since, forget_before
from switchboard.models import Change
from switchboard.publish import publish_on_commit
from switchboard.subscribe import Switchboard
from switchboard.topics import Note, Topic

needs_postgresql = pytest.mark.skipif(
    connections["default"].vendor != "postgresql",
    reason="MAILHOST_DATABASE_URL names no PostgreSQL",
)


@pytest.fixture
async def board():
    board = Switchboard(poll_seconds=None)
    await board.start()
    yield board
    await board.stop()


@contextlib.contextmanager
def neighbour(*words, node="0"):
    """Another process; for a listening one, once it is ready."""
    process = subprocess.Popen(
        [
            sys.executable,
            Path(__file__).with_name("neighbour.py"),
            django_settings.MAILHOST_RUN,
            connection.settings_dict["NAME"],
            node,
            *words,
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ
        | {
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "DJANGO_SETTINGS_MODULE": "mailhost.settings",
        },
    )
    try:
        if words[0] == "listen":
            assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


async def settle(condition, seconds=30.0):
    """Wait until it is so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.005)


async def test_subscriber_gets_what_its_own_process_publishes_exactly_once(board):
    seen = []
    board.subscribe(Topic.FOLDER, 7, seen.extend)
    publish_on_commit(Topic.FOLDER, 7, b"one")
    publish_on_commit(Topic.FOLDER, 8)
    publish_on_commit(Topic.DOMAIN, 7)
    await asyncio.sleep(0.05)
    assert seen == [Note(Topic.FOLDER, 7, b"one")]


async def test_subscriber_of_all_keys_gets_them_in_one_batch(board):
    batches = []
    board.subscribe(Topic.FOLDER, None, batches.append)
    for key in range(5):
        publish_on_commit(Topic.FOLDER, key)
    await asyncio.sleep(0.05)
    assert [[note.key for note in batch] for batch in batches] == [[0, 1, 2, 3, 4]]


async def test_nobody_is_told_after_unsubscribing(board):
    seen = []
    unsubscribe = board.subscribe(Topic.FOLDER, 1, seen.extend)
    other = board.subscribe(Topic.FOLDER, 1, seen.extend)
    unsubscribe()
    unsubscribe()
    publish_on_commit(Topic.FOLDER, 1)
    await asyncio.sleep(0.02)
    assert len(seen) == 1
    other()
    assert board._callbacks == {}
    assert not board._topics


async def test_failing_subscriber_does_not_keep_it_from_others(board):
    seen = []
    board.subscribe(Topic.FOLDER, 1, lambda notes: 1 / 0)
    board.subscribe(Topic.FOLDER, 1, seen.extend)
    publish_on_commit(Topic.FOLDER, 1)
    await asyncio.sleep(0.02)
    assert len(seen) == 1


@pytest.fixture
def sent(monkeypatch):
    """What leaves the process, one list for each time."""
    sent = []
    monkeypatch.setattr(exchange, "publish", lambda notes: sent.append([n.key for n in notes]))
    return sent


def test_notes_wait_for_the_commit_and_travel_together(transactional_db, sent):
    with transaction.atomic():
        publish_on_commit(Topic.FOLDER, 1)
        publish_on_commit(Topic.FOLDER, 2)
        assert sent == []
    assert sent == [[1, 2]]
    publish_on_commit(Topic.FOLDER, 3)
    assert sent == [[1, 2], [3]]


def test_rolled_back_transaction_tells_nobody(transactional_db, sent):
    with contextlib.suppress(ZeroDivisionError), transaction.atomic():
        publish_on_commit(Topic.FOLDER, 1, durable=True)
        raise ZeroDivisionError
    assert sent == []
    assert not Change.objects.exists()


def test_rolled_back_savepoint_takes_only_its_own_notes(transactional_db, sent):
    with transaction.atomic():
        publish_on_commit(Topic.FOLDER, 1)
        with contextlib.suppress(ZeroDivisionError), transaction.atomic():
            publish_on_commit(Topic.FOLDER, 2)
            raise ZeroDivisionError
        publish_on_commit(Topic.FOLDER, 3)
    assert sum(sent, []) == [1, 3]


def test_payload_too_long_is_refused():
    with pytest.raises(ValueError, match="4000"):
        publish_on_commit(Topic.FOLDER, 1, b"x" * 4_001)


@pytest.mark.spec("X-004")
def test_other_process_is_told_within_milliseconds(transactional_db):
    with neighbour("listen", "FOLDER") as other:
        for key in range(20):
            publish_on_commit(Topic.FOLDER, key, str(time.time_ns()).encode())
            time.sleep(0.01)
        publish_on_commit(Topic.DOMAIN, 99)
        publish_on_commit(Topic.FOLDER, 100)
        lines = [other.stdout.readline().split() for _ in range(21)]
    assert [(name, int(key)) for name, key, _ in lines] == [
        ("FOLDER", key) for key in [*range(20), 100]
    ]
    micros = sorted(int(us) for _, _, us in lines)
    assert micros[len(micros) // 2] < 5_000


async def test_note_of_another_process_arrives(board, transactional_db):
    seen = []
    board.subscribe(Topic.SPOOL, None, seen.extend)
    with neighbour("send", "SPOOL", "3"):
        await settle(lambda: len(seen) == 3)
    assert [note.key for note in seen] == [0, 1, 2]


async def test_receiver_that_is_full_blocks_nobody_and_gets_the_rest_later(run_directory):
    inlet = as_other_process(run_directory)
    peers = Peers(run_directory, 0)
    begin = time.perf_counter()
    for key in range(200):
        peers.send([Note(Topic.FOLDER, key)])
    assert time.perf_counter() - begin < 1
    keys = []

    def drained():
        keys.extend(note.key for note in inlet.drain())
        return len(keys) == 200

    await settle(drained)
    assert keys == list(range(200))
    peers.abandon()
    inlet.close()


def test_receiver_that_is_stuck_for_long_is_given_up(run_directory, monkeypatch):
    monkeypatch.setattr(unix, "_PATIENCE_SECONDS", 0.01)
    inlet = as_other_process(run_directory)
    peers = Peers(run_directory, 0)
    for key in range(1_000):
        peers.send([Note(Topic.FOLDER, key)])
    deadline = time.monotonic() + 30
    while any(peer.backlog for peer in peers._peers.values()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert 0 < len(inlet.drain()) < 1_000
    peers.abandon()
    inlet.close()


def test_socket_of_a_process_that_died_is_removed(run_directory):
    as_other_process(run_directory).abandon()
    assert len(os.listdir(run_directory)) == 1
    Peers(run_directory, 0).send([Note(Topic.FOLDER)])
    assert os.listdir(run_directory) == []


def test_peer_that_dies_between_two_notes_is_removed(run_directory):
    inlet = as_other_process(run_directory)
    peers = Peers(run_directory, 0)
    peers.send([Note(Topic.FOLDER)])
    inlet.abandon()
    peers.send([Note(Topic.FOLDER)])
    peers.send([Note(Topic.FOLDER)])
    assert os.listdir(run_directory) == []


def test_peer_is_sent_only_the_topics_it_wants(run_directory):
    inlet = as_other_process(run_directory)
    peers = Peers(run_directory, 0)
    inlet.want(1 << Topic.DOMAIN)
    peers.send([Note(Topic.FOLDER, 1), Note(Topic.DOMAIN, 2)])
    inlet.want(1 << Topic.FOLDER)
    peers.send([Note(Topic.FOLDER, 3), Note(Topic.DOMAIN, 4)])
    assert [note.key for note in inlet.drain()] == [2, 3]
    inlet.close()
    peers.abandon()


def test_rubbish_in_a_socket_is_passed_over(run_directory, monkeypatch):
    inlet = Inlet(run_directory)
    monkeypatch.chdir(run_directory)  # its whole path may be too long for an address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(b"rubbish", os.listdir()[0])
    assert inlet.drain() == []
    inlet.close()


def test_long_path_is_no_obstacle(tmp_path):
    directory = tmp_path / ("d" * 120) / "switchboard"
    inlet = as_other_process(directory)
    peers = Peers(directory, 0)
    peers.send([Note(Topic.FOLDER, 5)])
    assert [note.key for note in inlet.drain()] == [5]
    inlet.close()
    peers.abandon()


async def test_forked_child_does_not_answer_for_its_parent(board, run_directory):
    seen = []
    board.subscribe(Topic.FOLDER, None, seen.extend)
    pid = os.fork()
    if pid == 0:
        publish_on_commit(Topic.FOLDER, 5)
        os._exit(0 if board._inlet.fileno() == -1 else 1)
    assert os.waitpid(pid, 0)[1] == 0
    await settle(lambda: seen)
    assert [note.key for note in seen] == [5]
    assert len(os.listdir(run_directory)) == 1


async def test_stopped_switchboard_leaves_no_socket(run_directory):
    board = Switchboard(poll_seconds=None)
    await board.start()
    assert len(os.listdir(run_directory)) == 1
    await board.stop()
    assert os.listdir(run_directory) == []


def test_durable_notes_are_found_by_cursor(transactional_db):
    publish_on_commit(Topic.DOMAIN, 1, durable=True)
    _, cursor = changes_since(None)
    publish_on_commit(Topic.DOMAIN, 2, b"p", durable=True)
    publish_on_commit(Topic.DOMAIN, 3)
    publish_on_commit(Topic.ACCOUNT, 4, durable=True)
    notes, cursor = changes_since(cursor)
    assert [note[:3] for note in notes] == [(Topic.DOMAIN, 2, b"p"), (Topic.ACCOUNT, 4, b"")]
    assert changes_since(cursor)[0] == []


@pytest.mark.spec("X-004")
async def test_lost_hint_of_a_durable_note_is_found_by_the_poll(transactional_db, monkeypatch):
    board = Switchboard(poll_seconds=0.05)
    seen = []
    board.subscribe(Topic.DOMAIN, None, seen.extend)
    await board.start()
    with monkeypatch.context() as patch:
        patch.setattr(exchange, "publish", lambda notes: None)
        await asyncio.to_thread(publish_on_commit, Topic.DOMAIN, 9, durable=True)
    await settle(lambda: seen)
    await asyncio.to_thread(publish_on_commit, Topic.DOMAIN, 10, durable=True)
    await settle(lambda: len(seen) > 1)
    await asyncio.sleep(0.3)
    assert [note.key for note in seen] == [9, 10], "each once, by hint or by poll"
    await board.stop()
    await asyncio.to_thread(connections.close_all)


def test_old_durable_notes_are_forgotten(transactional_db):
    publish_on_commit(Topic.DOMAIN, 1, durable=True)
    _, cursor = changes_since(None)
    assert forget_before(Change.objects.get().changed_at) == 0
    Change.objects.update(changed_at="2020-01-01T00:00:00Z")
    publish_on_commit(Topic.DOMAIN, 2, durable=True)
    assert forget_before(Change.objects.latest("id").changed_at) == 1
    assert [note.key for note in changes_since(cursor)[0]] == [2]


@needs_postgresql
def test_transaction_that_commits_late_is_not_missed(transactional_db):
    release, inserted = threading.Event(), threading.Event()

    def late():
        with transaction.atomic():
            publish_on_commit(Topic.DOMAIN, 1, durable=True)
            inserted.set()
            release.wait(10)
        connections.close_all()

    _, cursor = changes_since(None)
    thread = threading.Thread(target=late)
    thread.start()
    inserted.wait(10)
    publish_on_commit(Topic.DOMAIN, 2, durable=True)
    notes, cursor = changes_since(cursor)
    assert [note.key for note in notes] == [2]
    assert changes_since(cursor)[0] == []
    release.set()
    thread.join()
    notes, cursor = changes_since(cursor)
    assert [note.key for note in notes] == [1]
    publish_on_commit(Topic.DOMAIN, 3, durable=True)
    notes, cursor = changes_since(cursor)
    assert [note.key for note in notes] == [3]
    assert changes_since(cursor)[0] == []


@needs_postgresql
async def test_other_machine_is_told_by_the_database(transactional_db, settings, tmp_path):
    settings.MAILHOST_CLUSTER = True
    exchange.reset()
    board = Switchboard(poll_seconds=None)
    seen = []
    board.subscribe(Topic.SPOOL, None, seen.extend)
    await board.start()
    settings.MAILHOST_RUN = tmp_path / "another machine"
    with neighbour("send", "SPOOL", "3", node="1"):
        await settle(lambda: len(seen) == 3, seconds=10)
    assert [note.key for note in seen] == [0, 1, 2]
    # Its own notes come back from the database too, and are not taken twice.
    await asyncio.to_thread(publish_on_commit, Topic.SPOOL, 50)
    await settle(lambda: len(seen) > 3)
    await asyncio.sleep(0.3)
    assert [note.key for note in seen] == [0, 1, 2, 50]
    await kill_listeners()
    settings.MAILHOST_RUN = tmp_path / "another machine"
    await asyncio.sleep(0.5)
    with neighbour("send", "SPOOL", "1", node="1"):
        await settle(lambda: len(seen) == 5, seconds=10)
    await board.stop()
    exchange.exchange().notifier.close()


async def kill_listeners():
    def kill():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE query LIKE 'LISTEN%%' AND datname = current_database()"
            )
        connection.close()

    await asyncio.to_thread(kill)


def as_other_process(directory):
    """A receiver that does not carry this process's mark."""
    own, unix._process = unix._process, unix._Process()
    unix._process.token = "1-stranger"
    try:
        inlet = Inlet(directory)
    finally:
        unix._process = own
    inlet.want(1 << Topic.FOLDER)
    return inlet
