"""A folder of small networks in place of those that come with the package."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch

from clearer.files import read_json, write_json
from clearer.network import RestorationNet, save_network
from clearer.space import Architecture, SearchSpace
from clearer.zoo import FOLDER, zoo_names

CARD: dict[str, Any] = read_json(FOLDER / f"{zoo_names()[0]}.json")


def add_network(folder: Path, name: str, channels: int, sigma: str = "5:50") -> Path:
    """A network of random weights that changes every pixel, and a card as those of the package."""
    torch.manual_seed(channels)
    space = SearchSpace(channels=channels, width=2, columns=(1, 1), stem=2, residual=True)
    network = RestorationNet(Architecture.from_text("P-F", space)).eval()
    torch.nn.init.normal_(network.output.head.weight, std=0.03)
    task = {**CARD["task"], "sigma": sigma}
    path = folder / f"{name}.safetensors"
    save_network(path, network.architecture, network.state_dict(), {"task": task})
    card = json.loads(json.dumps(CARD))
    settings = card["run"]["config"]["settings"]
    settings |= {
        "space": space.to_dict(),
        "task": task,
        "color": "rgb" if channels == 3 else "gray",
    }
    card["run"]["architecture"] |= network.architecture.to_dict()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    card |= {"name": name, "channels": channels, "task": task, "weights_sha256": digest}
    write_json(folder / f"{name}.json", card)
    return path
