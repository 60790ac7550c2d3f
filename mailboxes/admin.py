"""Folders and messages in the Django admin: shown only, as sessions count on their numbers."""

from __future__ import annotations

from django.contrib import admin

from adminsite.readonly import ReadOnlyAdmin
from mailboxes import models


@admin.register(models.Folder)
class FolderAdmin(ReadOnlyAdmin):
    list_display = ("name", "account", "special_use", "messages", "unseen", "bytes")
    list_select_related = ("account__domain",)
    list_filter = ("special_use",)
    search_fields = ("name", "account__local_part", "account__domain__name")


@admin.register(models.Message)
class MessageAdmin(ReadOnlyAdmin):
    list_display = ("id", "folder", "uid", "size_bytes", "received_at", "is_settled")
    list_select_related = ("folder",)
    search_fields = ("=id", "=folder__id")


@admin.register(models.ExpungedMessage)
class ExpungedMessageAdmin(ReadOnlyAdmin):
    list_display = ("folder", "uid", "modseq")
    list_select_related = ("folder",)
    search_fields = ("=folder__id",)


@admin.register(models.Subscription)
class SubscriptionAdmin(ReadOnlyAdmin):
    list_display = ("name", "account")
    list_select_related = ("account__domain",)
    search_fields = ("name", "account__local_part")


@admin.register(models.AccountUsage)
class AccountUsageAdmin(ReadOnlyAdmin):
    list_display = ("account", "bytes", "messages")
    list_select_related = ("account__domain",)
    search_fields = ("account__local_part", "account__domain__name")


@admin.register(models.DomainUsage)
class DomainUsageAdmin(ReadOnlyAdmin):
    list_display = ("domain", "bytes", "messages")
    list_select_related = ("domain",)
    search_fields = ("domain__name",)


@admin.register(models.MaildropLock)
class MaildropLockAdmin(ReadOnlyAdmin):
    list_display = ("account", "session", "lapses_at")
    list_select_related = ("account__domain",)
