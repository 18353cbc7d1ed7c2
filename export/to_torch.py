"""Exports a frozen network as a ``torch.export`` program, which runs with torch alone."""

from __future__ import annotations

import io
import json
from typing import Final

import torch
import torch.fx.experimental._config as fx_config
import torch.nn.functional as F
from torch import Tensor, nn
from torch.export import Dim

from clearer.networks.fold import fold_batch_norm
from clearer.networks.network import RestorationNet

__all__ = ["PROGRAM_METADATA", "to_torch_program"]

PROGRAM_METADATA: Final = "clearer.json"
"""Name of the extra file in the archive that holds the metadata, as JSON."""
_EXAMPLE_SHAPE: Final = (2, 41, 57)
"""Batch and sides of the traced example: all different, none a multiple of 8, none 1, so that none
is mistaken for a constant."""
# Where the tracer records which line of which file on this machine made a node.
_ORIGINS: Final = ("stack_trace", "nn_module_stack", "source_fn_stack", "from_node")


class _AtLevel(nn.Module):
    """A network with a level map, for one level."""

    def __init__(self, network: nn.Module, sigma: float) -> None:
        super().__init__()
        self.network, self.level = network, sigma / 255

    def forward(self, image: Tensor) -> Tensor:
        restored: Tensor = self.network(F.pad(image, (0, 0, 0, 0, 0, 1), value=self.level))
        return restored


def to_torch_program(
    network: RestorationNet, metadata: dict[str, str], *, sigma: float | None = None
) -> bytes:
    """Export in fp32 with batch normalisation folded and padding inside, for any batch and size.

    ``torch.export.load(file).module()`` is the network; clearer need not be installed. With a level
    map, the last plane of its input is the noise level, on the scale of the image.

    Args:
        network: A network in evaluation mode, on the CPU.
        metadata: Metadata of the file, as key and value strings.
        sigma: Fixed level, scale 0 to 255, of a network with a level map.

    Returns:
        The bytes of a .pt2 archive.

    Raises:
        ValueError: If the network is in training mode.
    """
    folded: nn.Module = fold_batch_norm(network).requires_grad_(False)
    space = network.architecture.space
    planes = space.input_planes if sigma is None else space.channels
    if sigma is not None:
        folded = _AtLevel(folded, sigma).eval()
    batch, height, width = _EXAMPLE_SHAPE
    example = torch.zeros(batch, planes, height, width)
    sizes = {0: Dim.DYNAMIC, 2: Dim.DYNAMIC, 3: Dim.DYNAMIC}
    # Otherwise the program has guards against all that the example is not: a batch of 1, a side
    # that needs no padding, a picture of one block.
    with fx_config.patch(backed_size_oblivious=True):  # type: ignore[attr-defined]
        program = torch.export.export(folded, (example,), dynamic_shapes=(sizes,))
    for node in program.graph.nodes:
        for origin in _ORIGINS:
            node.meta.pop(origin, None)
    buffer = io.BytesIO()
    extra = {PROGRAM_METADATA: json.dumps(metadata, indent=2)}
    torch.export.save(program, buffer, extra_files=extra)
    return buffer.getvalue()
