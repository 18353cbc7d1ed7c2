"""A folder of small networks instead of those that come with the package."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch

from clearer.networks.network import RestorationNet, save_network
from clearer.space.space import Architecture, SearchSpace
from clearer.support.files import read_json, write_json
from clearer.tasks.base import Span
from clearer.tasks.dejpeg import DeJpeg
from clearer.tasks.paired import Derain
from clearer.tasks.photo import Photo
from clearer.tasks.registry import task_to_dict
from clearer.zoo.catalogue import FOLDER

CARD: dict[str, Any] = read_json(FOLDER / "gray-small.json")


def add_network(
    folder: Path,
    name: str,
    channels: int,
    sigma: str = "5:50",
    gain_db: float = 0.0,
    *,
    level_map: bool = False,
) -> Path:
    """Add a network with random weights, which changes every pixel, and a card.

    Args:
        folder: Folder to write to.
        name: Name of the network.
        channels: 1 or 3.
        sigma: Noise that it is said to remove.
        gain_db: Added to the PSNR of the card.
        level_map: Whether it is given the level.
    """
    span = Span.parse(sigma)
    task = {**CARD["task"], "sigma": sigma}
    figures = json.loads(json.dumps(CARD["figures"]))
    figures["rows"] = [r for r in figures["rows"] if span.low <= r["sigma_255"] <= span.high]
    for row in figures["rows"]:
        row["psnr_db"] += gain_db
    purpose = f"pictures with white Gaussian noise, sigma {sigma}"
    changes = {"purpose": purpose, "figures": figures}
    return _add(folder, name, channels, task, changes, level_map=level_map)


def add_derainer(folder: Path, name: str) -> Path:
    """The same for rain in RGB, whose card shows pairs."""
    figures, training = dict(CARD["figures"]), dict(CARD["training"])
    del figures["noise_seed"], training["num_in_bsd68"]
    luma = {"y_input_psnr_db": 22.5, "y_input_ssim": 0.7, "y_psnr_db": 25.5, "y_ssim": 0.8}
    row = {**figures["rows"][0], "data": "rain800", "num_images": 98, "sigma_255": None, **luma}
    clean = {"data": "kodak24", "num_images": 24, "psnr_db": 58.5, "least_psnr_db": 48.25}
    figures |= {"clean": {**clean, "ssim": 0.999}}
    figures |= {"protocol": "pairs", "rows": [row]}
    figures |= {"max_megapixels": 2.0, "left_out": ["test/60.jpg", "test/71.jpg"]}
    training |= {"left_out": ["train/460.jpg"], "num_in_test": 0}
    training |= {"train": {"rain800 train": 629}, "num_train": 629}
    probes = {**CARD["probes"], "sigma_255": None, "noise_seed": None}
    purpose = "RGB pictures with rain"
    changes = {"purpose": purpose, "figures": figures, "training": training, "probes": probes}
    return _add(folder, name, 3, task_to_dict(Derain()), changes)


def add_photo_network(folder: Path, name: str) -> Path:
    """The same for photographs of cameras."""
    figures, training = dict(CARD["figures"]), dict(CARD["training"])
    del figures["noise_seed"], training["num_in_bsd68"]
    row = {**figures["rows"][0], "data": "polyu", "num_images": 50, "sigma_255": None}
    clean = {"data": "kodak24", "num_images": 24, "psnr_db": 46.5, "least_psnr_db": 41.25}
    figures |= {"protocol": "pairs", "rows": [row], "num_tuned": 50, "num_ssim_lost": 3}
    figures |= {"clean": {**clean, "ssim": 0.995}}
    training |= {"num_in_test": 0}
    probes = {**CARD["probes"], "sigma_255": None, "noise_seed": None}
    purpose = "photographs, RGB: the noise of cameras, and JPEG"
    changes = {"purpose": purpose, "figures": figures, "training": training, "probes": probes}
    return _add(folder, name, 3, task_to_dict(Photo()), changes)


def add_deblocker(folder: Path, name: str) -> Path:
    """The same for JPEG."""
    figures, training = dict(CARD["figures"]), dict(CARD["training"])
    del figures["noise_seed"], training["num_in_bsd68"]
    of_jpeg = {"sigma_255": None, "quality": 10, "input_psnr_b_db": 23.5, "psnr_b_db": 27.25}
    row = {**figures["rows"][0], "data": "kodak24", "num_images": 24, **of_jpeg}
    figures |= {"protocol": "jpeg", "rows": [row, {**row, "quality": 40}]}
    training |= {"num_in_test": 0}
    probes = {**CARD["probes"], "sigma_255": None, "noise_seed": None}
    purpose = "RGB pictures that were saved as JPEG, quality 10:60"
    changes = {"purpose": purpose, "figures": figures, "training": training, "probes": probes}
    return _add(folder, name, 3, task_to_dict(DeJpeg()), changes)


def _add(
    folder: Path,
    name: str,
    channels: int,
    task: dict[str, str],
    changes: dict[str, Any],
    *,
    level_map: bool = False,
) -> Path:
    torch.manual_seed(channels)
    space = SearchSpace(
        channels=channels, width=2, columns=(1, 1), unshuffle=2, residual=True, level_map=level_map
    )
    network = RestorationNet(Architecture.from_text("P-F", space)).eval()
    torch.nn.init.normal_(network.output.head.weight, std=0.03)
    path = folder / f"{name}.safetensors"
    save_network(path, network.architecture, network.state_dict(), {"task": task})
    card = json.loads(json.dumps({**CARD, **changes}))
    settings = card["run"]["config"]["settings"]
    settings |= {
        "space": space.to_dict(),
        "data": "bsds500",
        "task": task,
        "color": "rgb" if channels == 3 else "gray",
    }
    card["run"]["architecture"] |= network.architecture.to_dict()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    card |= {"name": name, "channels": channels, "task": task, "weights_sha256": digest}
    write_json(folder / f"{name}.json", card)
    return path
