"""A certificate of one's own, and the wish for one to be ordered."""

from __future__ import annotations

from django import forms

from certificates import pem
from panel.forms.base import PanelForm


class UploadForm(PanelForm):
    """Files rather than text fields, so that a key is never sent back with an error."""

    help_page = "certificates"
    name = forms.CharField(
        label="Host", max_length=255, help_text="A host name, or *.example.com.",
        widget=forms.TextInput(attrs={"autocapitalize": "none"}),
    )  # fmt: skip
    chain = forms.FileField(
        label="Certificate", help_text="PEM: the certificate of the host, then its issuers'."
    )
    key = forms.FileField(label="Key", help_text="PEM: its private key, without passphrase.")

    def pem_of(self, name: str) -> bytes:
        """One byte more than may be, so that the service refuses what is too long."""
        content: bytes = self.cleaned_data[name].read(pem.LONGEST_BYTES + 1)
        return content


class OrderForm(PanelForm):
    help_page = "certificates"
    name = forms.CharField(
        label="Host", max_length=255, help_text="Its port 80 must lead to this server.",
        widget=forms.TextInput(attrs={"autocapitalize": "none"}),
    )  # fmt: skip
