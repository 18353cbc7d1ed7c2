"""A frozen network as a ``torch.export`` program, which torch alone loads and runs."""

from __future__ import annotations

import io
import json
from typing import Final

import torch
import torch.fx.experimental._config as fx_config
from torch.export import Dim

from clearer.export.fold import fold_batch_norm
from clearer.network import RestorationNet

__all__ = ["PROGRAM_METADATA", "to_torch_program"]

PROGRAM_METADATA: Final = "clearer.json"
"""Name of the extra file in the archive that holds the metadata, as JSON."""
_EXAMPLE_SHAPE: Final = (2, 41, 57)
"""Batch and sides of the example that is traced: no two alike, none a multiple of 8, none 1, so
that nothing of it can be taken for a constant."""
# Where the tracer notes which line of which file of this machine made a node.
_ORIGINS: Final = ("stack_trace", "nn_module_stack", "source_fn_stack", "from_node")


def to_torch_program(network: RestorationNet, metadata: dict[str, str]) -> bytes:
    """Export in fp32 with batch normalisation folded and padding inside, for any batch and size.

    ``torch.export.load(file).module()`` is the network; clearer need not be installed.

    Args:
        network: In evaluation mode, on the CPU.
        metadata: Key and value strings that the file carries.

    Returns:
        The bytes of a .pt2 archive.

    Raises:
        ValueError: If the network is in training mode.
    """
    folded = fold_batch_norm(network).requires_grad_(False)
    batch, height, width = _EXAMPLE_SHAPE
    example = torch.zeros(batch, network.architecture.space.channels, height, width)
    sizes = {0: Dim.DYNAMIC, 2: Dim.DYNAMIC, 3: Dim.DYNAMIC}
    # Else the program is guarded against all that the example is not: a batch of 1, a side that
    # needs no padding, a picture of one block.
    with fx_config.patch(backed_size_oblivious=True):  # type: ignore[attr-defined]
        program = torch.export.export(folded, (example,), dynamic_shapes=(sizes,))
    for node in program.graph.nodes:
        for origin in _ORIGINS:
            node.meta.pop(origin, None)
    buffer = io.BytesIO()
    extra = {PROGRAM_METADATA: json.dumps(metadata, indent=2)}
    torch.export.save(program, buffer, extra_files=extra)
    return buffer.getvalue()
