"""Lists, blocks and rules as clients meet them on a running server with two mail processes."""

import base64
import contextlib
import http.client
import imaplib
import smtplib
import ssl
import subprocess
import time
import urllib.parse

import pytest

from tests import databases
from tests.factories import PASSWORD
from tests.operations.outside import OUTSIDER, SETTINGS, call, greeting, listed, wait_for
from tests.running import RunningServer

FILE = f"""
domains:
  - name: blocks.example
    admin: {{username: admin, password: "{PASSWORD}"}}
    users: [{{username: chatty, password: "{PASSWORD}"}}]
abuse_rules:
  - {{kind: connections, service: smtp, threshold: 1000}}
  - {{kind: connections, service: pop, threshold: 1000}}
  - {{kind: connections, service: imap, threshold: 12}}
  - {{kind: harvesting, service: smtp, threshold: 40}}
  - {{kind: guessing, threshold: 6}}
  - {{kind: spamming, threshold: 12, action: throttle}}
"""
ADDRESS = "admin@blocks.example"


@pytest.fixture(scope="module")
def pair(tmp_path_factory, database_url):
    folder = tmp_path_factory.mktemp("blocks")
    with databases.fresh(database_url) as url:
        running = RunningServer(folder / "data", database_url=url, mail_processes=2, **SETTINGS)
        running.prepare().manage("apply", "-", text=FILE)
        running.start()
        yield running
        running.stop()


def is_greeted(server, source, service="smtp"):
    return greeting(server.port(service), source).startswith((b"220", b"+OK", b"* OK"))


def blocks_of(server, source):
    return [one for one in listed(server, "block", "list") if one["party"] == source]


@pytest.mark.spec("M-051")
@pytest.mark.spec("M-052")
@pytest.mark.spec("M-053")
@pytest.mark.spec("M-056")
def test_a_blocked_party_is_refused_in_each_protocol_s_words_until_the_block_is_lifted(pair):
    source = "127.0.0.70"
    pair.manage("block", "add", source, "--seconds", "600", "--note", "by hand")
    wait_for(lambda: all(not is_greeted(pair, source) for _ in range(6)))
    assert greeting(pair.port("smtp"), source).startswith(b"554 5.7.1 ")
    assert greeting(pair.port("imap"), source).startswith(b"* BYE ")
    assert greeting(pair.port("pop3"), source).startswith(b"-ERR [SYS/TEMP] ")
    with call(pair.port("imaps"), source) as client:
        assert read_end(client) == b""
    assert is_greeted(pair, "127.0.0.71")
    wait_for(lambda: blocks_of(pair, source)[0]["hits"] > 0)
    pair.manage("block", "delete", source)
    wait_for(lambda: all(is_greeted(pair, source) for _ in range(6)))


@pytest.mark.spec("M-061")
def test_too_many_connections_block_an_address_in_all_processes(pair):
    source = "127.0.0.72"
    seen = [is_greeted(pair, source, "imap") for _ in range(16)]
    assert all(seen[:12])  # so many are let pass
    block = wait_for(lambda: blocks_of(pair, source))[0]
    assert (block["service"], block["rule"]) == ("imap", "Too many connections (imap)")
    wait_for(lambda: all(not is_greeted(pair, source, "imap") for _ in range(8)))
    assert is_greeted(pair, source, "pop3")  # the rule is about IMAP
    pair.manage("block", "delete", source)
    wait_for(lambda: is_greeted(pair, source, "imap"))  # from zero: one is not too many


@pytest.mark.spec("M-062")
def test_sessions_without_a_message_block_a_harvester(pair):
    source = "127.0.0.73"
    for _ in range(40):
        with smtplib.SMTP(
            "127.0.0.1", pair.port("smtp"), timeout=20, source_address=(source, 0)
        ) as smtp:
            smtp.ehlo()
            assert smtp.verify("admin")[0] == 252
            assert smtp.expn("staff")[0] == 502
            smtp.mail("x@elsewhere.example")
            assert smtp.rcpt("nobody@blocks.example")[0] == 550
    block = wait_for(lambda: blocks_of(pair, source))[0]
    assert block["rule"] == "Email harvesting (smtp)"
    wait_for(lambda: all(not is_greeted(pair, source) for _ in range(8)))


def test_who_hands_in_a_message_is_no_harvester(pair):
    source = "127.0.0.74"
    for _ in range(6):
        with smtplib.SMTP(
            "127.0.0.1", pair.port("smtp"), timeout=20, source_address=(source, 0)
        ) as smtp:
            smtp.sendmail("x@elsewhere.example", [ADDRESS], b"Subject: hello\r\n\r\nhello\r\n")
    time.sleep(2)
    assert not blocks_of(pair, source)


@pytest.mark.spec("M-062")
def test_guessing_of_recipients_is_slowed_and_then_ended(pair):
    source = "127.0.0.75"
    with smtplib.SMTP(
        "127.0.0.1", pair.port("smtp"), timeout=20, source_address=(source, 0)
    ) as smtp:
        smtp.ehlo()
        smtp.mail("x@elsewhere.example")
        began = time.monotonic()
        for number in range(5):
            assert smtp.rcpt(f"guess{number}@blocks.example")[0] == 550
        assert time.monotonic() - began < 3
        assert smtp.rcpt("guess6@blocks.example")[0] == 550
        assert time.monotonic() - began >= 5
        # Pipelined, so that the test need not wait for each of them.
        smtp.send(b"".join(b"RCPT TO:<g%d@blocks.example>\r\n" % n for n in range(5)))
        smtp.sock.settimeout(40)
        codes = [smtp.getreply()[0] for _ in range(5)]
    assert codes == [550, 550, 550, 550, 421]


@pytest.mark.spec("M-064")
def test_failed_logins_of_all_services_and_the_web_count_together(pair):
    source = "127.0.0.76"
    fail_by_imap(pair, source, "one@blocks.example")
    fail_by_pop(pair, source, "two@blocks.example")
    fail_by_smtp(pair, source, "three@blocks.example")
    fail_by_imap(pair, source, "four@blocks.example")
    assert fail_by_web(pair, source, "root") == 403
    assert not blocks_of(pair, source)
    fail_by_pop(pair, source, "five@blocks.example")
    block = wait_for(lambda: blocks_of(pair, source))[0]
    assert block["rule"] == "Password guessing"
    for service in ("smtp", "imap", "pop3"):
        wait_for(lambda service=service: not is_greeted(pair, source, service))


@pytest.mark.spec("M-064")
def test_an_account_that_is_guessed_at_answers_slower_but_is_not_locked_out(pair):
    took = []
    for number in range(5):
        began = time.monotonic()
        fail_by_imap(pair, f"127.0.0.{80 + number}", ADDRESS)
        took.append(time.monotonic() - began)
        time.sleep(0.3)
    assert took[0] < 2.5
    assert took[4] > took[0] + 0.7
    with imaplib.IMAP4("127.0.0.1", pair.port("imap"), timeout=20) as imap:
        assert imap.login(ADDRESS, PASSWORD)[0] == "OK"


@pytest.mark.spec("M-046")
@pytest.mark.spec("M-070")
def test_the_blacklist_cuts_open_connections_on_all_processes_within_5_seconds(pair):
    source = "127.0.0.90"
    clients = [call(pair.port(s), source) for s in ("smtp", "imap", "pop3") * 4]
    for client in clients:
        assert client.recv(4096)
    pair.manage("blacklist", "add", "127.0.0.88/29", "--note", "too many")
    began = time.monotonic()
    for client in clients:
        client.settimeout(5)
        read_end(client)
        client.close()
    assert time.monotonic() - began < 5
    assert not any(is_greeted(pair, source) for _ in range(8))
    assert is_greeted(pair, "127.0.0.96")
    notes = {row["network"]: row["note"] for row in listed(pair, "blacklist", "list")}
    assert notes["127.0.0.88/29"] == "too many"
    pair.manage("blacklist", "delete", "127.0.0.88/29")
    wait_for(lambda: all(is_greeted(pair, source, "pop3") for _ in range(6)))


@pytest.mark.spec("M-046")
def test_this_machine_itself_cannot_be_blacklisted(pair):
    for network in ("127.0.0.1", "127.0.0.0/8", "::1", "0.0.0.0/0"):
        with pytest.raises(subprocess.CalledProcessError) as refused:
            pair.manage("blacklist", "add", network)
        assert "never blocked" in refused.value.stderr


@pytest.mark.spec("M-071")
def test_the_whitelist_wins_over_blacklist_blocks_and_rules(pair):
    source = "127.0.0.100"
    pair.manage("blacklist", "add", "127.0.0.100/30")
    pair.manage("block", "add", "127.0.0.100/30", "--seconds", "600")
    wait_for(lambda: not is_greeted(pair, source))
    pair.manage("whitelist", "add", source, "--note", "ours")
    wait_for(lambda: all(is_greeted(pair, source) for _ in range(20)))
    assert not is_greeted(pair, "127.0.0.101")
    with pytest.raises(subprocess.CalledProcessError):
        pair.manage("blacklist", "add", source)
    assert not blocks_of(pair, source)


@pytest.mark.spec("M-070")
def test_the_blacklist_is_imported_and_exported_as_csv(pair):
    lines = "network,services,note\n127.0.0.110,smtp,=cmd\n127.0.0.1,,us\nnonsense,,\n"
    with pytest.raises(subprocess.CalledProcessError) as told:
        pair.manage("blacklist", "import", "-", text=lines)
    assert "line 3" in told.value.stderr
    assert "line 4" in told.value.stderr
    assert "127.0.0.110,smtp,'=cmd" in pair.manage("blacklist", "export")
    wait_for(lambda: not is_greeted(pair, "127.0.0.110"))
    assert is_greeted(pair, "127.0.0.110", "imap")
    assert "blacklist:" in pair.manage("snapshot")


@pytest.mark.spec("M-047")
def test_a_connection_is_dropped_within_a_second_and_may_be_made_again(pair):
    clients = [call(pair.port("pop3"), OUTSIDER) for _ in range(4)]
    for client in clients:
        client.recv(4096)

    def ours():
        found = listed(pair, "sessions")
        return [one for one in found if one["client"].startswith(OUTSIDER + ":")]

    found = wait_for(lambda: ours() if len(ours()) == 4 else None)
    port = int(found[0]["client"].rpartition(":")[2])
    chosen = next(client for client in clients if client.getsockname()[1] == port)
    pair.manage("sessions", "--end", found[0]["id"])
    chosen.settimeout(2)
    assert read_end(chosen) == b""
    assert is_greeted(pair, OUTSIDER, "pop3")
    for client in clients:
        client.close()


@pytest.mark.spec("M-065")
def test_who_sends_to_too_many_is_stopped_and_the_administrator_gets_mail(pair):
    chatty = "chatty@blocks.example"

    @contextlib.contextmanager
    def submission():
        with smtplib.SMTP("127.0.0.1", pair.port("submission"), timeout=30) as smtp:
            smtp.starttls(context=ssl._create_unverified_context())
            smtp.login(chatty, PASSWORD)
            yield smtp

    def is_stopped():
        with submission() as smtp:
            code, words = smtp.mail(chatty)
        return code == 451 and words.startswith(b"4.7.1 You have sent too much mail")

    assert not is_stopped()
    with submission() as smtp:
        for _ in range(6):
            smtp.sendmail(chatty, [chatty, "admin@blocks.example"], "Subject: hello\r\n\r\nhello")
        assert smtp.mail(chatty)[0] == 451  # at once, where it was counted
    # The other process hears of it by the row.
    wait_for(lambda: all(is_stopped() for _ in range(6)))

    def notices():
        with imaplib.IMAP4("127.0.0.1", pair.port("imap"), timeout=30) as imap:
            imap.login("admin@blocks.example", PASSWORD)
            imap.select("INBOX", readonly=True)
            [found] = imap.search(None, "SUBJECT", f'"{chatty} sends to unusually many"')[1]
            return found.split()

    wait_for(lambda: len(notices()) == 1)


def read_end(client):
    """What still comes until the connection is gone."""
    pieces = []
    with contextlib.suppress(ConnectionError):
        while piece := client.recv(4096):
            pieces.append(piece)
    return b"".join(pieces)


def fail_by_imap(server, source, name):
    with call(server.port("imap"), source, 30) as client:
        file = client.makefile("rb")
        file.readline()
        client.sendall(f'a LOGIN {name} "wrong"\r\n'.encode())
        assert file.readline().startswith(b"a NO [AUTHENTICATIONFAILED]")


def fail_by_pop(server, source, name):
    with call(server.port("pop3"), source, 30) as client:
        file = client.makefile("rb")
        file.readline()
        client.sendall(f"USER {name}\r\nPASS wrong\r\n".encode())
        file.readline()
        assert file.readline().startswith(b"-ERR [AUTH]")


def fail_by_smtp(server, source, name):
    with smtplib.SMTP(
        "127.0.0.1", server.port("submission"), timeout=30, source_address=(source, 0)
    ) as smtp:
        smtp.ehlo()
        # Not `login`, which tries one mechanism after the other.
        initial = base64.b64encode(f"\0{name}\0wrong".encode()).decode()
        assert smtp.docmd("AUTH", f"PLAIN {initial}")[0] == 535


def fail_by_web(server, source, name):
    connection = http.client.HTTPConnection(
        "127.0.0.1", server.port("http"), timeout=30, source_address=(source, 0)
    )
    connection.request("GET", "/panel/login/")
    response = connection.getresponse()
    cookie = response.getheader("Set-Cookie").split(";")[0]
    page = response.read().decode()
    token = page.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
    form = urllib.parse.urlencode(
        {"username": name, "password": "wrong", "csrfmiddlewaretoken": token}
    )
    connection.request(
        "POST",
        "/panel/login/",
        form,
        {"Content-Type": "application/x-www-form-urlencoded", "Cookie": cookie},
    )
    return connection.getresponse().status
