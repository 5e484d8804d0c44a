"""Tickets of other tools: their files are read here, and ours are written for them. Nothing here runs a file's code."""
