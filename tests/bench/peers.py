"""Postfix with Dovecot on loopback, safely configured, all in one directory."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import subprocess
from pathlib import Path

import trustme

from tests.bench.systems import DOMAIN, PASSWORD, SINK_DOMAIN, System, free_port

MAIN_CF = """
compatibility_level = 3.6
queue_directory = {queue}
data_directory = {data}
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.{domain}
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtputf8_enable = yes
smtpd_tls_security_level = none
smtp_tls_security_level = none
alias_maps =
alias_database =
virtual_mailbox_domains = {domain}
virtual_mailbox_maps = regexp:{config}/mailboxes
virtual_transport = lmtp:unix:{lmtp}
transport_maps = regexp:{config}/transport
"""

MASTER_CF = """
127.0.0.1:{smtp} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

DOVECOT_CONF = """
base_dir = {run}
state_dir = {state}
log_path = {log}
listen = 127.0.0.1
protocols = imap pop3 lmtp
ssl = yes
ssl_cert = <{config}/cert.pem
ssl_key = <{config}/key.pem
disable_plaintext_auth = no
mail_location = {store}
mail_fsync = optimized
first_valid_uid = 1
mail_max_userip_connections = 0
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={home}/%d/%n
}}
namespace inbox {{
  inbox = yes
}}
service imap-login {{
  process_limit = 4000
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service imap {{
  process_limit = 4000
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
service anvil {{
  client_limit = 8000
}}
service auth {{
  client_limit = 8000
}}
service lmtp {{
  unix_listener {lmtp} {{
    mode = 0666
  }}
}}
"""

STORES = {"maildir": "maildir:~/Maildir", "sdbox": "sdbox:~/sdbox"}


def why_not() -> str:
    """Why the peers can't be measured here; empty when they can."""
    if os.geteuid() != 0:
        return "Postfix and Dovecot start as root only"
    missing = [name for name in ("postfix", "dovecot", "smtp-source") if not shutil.which(name)]
    if missing or not Path("/usr/lib/dovecot/lmtp").exists():
        return "not installed: " + (", ".join(missing) or "dovecot-lmtpd")
    return ""


def versions() -> str:
    postfix = subprocess.check_output(["postconf", "-d", "-h", "mail_version"], text=True).strip()
    dovecot = subprocess.check_output(["dovecot", "--version"], text=True).split()[0]
    return f"Postfix {postfix} with Dovecot {dovecot}"


class Peers(System):
    """Postfix takes SMTP and fsyncs its queue; Dovecot stores by LMTP and serves IMAP and POP3."""

    name = "Postfix + Dovecot"

    def __init__(self, directory: Path, sink_port: int, store: str = "maildir") -> None:
        super().__init__(directory, sink_port)
        self.ports = {name: free_port() for name in ("smtp", "imap", "imaps", "pop3")}
        self._store = STORES[store]
        self._postfix = directory / "postfix"
        self._dovecot = directory / "dovecot"

    def prepare(self) -> None:
        for parent in (self.directory, *self.directory.parents):
            if parent.stat().st_mode & 0o001 == 0:
                parent.chmod(parent.stat().st_mode | 0o011)  # their users must pass through
        self._prepare_dovecot()
        self._prepare_postfix()

    def _prepare_dovecot(self) -> None:
        nobody = pwd.getpwnam("nobody")
        home = self.directory / "home"
        for folder in (self._dovecot, home):
            folder.mkdir()
        os.chown(home, nobody.pw_uid, nobody.pw_gid)
        certificate = trustme.CA().issue_cert("localhost")
        certificate.cert_chain_pems[0].write_to_path(self._dovecot / "cert.pem")
        certificate.private_key_pem.write_to_path(self._dovecot / "key.pem")
        text = DOVECOT_CONF.format(
            run=self._dovecot / "run",
            state=self._dovecot / "state",
            log=self._dovecot / "log",
            config=self._dovecot,
            store=self._store,
            home=home,
            password=PASSWORD,
            uid=nobody.pw_uid,
            gid=nobody.pw_gid,
            lmtp=self.directory / "lmtp",
            **self.ports,
        )
        (self._dovecot / "dovecot.conf").write_text(text)

    def _prepare_postfix(self) -> None:
        owner = pwd.getpwnam("postfix")
        config, queue, data = (self._postfix / part for part in ("config", "queue", "data"))
        for folder in (self._postfix, config, queue, data):
            folder.mkdir()
        os.chown(data, owner.pw_uid, grp.getgrnam("postfix").gr_gid)
        names = {"queue": queue, "data": data, "config": config, "domain": DOMAIN}
        names["lmtp"] = self.directory / "lmtp"
        (config / "main.cf").write_text(MAIN_CF.format(**names))
        (config / "master.cf").write_text(MASTER_CF.format(smtp=self.ports["smtp"]))
        (config / "mailboxes").write_text(f"/^user[0-9]+@{DOMAIN}$/ ok\n")
        (config / "transport").write_text(f"/@{SINK_DOMAIN}$/ smtp:[127.0.0.1]:{self.sink_port}\n")

    def launch(self) -> list[subprocess.Popen[bytes]]:
        log = (self.directory / "output").open("ab")
        dovecot = ["dovecot", "-F", "-c", str(self._dovecot / "dovecot.conf")]
        postfix = ["postfix", "-c", str(self._postfix / "config"), "start-fg"]
        return [
            subprocess.Popen(line, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
            for line in (dovecot, postfix)
        ]

    def stop(self) -> None:
        config = str(self._postfix / "config")
        subprocess.run(["postfix", "-c", config, "stop"], capture_output=True, check=False)
        super().stop()

    def flush(self) -> None:
        subprocess.run(["postqueue", "-c", str(self._postfix / "config"), "-f"], check=True)

    def deferred(self) -> int:
        queue = self._postfix / "queue" / "deferred"
        return sum(len(files) for _, _, files in os.walk(queue))
