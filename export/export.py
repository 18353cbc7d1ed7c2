"""Export of a run: the file, checked, and the report of the checks."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from clearer import __version__
from clearer.cost import cost_table
from clearer.errors import ClearerError
from clearer.export.metadata import model_metadata
from clearer.export.parity import PARITY_LIMIT, check_parity
from clearer.export.to_onnx import OPSET, to_onnx
from clearer.files import write_atomic, write_json
from clearer.network import load_network
from clearer.run import Run

__all__ = ["export_run"]

_SCHEMA_VERSION: Final = 1


def export_run(run: Run) -> dict[str, Any]:
    """Write ``model.onnx`` and ``export.json`` of a trained run.

    Returns:
        The content of ``export.json``.

    Raises:
        InputError: If the run has no weights.
        ClearerError: If the file differs from torch, or is over a budget of the run; it is not
            put in place then.
    """
    network, info = load_network(run.weights)
    architecture = network.architecture
    settings = run.settings()
    model = to_onnx(network, model_metadata(architecture, info))
    parity = check_parity(model, network)
    sizes = {
        "mb": len(model) / 1e6,
        "params": cost_table(architecture.space, "params").cost(architecture),
    }
    # What time and arithmetic the architecture takes was measured when it was chosen.
    of_file = [budget for budget in settings.budgets if budget.metric in sizes]
    budgets = [{"metric": b.metric, "limit": b.limit, "measured": sizes[b.metric]} for b in of_file]
    for budget in of_file:
        if sizes[budget.metric] > budget.limit:
            raise ClearerError(
                f"the file has {budget.text(sizes[budget.metric])}, over {budget.option} "
                f"{budget.limit:g}: no file was written; search again with the same budget"
            )
    report = {
        "schema_version": _SCHEMA_VERSION,
        "clearer": __version__,
        "architecture": architecture.text,
        "files": [
            {
                "file": run.onnx.name,
                "precision": "fp32",
                "opset": OPSET,
                "bytes": len(model),
                "sha256": hashlib.sha256(model).hexdigest(),
                "parity_limit": PARITY_LIMIT,
                "parity": parity,
            }
        ],
        "params": sizes["params"],
        "budgets": budgets,
    }
    write_atomic(run.onnx, model)
    write_json(run.export_report, report)
    return report
