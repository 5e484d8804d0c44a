"""What tests of several floors share."""

import warnings
from collections.abc import Iterator
from importlib.util import find_spec

import pytest
import torch

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
