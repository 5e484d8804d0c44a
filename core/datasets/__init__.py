"""Images and labels as tensors, and the batches that a training sees."""

from core.datasets.dataset import Dataset, load
from core.datasets.errors import DatasetInvalid, DatasetMissing

__all__ = ["Dataset", "DatasetInvalid", "DatasetMissing", "load"]
