"""On which terms this server speaks TLS."""

from __future__ import annotations

import ssl


def server_context() -> ssl.SSLContext:
    """RFC 8996: nothing below TLS 1.2; RFC 9325 §4.2: forward secrecy and AEAD only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    return context
