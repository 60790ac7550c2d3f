"""`manage.py serve` from nothing to its drain: real processes, real ports, real files."""

import os
import pwd
import re
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from tests import databases
from tests.running import ROOT, NotStarted, RunningServer


@pytest.fixture
def fresh(tmp_path, database_url):
    """A server that has never run."""
    with databases.fresh(database_url, is_empty=True) as url:
        server = RunningServer(tmp_path / "data", database_url=url, is_empty=True)
        yield server
        if server.process is not None:
            server.stop()


def wait_until(is_true, seconds=20):
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def greets(server):
    with smtplib.SMTP("127.0.0.1", server.port("smtp"), timeout=10) as smtp:
        return smtp.noop()[0] == 250


@pytest.mark.spec("X-030", "N-004", "N-005")
@pytest.mark.spec("X-034")
def test_the_first_start_makes_all_and_the_second_changes_nothing(fresh):
    fresh.start()
    assert len(re.findall("^First administrator: admin   password: .{16}$", fresh.log, re.M)) == 1
    keys = fresh.data / "keys/server.key", fresh.data / "certificates/default.pem"
    assert [key.stat().st_mode & 0o777 for key in keys] == [0o600, 0o600]
    assert fresh.data.stat().st_mode & 0o777 == 0o700
    before = [key.read_bytes() for key in keys]
    assert keys[0].read_text().strip() not in fresh.log
    assert fresh.stop() == 0

    fresh.start()
    assert fresh.log.count("First administrator") == 1
    assert fresh.log.count("preparing the database") == 1
    assert [key.read_bytes() for key in keys] == before
    assert fresh.stop() == 0


@pytest.mark.spec("X-030")
def test_the_printed_password_opens_the_panel_and_no_other(server):
    login, password = re.search(r"administrator: (\S+)   password: (\S+)", server.log).groups()
    for attempt, status in ((password, 302), ("wrong", 403)):
        url = f"http://127.0.0.1:{server.port('http')}/panel/login/"
        assert sign_in(url, login, attempt) == status


def sign_in(url, login, password):
    """The status of the answer to the form: 302 is the way in."""

    class NoRedirect(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *args):
            return None

    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(), NoRedirect)
    page = opener.open(url, timeout=20).read().decode()
    token = re.search('name="csrfmiddlewaretoken" value="([^"]+)"', page).group(1)
    form = {"username": login, "password": password, "csrfmiddlewaretoken": token}
    request = urllib.request.Request(url, urllib.parse.urlencode(form).encode())
    try:
        return opener.open(request, timeout=20).status
    except urllib.error.HTTPError as answer:
        return answer.code


@pytest.mark.spec("N-004")
def test_every_service_listens_with_and_without_tls(server):
    for service in ("smtp", "submission", "pop3", "imap", "http"):
        with socket.create_connection(("127.0.0.1", server.port(service)), timeout=10) as client:
            if service != "http":
                assert client.recv(100)
    trust = ssl.create_default_context(cafile=server.data / "certificates/default.pem")
    for service in ("submissions", "pop3s", "imaps", "ldap_tls", "https"):
        with (
            socket.create_connection(("127.0.0.1", server.port(service)), timeout=10) as client,
            trust.wrap_socket(client, server_hostname="mail.test") as encrypted,
        ):
            assert encrypted.version() in ("TLSv1.2", "TLSv1.3")


@pytest.mark.parametrize("part", ["serve_mail", "serve_web"])
def test_a_killed_part_comes_back(server, part):
    (before,) = server.pids(part)
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: server.pids(part) not in ([], [before]))
    wait_until(lambda: "part is ready again" in server.log.rpartition("part crashed")[2])
    assert greets(server)


RELOAD = """
from administration import reloadjob
from domains.models import Domain
print(reloadjob.start_reload(domain=Domain.objects.get(name="restarted.example"), by=None).pk)
"""


@pytest.mark.spec("X-007")
def test_jobs_run_again_after_their_part_was_ended(server):
    """What told the jobs of the old part to end is not what those of the new one hear."""
    text = "domains: [{name: restarted.example, admin: {username: admin}}]"
    server.manage("apply", "-", text=text)
    is_back = 'event="part is ready again" name=jobs'
    before = server.log.count(is_back)
    os.kill(*server.pids("serve_jobs"), signal.SIGTERM)
    wait_until(lambda: server.log.count(is_back) > before, 60)
    job = server.manage("shell", "--no-imports", "-c", RELOAD).strip()
    wait_until(lambda: ": done\n" in server.manage("job", "show", job), 60)


@pytest.mark.once
def test_a_mail_port_in_use_is_named_and_taken_when_it_is_free(fresh):
    with socket.create_server(("127.0.0.1", fresh.port("smtp"))):
        fresh.start()
        assert "port cannot be opened" in fresh.log
        [line] = [line for line in fresh.log.splitlines() if "port cannot be opened" in line]
        assert f"port={fresh.port('smtp')}" in line and "Address already in use" in line
        [ready] = [line for line in fresh.log.splitlines() if "event=ready" in line]
        assert " smtp=" not in ready and " submission=" in ready
    wait_until(lambda: "endpoint open" in fresh.log.rpartition("port cannot be opened")[2])
    assert greets(fresh)


@pytest.mark.once
def test_sigterm_drains_and_nothing_is_left(fresh):
    fresh.start()
    parts = [*fresh.pids("serve_mail"), *fresh.pids("serve_web")]
    assert len(parts) == 2
    assert fresh.stop() == 0
    assert not [pid for pid in parts if Path(f"/proc/{pid}").exists()]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", fresh.port("smtp")), timeout=5)


@pytest.mark.once
def test_parts_end_when_the_supervisor_is_killed(fresh):
    fresh.start()
    parts = [*fresh.pids("serve_mail"), *fresh.pids("serve_web")]
    fresh.kill()
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in parts))


@pytest.mark.once
def test_a_second_server_on_the_same_data_is_refused(server):
    done = subprocess.run(
        [sys.executable, ROOT / "manage.py", "serve"],
        env=server.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    pid = server.process.pid
    assert f"MailHost runs already with this MAILHOST_DATA (process {pid})" in done.stderr


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"port_offset": "high"}, "MAILHOST_PORT_OFFSET"),
        ({"database_url": "postgres://nobody:x@127.0.0.1:1/none"}, "database does not work"),
        ({"user": "no-such-user"}, "no user 'no-such-user'"),
        ({"log_format": "pretty"}, "MAILHOST_LOG_FORMAT must be one of"),
    ],
)
def test_trouble_at_the_start_is_told_in_one_line(tmp_path, settings, complaint):
    if "user" in settings and os.geteuid() != 0:
        pytest.skip("only root gives privileges away")
    server = RunningServer(tmp_path / "data", is_empty=True, **settings)
    with pytest.raises(NotStarted) as refused:
        server.start()
    assert server.process.returncode == 1
    assert complaint in str(refused.value) and "Traceback" not in str(refused.value)


def test_a_data_folder_that_cannot_be_made_is_told_in_one_line(tmp_path):
    (tmp_path / "file").touch()
    server = RunningServer(tmp_path / "file/data", is_empty=True)
    server.log_path = tmp_path / "log"
    with pytest.raises(NotStarted, match="MAILHOST_DATA cannot be used: .*Not a directory"):
        server.start()
    assert "Traceback" not in server.log


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_full_disk_at_the_start_is_told_in_one_line(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", data])
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount")
    try:
        with pytest.raises(NotStarted) as refused:
            RunningServer(data, is_empty=True).start()
    finally:
        subprocess.run(["umount", data], check=True)
    assert "full" in str(refused.value) and "Traceback" not in str(refused.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives privileges away")
def test_root_gives_its_privileges_away_and_low_ports_still_open():
    script = (
        "import os, socket; from pathlib import Path; import privileges\n"
        "privileges.drop('nobody', Path('data').resolve())\n"
        "socket.create_server(('127.0.0.1', 991)).close()\n"
        "print(os.geteuid(), os.getegid(), os.stat('data').st_uid)\n"
        "try: os.setuid(0)\n"
        "except PermissionError: print('never root again')\n"
    )
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are root's alone
        Path(folder).chmod(0o755)
        shutil.copy(ROOT / "mailhost/privileges.py", folder)
        (Path(folder) / "program.py").write_text(script)
        done = subprocess.run(
            ["/usr/bin/python3", "program.py"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=30,
        )
    nobody = pwd.getpwnam("nobody")
    ids = f"{nobody.pw_uid} {nobody.pw_gid} {nobody.pw_uid}"
    assert done.stdout.splitlines() == [ids, "never root again"], done.stderr
