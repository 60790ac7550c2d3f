"""ldapsearch and its sisters, run as a mail program or an edge server would ask."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.factories import PASSWORD

SECONDS = 60.0


class Ldap:
    """One server, by its ports. Certificates are not checked: they are self-made."""

    def __init__(self, home: Path, ports: Mapping[str, int], host: str = "127.0.0.1") -> None:
        for name in ("ldapsearch", "ldapcompare", "ldapwhoami", "ldapdelete"):
            if shutil.which(name) is None:
                pytest.skip(f"{name} is not installed (ldap-utils)")
        self._home = home
        self._ports = ports
        self._host = host

    def run(
        self,
        program: str,
        *arguments: str,
        who: str | None = "alice@example.com",
        password: str = PASSWORD,
        purpose: str = "plain",
        host: str = "",
        text: str | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """`who` None: nobody. `text` is what the program reads."""
        scheme = "ldaps" if purpose == "tls" else "ldap"
        url = f"{scheme}://{host or self._host}:{self._ports[purpose]}"
        login = ["-D", who, "-w", password] if who is not None else []
        simple = [] if "-Y" in arguments else ["-x"]
        return subprocess.run(
            [program, *simple, "-H", url, *login, *arguments],
            input=text or "",
            capture_output=True, text=True, timeout=SECONDS,
            env={"PATH": os.environ["PATH"], "HOME": str(self._home), "LDAPTLS_REQCERT": "never"},
        )  # fmt: skip

    def search(
        self, wanted: str = "(objectClass=*)", *attributes: str, base: str = "dc=example,dc=com",
        options: tuple[str, ...] = (), **how: str | None,
    ) -> list[dict[str, list[str]]]:  # fmt: skip
        """The entries of a search that goes well; `dn` is among their attributes."""
        done = self.run(
            "ldapsearch", "-LLL", "-o", "ldif-wrap=no", "-b", base, *options, wanted, *attributes,
            **how,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return entries_of(done.stdout)

    def names(self, wanted: str = "(objectClass=*)", **how: object) -> set[str]:
        return {one["dn"][0] for one in self.search(wanted, "1.1", **how)}


def entries_of(ldif: str) -> list[dict[str, list[str]]]:
    """LDIF as ldapsearch writes it with -LLL; values in base64 are kept as they are."""
    found: list[dict[str, list[str]]] = []
    for paragraph in ldif.split("\n\n"):
        entry: dict[str, list[str]] = {}
        for line in paragraph.splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.partition(":")
                entry.setdefault(name, []).append(value.lstrip(": "))
        if "dn" in entry:
            found.append(entry)
    return found
