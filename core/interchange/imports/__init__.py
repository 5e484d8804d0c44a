"""One file per foreign format: how it is recognised, and what it says."""
