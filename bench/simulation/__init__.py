"""A fleet of GPUs in a simulation: the product's own queue, leases and reconciler, on a clock that is moved by hand."""
