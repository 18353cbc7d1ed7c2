"""What an exported file says about itself."""

from __future__ import annotations

import json
from typing import Any

from clearer import __version__
from clearer.space import Architecture

__all__ = ["model_metadata"]


def model_metadata(architecture: Architecture, info: dict[str, Any]) -> dict[str, str]:
    """Key and value strings for an ONNX file.

    Args:
        architecture: Of the network in the file.
        info: What :func:`clearer.network.load_network` returned beside the network; empty for a
            network that has not been trained.
    """
    space = architecture.space
    options = dict(info.get("task", {}))
    data = str(info.get("data", "none"))
    return {
        "task": str(options.pop("name", "none")),
        "task_options": json.dumps(options, sort_keys=True),
        "channels": str(space.channels),
        "color_order": "gray" if space.channels == 1 else "RGB",
        "layout": "NCHW",
        "range": "0..1, output not clipped",
        "sizes": f"any; padded inside to a multiple of {space.multiple}",
        "architecture": architecture.to_json(),
        "training_data": data,
        "protocol": str(info.get("protocol", "none")),
        "selection": str(info.get("selection", "none")),
        "val_psnr_db": f"{info['val_psnr_db']:.3f}" if "val_psnr_db" in info else "none",
        "val_ssim": f"{info['val_ssim']:.4f}" if "val_ssim" in info else "none",
        "generator": f"clearer {__version__}",
        "licence": f"code MIT; weights under the terms of the training data: {data}",
    }
