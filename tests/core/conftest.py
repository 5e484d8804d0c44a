"""What tests of several floors share."""

import warnings
from collections.abc import Callable, Iterator
from importlib.util import find_spec

import pytest
import torch

from core.datasets import Dataset
from core.families.architecture import Architecture
from core.jobs.recipes import Recipe
from core.pruning.evolution import Evolution
from core.training.checkpoint import Arrays, TrainingState
from core.training.loop import Observer, Replicate, Trained, train
from core.training.mode import EXACT, Mode
from core.training.ranks import ALONE, Ranks

_OPERATORS = (
    *("nms", "qnms", "roi_align", "_roi_align_backward", "qroi_align", "ps_roi_align"),
    *("_ps_roi_align_backward", "roi_pool", "_roi_pool_backward", "ps_roi_pool", "_ps_roi_pool_backward"),
    *("deform_conv2d", "_deform_conv2d_backward"),
)


@pytest.fixture(scope="session")
def timm() -> Iterator[None]:
    """timm can be imported; tests that need it are skipped where it is not installed.

    torchvision built for another torch declares operators that it then does not have: they are declared here.
    """
    if find_spec("timm") is None:
        pytest.skip("timm is not installed")
    library = torch.library.Library("torchvision", "FRAGMENT")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import torchvision  # noqa: F401
    except RuntimeError:
        for name in _OPERATORS:
            library.define(f"{name}(Tensor x) -> Tensor")
    yield
    library._destroy()


@pytest.fixture
def train_alone() -> Callable[..., Trained]:
    """One training by itself: from weights and masks at a step, or from a state."""

    def train_alone(
        network: Architecture,
        dataset: Dataset,
        recipe: Recipe,
        *,
        seed: int,
        weights: Arrays,
        masks: Arrays,
        observer: Observer,
        start_step: int = 0,
        end_step: int | None = None,
        state: TrainingState | None = None,
        mode: Mode = EXACT,
        ranks: Ranks = ALONE,
        evolution: Evolution | None = None,
    ) -> Trained:
        start = state or TrainingState.fresh(weights, masks, start_step)
        replicates = [Replicate(seed, start, observer, evolution)]
        return train(network, dataset, recipe, replicates, mode=mode, end_step=end_step, ranks=ranks)[0]

    return train_alone
