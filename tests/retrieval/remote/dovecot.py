"""Debian's Dovecot as a private server without privileges, in a folder of its own."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trustme

PROGRAM = shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
PASSWORD = "dovecot-password-1"
START_SECONDS = 20.0
SERVICES = ("imap", "imaps", "pop3", "pop3s")

CONFIGURATION = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
listen = 127.0.0.1
protocols = imap pop3
ssl = yes
ssl_cert = <{folder}/cert.pem
ssl_key = <{folder}/key.pem
disable_plaintext_auth = no
auth_mechanisms = plain login cram-md5 scram-sha-256
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
first_valid_uid = 1
mail_location = maildir:~/Maildir
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/home/%n
}}
namespace inbox {{
  inbox = yes
  separator = .
  mailbox Sent {{
    auto = create
    special_use = \\Sent
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service pop3-login {{
  chroot =
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = {pop3s}
    ssl = yes
  }}
}}
"""


@contextmanager
def running() -> Iterator[dict[str, int]]:
    """The ports of "imap", "imaps", "pop3" and "pop3s"; any name gets in with PASSWORD."""
    assert PROGRAM is not None
    owner = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    with tempfile.TemporaryDirectory(prefix="mh-dovecot-") as name:  # sockets want short paths
        folder = Path(name)
        ports = dict(zip(SERVICES, _free_ports(len(SERVICES)), strict=True))
        certificate = trustme.CA().issue_cert("localhost")
        certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
        certificate.private_key_pem.write_to_path(folder / "key.pem")
        (folder / "dovecot.conf").write_text(
            CONFIGURATION.format(
                folder=folder,
                user=owner.pw_name,
                group=_group_name(owner.pw_gid),
                uid=owner.pw_uid,
                gid=owner.pw_gid,
                password=PASSWORD,
                **ports,
            )
        )
        as_owner = {}
        if os.geteuid() == 0:
            for path in (folder, *folder.iterdir()):
                os.chown(path, owner.pw_uid, owner.pw_gid)
            as_owner = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
        with (folder / "output").open("wb") as output:
            process = subprocess.Popen(
                [PROGRAM, "-F", "-c", str(folder / "dovecot.conf")],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=folder,
                **as_owner,
            )
        try:
            _wait_for(process, ports, folder)
            yield ports
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _group_name(gid: int) -> str:
    return grp.getgrgid(gid).gr_name


def _free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _wait_for(process: subprocess.Popen[bytes], ports: dict[str, int], folder: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    for port in ports.values():
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                log = folder / "log"
                said = (folder / "output").read_text() + (log.read_text() if log.exists() else "")
                assert process.poll() is None and time.monotonic() < deadline, said
                time.sleep(0.05)
