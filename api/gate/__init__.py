"""What a request meets before any route: who may ask, from where, how often, and how slowly."""
