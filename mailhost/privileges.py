"""Gives root away before anything is read or bound, and ties a part's life to its parent's."""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def drop(user: str, data: Path) -> None:
    """Run this same command again as `user`, who keeps of root only the right to low ports.

    Parts inherit that right, so they open ports that domains ask for later as well (N-003).
    Returns at once when there is nothing to give away. Raises SystemExit with the reason.
    """
    if not user or os.geteuid() != 0:
        return
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise SystemExit(f"MAILHOST_USER: this machine has no user {user!r}") from None
    if not data.exists():
        data.mkdir(parents=True, mode=0o700)
        os.chown(data, entry.pw_uid, entry.pw_gid)
    os.environ.update(HOME=entry.pw_dir, USER=user, LOGNAME=user)
    keeps = "-all,+net_bind_service"
    command = [
        "setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--init-groups",
        f"--inh-caps={keeps}", f"--ambient-caps={keeps}", f"--bounding-set={keeps}",
        "--no-new-privs", sys.executable, *sys.orig_argv[1:],
    ]  # fmt: skip
    try:
        os.execvp("setpriv", command)  # noqa: S606, S607  # as the operator's own PATH has it
    except OSError as error:
        raise SystemExit(f"MAILHOST_USER needs the program setpriv: {error}") from None


def follow_supervisor() -> None:
    """Get SIGTERM when the supervisor is gone, also by SIGKILL; nothing if there is none."""
    supervisor = os.environ.get("MAILHOST_SUPERVISOR")
    if supervisor:
        follow(int(supervisor))


def follow(parent: int) -> None:
    """Get SIGTERM when `parent` is gone."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent:  # it went before it could be watched
        os.kill(os.getpid(), signal.SIGTERM)
