"""The types of the API, one module per tag."""
