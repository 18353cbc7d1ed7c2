"""Exports the networks that come with the package for other runtimes."""

from __future__ import annotations

import hashlib
from pathlib import Path

from clearer import __version__
from clearer.export import graph, to_onnx
from clearer.export.artefacts import ExportSettings
from clearer.export.export import export_run
from clearer.networks import blocks, fold_arrays
from clearer.networks import network as network_module
from clearer.runs.run import Run
from clearer.support.user_cache import user_cache
from clearer.zoo.catalogue import ZooNetwork

__all__ = ["exported_network"]


def exported_network(network: ZooNetwork) -> Run:
    """A run folder in the cache with ``model.onnx``, which is made once and checked against torch.

    Raises:
        ClearerError: If the weights are damaged, or the file cannot be made.
    """
    # The code that writes the graph is part of the key: the version may lag behind it.
    makers = (blocks, network_module, fold_arrays, graph, to_onnx)
    sources = b"".join(Path(str(module.__file__)).read_bytes() for module in makers)
    code = hashlib.sha256(sources).hexdigest()
    version = f"{__version__}-{network.card['weights_sha256'][:12]}-{code[:12]}"
    cache = user_cache() / "zoo" / version
    run = network.unpack(cache / network.name)
    if not run.onnx.exists():
        export_run(run, ExportSettings())
    return run
