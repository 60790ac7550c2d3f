"""Many sessions change one folder at once; what each was told must add up to the truth."""

import random
import re
import threading

import pytest

from blobs.committer import process_committer
from mailboxes.expunging import Expunge

SESSIONS = 4
ROUNDS = 40


class Mirror:
    """What a client knows of a folder from the responses alone."""

    def __init__(self, session):
        self.session = session
        self.uids: list[int | None] = []
        self.flags: dict[int, set[bytes]] = {}
        self.take(session.ok(b"SELECT Work"))
        self.take(session.ok(b"UID FETCH 1:* (UID FLAGS)"))

    def take(self, lines):
        for line in lines:
            if found := re.fullmatch(rb"\* (\d+) EXISTS", line):
                count = int(found[1])
                assert count >= len(self.uids), "EXISTS never takes messages away"
                self.uids += [None] * (count - len(self.uids))
            elif found := re.fullmatch(rb"\* (\d+) EXPUNGE", line):
                uid = self.uids.pop(int(found[1]) - 1)
                self.flags.pop(uid, None)
            elif found := re.match(rb"\* (\d+) FETCH \((?:UID (\d+) ?)?(?:FLAGS \((.*?)\))?", line):
                number = int(found[1]) - 1
                if found[2]:
                    known = self.uids[number]
                    assert known in (None, int(found[2])), "a number keeps its UID until told"
                    self.uids[number] = int(found[2])
                uid = self.uids[number]
                if uid is not None and found[3] is not None:
                    self.flags[uid] = set(found[3].split()) - {b"\\Recent"}

    def say(self, command):
        *lines, tagged = self.session.say(command)
        if b".SILENT" in command:  # what it does itself it is not told
            self.flags.pop(self.uids[int(command.split()[1]) - 1], None)
        keeps_numbers = command.startswith((b"FETCH", b"STORE", b"SEARCH"))
        assert not (keeps_numbers and any(line.endswith(b"EXPUNGE") for line in lines))
        self.take(lines)
        assert tagged.startswith((b"a OK", b"a NO [EXPUNGEISSUED]")), (command, tagged)

    def change_something(self, chance):
        number = chance.randint(1, len(self.uids)) if self.uids else None
        flag = chance.choice([b"\\Seen", b"\\Flagged", b"$Work"])
        sign = chance.choice([b"+", b"-"])
        commands = [b"NOOP", b"APPEND Work {3+}\r\nabc", b"EXPUNGE", b"UID FETCH 1:* (UID FLAGS)"]
        if number is not None:
            commands += [
                b"STORE %d %bFLAGS (%b)" % (number, sign, flag),
                b"STORE %d %bFLAGS.SILENT (%b)" % (number, sign, flag),
                b"STORE %d +FLAGS (\\Deleted)" % number,
                b"FETCH %d (UID FLAGS)" % number,
                b"COPY %d Work" % number,
                b"MOVE %d Work" % number,
                b"FETCH %d (UID BODY[])" % number,
            ]
        self.say(chance.choice(commands))

    def truth(self):
        """All it believes; asking for it anew must not change anything."""
        self.say(b"NOOP")
        self.say(b"UID FETCH 1:* (UID FLAGS)")
        assert None not in self.uids
        return [(uid, self.flags[uid]) for uid in self.uids]


@pytest.mark.spec("N-040", lacks="rev2, CONDSTORE, QRESYNC, ESEARCH, SORT, THREAD, BINARY, ACL")
@pytest.mark.parametrize("seed", range(3))
def test_sessions_that_change_one_folder_agree_in_the_end(alice, seed):
    first = alice()
    first.ok(b"CREATE Work")
    for _ in range(5):
        first.append(b"x", folder=b"Work")
    mirrors = [Mirror(alice()) for _ in range(SESSIONS)]
    errors = []

    def run(mirror, chance):
        try:
            for _ in range(ROUNDS):
                mirror.change_something(chance)
        except BaseException as error:
            errors.append(error)

    threads = [
        threading.Thread(target=run, args=(mirror, random.Random(seed * 100 + number)))
        for number, mirror in enumerate(mirrors)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors, errors
    believed = [
        (mirror.say(b"NOOP"), list(mirror.uids), dict(mirror.flags))[1:] for mirror in mirrors
    ]
    truths = [mirror.truth() for mirror in mirrors]
    assert all(truth == truths[0] for truth in truths)
    for uids, flags in believed:
        assert len(uids) == len(truths[0])
        for uid, known in flags.items():
            assert known == dict(truths[0])[uid], "every change of flags was told"
    fresh = Mirror(alice()).truth()
    assert fresh == truths[0]


async def _expunge_just_after(session, command):
    """`command` arrives, and in the same turn of the loop another session has expunged UID 1."""
    folder = session.selected.folder
    session.data_received(b"a " + command + b"\r\n")
    job = Expunge(folder_id=folder.folder_id, domain_id=session.account.domain_id, uids=[1])
    folder.apply(process_committer().submit(job).result(10))


@pytest.mark.spec("N-040", lacks="rev2, CONDSTORE, QRESYNC, ESEARCH, SORT, THREAD, BINARY, ACL")
@pytest.mark.parametrize(
    ("command", "mark"),
    [
        (b"STORE 2 +FLAGS (\\Flagged)", b"FLAGGED"),
        (b"STORE 2 +FLAGS.SILENT (\\Flagged)", b"FLAGGED"),
        (b"FETCH 2 (UID BODY[])", b"SEEN"),
        (b"COPY 2 Other", None),
        (b"MOVE 2 Other", None),
    ],
)
def test_numbers_mean_what_they_meant_when_the_command_came(alice, imap, command, mark):
    looking = alice()
    looking.ok(b"CREATE Work")
    looking.ok(b"CREATE Other")
    for text in (b"one", b"two", b"three"):
        looking.append(text, folder=b"Work")
    acting = alice(b"Work")
    acting.ok(b"STORE 1 +FLAGS (\\Deleted)")
    (session,) = [v.session for v in imap.listener.visits if v.session.selected is not None]
    imap.call(_expunge_just_after(session, command))
    assert acting.until(b"a")[-1].startswith(b"a OK")
    looking.ok(b"SELECT " + (b"Work" if mark else b"Other"))
    if mark:
        assert looking.ok(b"UID SEARCH " + mark) == [b"* SEARCH 2"]
    else:
        assert looking.ok(b"FETCH 1:* BODY[]")[0].endswith(b"two)")
