"""The headers of every response: what a browser may do with it."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders

_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
HEADERS = {
    "Content-Security-Policy": "; ".join(f"{name} {sources}" for name, sources in _POLICY.items()),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": ", ".join(
        f"{feature}=()"
        for feature in ("camera", "display-capture", "geolocation", "microphone", "payment", "usb")
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
INERT = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"
}
"""Of what we write that brings its style along, drawings and tables: a document without scripts and of no origin."""


def secure(headers: MutableHeaders) -> None:
    """Add them to a response's own; the content policy that it states itself stays."""
    drawing = headers.get("content-type", "").startswith("image/svg+xml")
    for name, value in (HEADERS | INERT if drawing else HEADERS).items():
        headers.setdefault(name, value)
