"""Images and labels as tensors, and the batches that a training sees."""

from core.datasets.dataset import Batch, Batches, Dataset
from core.datasets.errors import DatasetInvalid, DatasetMissing
from core.datasets.loading import load
from core.datasets.resident import Resident

__all__ = ["Batch", "Batches", "Dataset", "DatasetInvalid", "DatasetMissing", "Resident", "load"]
