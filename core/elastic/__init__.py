"""Elastic Ticket Transformations: pure functions on named arrays, without families, torch or service."""
