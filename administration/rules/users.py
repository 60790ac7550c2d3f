"""Undoing what was changed about a user: settings, role, app passwords; and adding one."""

from __future__ import annotations

from accounts import administrators, apppasswords, identities, rows, services
from accounts.models import AppPassword, Role, User
from accounts.permissions import Verb
from administration.errors import CannotUndo, GoneSince
from administration.rules.table import old_values, require, undoes
from events.models import AuditEntry
from mailboxes.models import Folder

USER = "accounts.user"


def user_of(entry: AuditEntry) -> User:
    """Locked. Raises GoneSince."""
    user = User.objects.select_related("domain").filter(pk=entry.object_id or 0).first()
    if user is None:
        raise GoneSince(f"the user {entry.object_name}")
    return rows.lock(user)


@undoes(USER, "changed user")
def changed(entry: AuditEntry, by: User | None) -> bool:
    user = user_of(entry)
    values = old_values(entry, user)
    verbs = services.verbs_to_change(values) if user.domain_id else {Verb.MANAGE_SERVER}
    for verb in verbs:
        require(by, verb, user.domain)
    if values:
        services.change_user(user=user, values=values, by=by)
    return bool(values)


@undoes(USER, "linked identity")
def linked(entry: AuditEntry, by: User | None) -> bool:
    user = user_of(entry)
    if by is None or by.pk != user.pk:
        require(by, Verb.CHANGE_USERS if user.domain_id else Verb.MANAGE_SERVER, user.domain)
    _, name = entry.changes["identity"]
    found = [link for link in identities.of_user(user) if str(link) == name]
    for link in found:
        identities.disconnect(link=link, by=by)
    return bool(found)


@undoes(USER, "added user")
def added(entry: AuditEntry, by: User | None) -> bool:
    user = user_of(entry)
    require(by, Verb.CHANGE_USERS, user.domain)
    if user.role == Role.DOMAIN_ADMINISTRATOR:
        require(by, Verb.CHANGE_ADMINISTRATORS, user.domain)
    if Folder.objects.filter(account=user, messages__gt=0).exists():
        raise CannotUndo("the mailbox has mail already: delete the user instead")
    services.delete_user(user=user, by=by)
    return True


@undoes(USER, "changed role")
def role(entry: AuditEntry, by: User | None) -> bool:
    user = user_of(entry)
    require(by, Verb.CHANGE_ADMINISTRATORS, user.domain)
    values = old_values(entry, user)
    if not values:
        return False
    if values["role"] == Role.USER:
        administrators.revoke(user=user, by=by)
    else:
        administrators.grant(user=user, by=by)
    return True


@undoes(USER, "changed administrator")
def administrator(entry: AuditEntry, by: User | None) -> bool:
    """Appointing leaves two entries: whoever became primary gives way to whoever was before."""
    user = user_of(entry)
    require(by, Verb.CHANGE_ADMINISTRATORS, user.domain)
    was, became = entry.changes["is_primary_administrator"]
    if not became:
        return _appoint(user, by) if was else False
    before = (user.role, user.is_primary_administrator)
    former = _former(entry)
    if user.is_primary_administrator and former is not None:
        _appoint(former, by)
        user.refresh_from_db()
    old_role = entry.changes.get("role", [user.role])[0]
    if old_role == Role.USER and not user.is_primary_administrator:
        user = administrators.revoke(user=user, by=by)
    return before != (user.role, user.is_primary_administrator)


def _appoint(user: User, by: User | None) -> bool:
    if user.is_primary_administrator:
        return False
    administrators.appoint(user=user, by=by)
    return True


def _former(entry: AuditEntry) -> User | None:
    """Who was primary until this entry; None: whoever it was is gone."""
    others = AuditEntry.objects.filter(
        operation=entry.operation, verb=entry.verb, domain_id=entry.domain_id, pk__lt=entry.pk
    )
    for other in others.order_by("-id"):
        if other.changes["is_primary_administrator"][0]:
            return User.objects.filter(pk=other.object_id or 0, domain=entry.domain_id).first()
    return None


@undoes(USER, "added app password")
def app_password(entry: AuditEntry, by: User | None) -> bool:
    user = user_of(entry)
    if by is None or by.pk != user.pk:
        require(by, Verb.CHANGE_USERS, user.domain)
    name = entry.changes["name"][1]
    row = AppPassword.objects.filter(user=user, name=name).first()
    if row is not None:
        apppasswords.remove(app_password=row, by=by)
    return row is not None
