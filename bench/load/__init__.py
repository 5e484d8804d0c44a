"""What one installation bears: many rows, many readers, many watchers, large uploads, long queues.

`python -m bench.load.run` measures the whole stack as `elasticket up` starts it, in a home of its own.
"""
