"""What is known of each export format without opening torch: file endings, media types and titles."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FormatFacts:
    """A file format that a ticket is converted to.

    `suffix` ends the file's name, dot included. `network`: it takes the network itself and not its tensors alone to
    write it, so that a posted architecture, whose network is not known here, has no such file.
    """

    name: str
    suffix: str
    media_type: str
    title: str
    network: bool = False


_BINARY = "application/octet-stream"
_TAR = "application/x-tar"

_FACTS = (
    FormatFacts("safetensors", ".safetensors", _BINARY, "safetensors: dense weights, and a mask beside each"),
    FormatFacts("torch_prune", ".prune.pth", _BINARY, "PyTorch state dict of torch.nn.utils.prune"),
    FormatFacts("open_lth", ".open_lth.tar", _TAR, "A level of open_lth and ElasticLTH"),
    FormatFacts("dense", ".pth", _BINARY, "PyTorch state dict with zeros where pruned"),
    FormatFacts("onnx", ".onnx", _BINARY, "ONNX network with sparse initialisers", network=True),
    FormatFacts("huggingface", ".huggingface.tar", _TAR, "Hugging Face model folder with its card"),
    FormatFacts(
        "compact",
        ".compact.safetensors",
        _BINARY,
        "safetensors: the smaller dense network without dead channels",
        network=True,
    ),
    FormatFacts("compact_onnx", ".compact.onnx", _BINARY, "ONNX network without dead channels", network=True),
)

FORMATS: dict[str, FormatFacts] = {facts.name: facts for facts in _FACTS}
"""The formats by name; the ticket's own, `elasticket`, is no conversion and is not among them."""
