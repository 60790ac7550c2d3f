"""Where a domain's own directory may lie, and making and dropping it (D-034, D-008)."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

import structlog
from django.conf import settings
from django.db.models import Exists, OuterRef, Q

from blobs import keeping, relocating
from blobs.holding import left_alone
from blobs.models import Area
from blobs.segment import sync_directory
from blobs.space import free_space
from domains.errors import FolderRefused
from domains.models import Domain, FolderMove
from units import sizes

log = structlog.get_logger()

MODE = 0o700
TRASH = "trash/"
# How long a folder that is to be moved may be in the hands of those who write into it.
PATIENCE_SECONDS = 20.0
OUR_PROGRAMS = frozenset({"manage.py", "mailhost.supervise"})


def default_path(name: str) -> str:
    """Relative to the data directory, as areas keep it."""
    return f"domains/{name}"


def trash_name(area: Area) -> str:
    """What the area of a deleted domain is called, so that its name is free."""
    return f"{TRASH}{area.pk}"


def trash_path(area: Area) -> str:
    """Where its folder goes in one rename, and so on the same disk."""
    usual = f"{TRASH}{area.pk}"
    try:
        is_near = relocating.is_one_file_system(area.directory, settings.MAILHOST_DATA / usual)
    except OSError:  # a broken disk is no reason to keep a domain
        is_near = True
    if is_near:
        return usual
    return str(Path(area.path).with_name(f".deleted-{area.pk}"))


def empty_trash() -> int:
    """Remove the folders of domains that are gone for good once no mail is left in them, with all
    else that lies there; how many. While a backup is made nothing is removed."""
    with keeping.removing() as may_remove:
        gone = _gone() if may_remove else []
        for area in gone:
            shutil.rmtree(area.directory, ignore_errors=True)
            if area.directory.exists():
                log.error("folder of a deleted domain not removed", path=area.path)
            else:
                area.delete()
    return len(gone)


def _gone() -> list[Area]:
    rows = Area.objects.filter(kind=Area.Kind.DOMAIN, name__startswith=TRASH, segments=None)
    in_use = Domain.everything.filter(area=OuterRef("pk"))
    moving = FolderMove.objects.filter(area_id=OuterRef("pk"))  # its files are compared with these
    return list(rows.exclude(Exists(in_use)).exclude(Exists(moving)))


def check_path(text: str) -> str:
    """An operator's own choice in the form that areas keep. Raises FolderRefused."""
    path = Path(text)
    if not path.is_absolute() or ".." in path.parts:
        raise FolderRefused(text, "it must be an absolute path")
    # A symbolic link on the way could lead, now or later, out of the allowed directories.
    if Path(os.path.realpath(path)) != path:
        raise FolderRefused(text, "it leads over a symbolic link")
    if not any(path.is_relative_to(root) and path != root for root in _roots()):
        raise FolderRefused(text, "it is outside of the allowed directories")
    if path.is_dir() and any(path.iterdir()):
        raise FolderRefused(text, "it is in use already")
    data = settings.MAILHOST_DATA
    if data.is_relative_to(path):
        raise FolderRefused(text, "the server's own data lie in it")
    return str(path.relative_to(data)) if path.is_relative_to(data) else str(path)


def require_apart(path: str, *, moving: int | None = None) -> None:
    """Raises FolderRefused if another domain's folder is the same, above or below.

    So are both places of one that is on its way. `moving`: the domain that is.
    """
    above = [str(parent) for parent in Path(path).parents]
    near = Q(path__in=[path, *above]) | Q(path__startswith=f"{path}/")
    on_their_way = (
        Q(new_path__in=[path, *above])
        | Q(new_path__startswith=f"{path}/")
        | Q(old_path__in=[path, *above])
        | Q(old_path__startswith=f"{path}/")
    )
    if (
        Area.objects.filter(near, kind=Area.Kind.DOMAIN).exists()
        or FolderMove.objects.filter(on_their_way).exclude(domain=moving).exists()
    ):
        raise FolderRefused(path, "another domain's folder is the same, above or below")


def require_room(old: str, new: str) -> None:
    """Raises FolderRefused if it is another file system without room for what is to be moved."""
    source, goal = settings.MAILHOST_DATA / old, settings.MAILHOST_DATA / new
    if not source.is_dir() or relocating.is_one_file_system(source, goal):
        return
    needed_bytes = relocating.measure(source).size_bytes
    room = free_space(relocating.nearest(goal))
    if room.free_bytes - needed_bytes < room.floor_bytes:
        raise FolderRefused(
            new,
            f"it needs {sizes.in_words(needed_bytes)} there, and"
            f" {sizes.in_words(room.free_bytes)} are free",
        )


def require_unlinked(path: str) -> None:
    """Raises FolderRefused if a symbolic link leads elsewhere by now."""
    where = settings.MAILHOST_DATA / path
    if Path(os.path.realpath(where)) != settings.MAILHOST_DATA.resolve() / path:
        raise FolderRefused(path, "it leads over a symbolic link")


def require_writable(path: str) -> None:
    """Raises FolderRefused if the directory could not be made. Leaves nothing behind."""
    parent = (settings.MAILHOST_DATA / path).parent
    try:
        parent.mkdir(parents=True, exist_ok=True, mode=MODE)
        Path(tempfile.mkdtemp(prefix=".try-", dir=parent)).rmdir()
    except OSError as error:
        raise FolderRefused(path, error.strerror or "it cannot be written") from error


def require_absent(path: str) -> None:
    """Raises FolderRefused if something lies there already."""
    found = settings.MAILHOST_DATA / path
    if found.is_dir() and any(found.iterdir()):
        raise FolderRefused(path, "it is in use already")


def make(path: str) -> None:
    """Make the directory; to be called once its row is committed, so that no rollback leaves it.

    A failure is logged only: whoever settles mail into the folder makes it, too.
    """
    try:
        (settings.MAILHOST_DATA / path).mkdir(parents=True, exist_ok=True, mode=MODE)
    except OSError as error:
        log.error("domain folder not made", path=path, reason=error.strerror)


def move(old: str, new: str) -> None:
    """Rename the directory, after the commit of the row that says so.

    Whoever is just writing mail into it comes to an end first: a file that he opened under the
    old name afterwards would be where no row says.
    """
    source, goal = settings.MAILHOST_DATA / old, settings.MAILHOST_DATA / new
    try:
        goal.parent.mkdir(parents=True, exist_ok=True, mode=MODE)
        with left_alone(source, seconds=PATIENCE_SECONDS) as is_alone:
            if not is_alone:
                log.warning("domain folder moved while it is written to", path=old)
            source.rename(goal)
    except FileNotFoundError:
        log.info("domain folder was not there", path=old)
    except OSError as error:
        log.error("domain folder not moved", path=old, reason=error.strerror)


def renamed(path: str, old: str, new: str) -> str:
    """Where a folder belongs when its domain gets another name: beside where it was.

    A folder that an operator has called otherwise keeps its name.
    """
    found = Path(path)
    return str(found.with_name(new)) if found.name == old else path


def rename(old: str, new: str) -> None:
    """In one `rename(2)`, so on one file system. Raises FolderRefused."""
    source, goal = settings.MAILHOST_DATA / old, settings.MAILHOST_DATA / new
    try:
        source.rename(goal)
        for parent in {source.parent, goal.parent}:
            sync_directory(parent)
    except OSError as error:
        raise FolderRefused(new, error.strerror or "it cannot be renamed") from error


def bring(old: str, new: str) -> bool:
    """After a crash: what lies at `old` belongs at `new`, where something may lie already."""
    source, goal = settings.MAILHOST_DATA / old, settings.MAILHOST_DATA / new
    if not source.is_dir():
        return False
    if not goal.exists():
        source.rename(goal)
        return True
    for path in sorted(source.iterdir()):
        if not (goal / path.name).exists():
            path.rename(goal / path.name)
    with suppress(OSError):  # what could not be moved stays, for people to look at
        source.rmdir()
    return True


def opened_by(path: str) -> list[str]:
    """Programs that are not this server's and have files of the folder open, as far as can be
    seen (D-115)."""
    directory = f"{os.path.realpath(settings.MAILHOST_DATA / path)}/"
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and _has_open(entry, directory):
            with suppress(OSError):
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                if not any(Path(word).name in OUR_PROGRAMS for word in words):
                    found.add(f"{Path(words[0]).name} (process {entry.name})")
    return sorted(found)


def _has_open(process: Path, directory: str) -> bool:
    try:
        if f"{(process / 'cwd').readlink()}/".startswith(directory):
            return True
        for fd in (process / "fd").iterdir():
            with suppress(FileNotFoundError):
                if str(fd.readlink()).startswith(directory):
                    return True
    except OSError:
        pass
    return False


def _roots() -> list[Path]:
    return [settings.MAILHOST_DATA / "domains", *map(Path, settings.MAILHOST_DOMAIN_ROOTS)]
