"""Ticket files for other tools, one file per format; `registry` lists them."""
