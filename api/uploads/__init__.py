"""Uploads that go straight to the object store: the API hands out addresses, and never reads the file."""
