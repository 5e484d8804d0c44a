"""How counts and amounts read in a sentence."""

from __future__ import annotations


def plural(number: int, noun: str, several: str | None = None) -> str:
    """1 ticket, 3 tickets; `several` where an s does not make the plural."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {several or f'{noun}s'}"


def amount(value: float) -> str:
    """Three digits of what is small; tenths, and what was given more exactly, of the rest."""
    return f"{value:.3g}" if value < 1 else f"{value:,.2f}".rstrip("0").rstrip(".")
