"""A digest is made once, wherever the process that makes it is killed (L-010)."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import databases
from tests.running import RunningServer

ROOT = databases.ROOT

SET_UP = """
from accounts import provisioning
from accounts.passwords import derive
from accounts.provisioning import NewDomain
from accounts.services import NewUser
from blobs.committer import process_committer
from mailinglists import membership, posts, services
from mailinglists.membership import NewSubscriber
admin = NewUser(username="admin", verifiers=derive("correct horse battery"))
domain = provisioning.open_domain(new=NewDomain(name="one.example", administrator=admin), by=None)
row = services.create_list(
    domain=domain, local_part="news", by=None, values={"digest_messages": 2, "digest_hours": 0}
)
people = [NewSubscriber("d@one.example", "", "digest")]
membership.add_subscribers(mailing_list=row, rows=people, by=None)
for number in range(4):
    raw = f"From: a@b.example\\r\\nSubject: Post {number}\\r\\n\\r\\nHello\\r\\n".encode()
    post, record = posts.make(
        row, raw, sender="a@b.example", is_guarded=False, is_utf8=False, body_type="7BIT"
    )
    write = lambda cursor, post=post: posts.write(post)
    process_committer().commit_now(posts.Publishing(write=write, records=[record]))
"""
MAKE = """
from datetime import timedelta
from clock.moments import utc_now
from mailinglists import digests
{kill}
digests.make_due(now=utc_now() + timedelta(minutes=1))
"""
# Behind the rows and before their commit; behind the commit and before anybody knows of it.
BEFORE = """
import os, signal
write = digests.MakeDigest.write_rows
def write_and_die(jobs, cursor):
    write(jobs, cursor)
    os.kill(os.getpid(), signal.SIGKILL)
digests.MakeDigest.write_rows = staticmethod(write_and_die)
"""
BEHIND = """
import os, signal
class Dying:
    def commit_now(self, job):
        committer.commit_now(job)
        os.kill(os.getpid(), signal.SIGKILL)
committer = digests.process_committer()
digests.process_committer = Dying
"""
READ = """
from blobs.store import locate, read_body
from mailinglists.models import MailingList, Post
made = Post.objects.filter(mode="digest").order_by("pk")
print(MailingList.objects.get().digest_number, made.count())
for post in made:
    text = read_body(locate([post.blob_id])[post.blob_id]).decode()
    print([number for number in range(4) if f". Post {number} (" in text])
"""


def run(server: RunningServer, code: str) -> int:
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "shell", "--no-imports", "-c", code],
        env=server.environment,
        capture_output=True,
        check=False,
    )
    return done.returncode


@pytest.mark.spec("L-010")
@pytest.mark.timeout(300)
def test_no_post_stands_in_two_digests_or_in_none_after_kill_9(
    tmp_path: Path, own_database: str | None
) -> None:
    server = RunningServer(tmp_path / "data", database_url=own_database).prepare()
    server.manage("shell", "--no-imports", "-c", SET_UP)
    for kill in (BEFORE, BEHIND, BEFORE):
        assert run(server, MAKE.format(kill=kill)) == -signal.SIGKILL
    assert run(server, MAKE.format(kill="")) == 0
    told = server.manage("shell", "--no-imports", "-c", READ).split("\n")
    assert told[:3] == ["2 2", "[0, 1]", "[2, 3]"]
