"""The networks that come with the package, each with weights and a card of measured figures.

The networks are the files in this folder: ``<name>.safetensors`` with ``<name>.json``, both written
by ``benchmarks/zoo/make.py``, and ``<name>.md``, the same card for people.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, Final

from clearer.errors import ClearerError, InputError
from clearer.space.old_words import text_in_words_of_today
from clearer.space.space import Architecture
from clearer.support.files import read_json, write_atomic, write_json
from clearer.support.schema import checked
from clearer.tasks.base import Task
from clearer.tasks.denoise import Denoise
from clearer.tasks.registry import task_from_dict
from clearer.zoo.card_record import CardRecord

if TYPE_CHECKING:  # reading cards needs neither arrays nor pictures
    from clearer.networks.network import RestorationNet
    from clearer.networks.weights_file import SavedWeights
    from clearer.runs.run import Run
    from clearer.runs.settings import RunSettings

__all__ = [
    "FOLDER",
    "RETIRED",
    "ZooNetwork",
    "default_network",
    "find_in_zoo",
    "network_for",
    "zoo_cards",
    "zoo_names",
    "zoo_network",
]

FOLDER: Final = Path(__file__).parent
"""Folder of the files."""

RETIRED: Final = {
    "gray-50-fast": "gray-50",
    "gray-blind": "gray",
    "gray-blind-small": "gray-small",
    "rgb-blind": "rgb",
}
"""Networks that came with earlier versions, and the network that replaces each."""


@dataclass(frozen=True, slots=True)
class ZooNetwork:
    """A network by its name."""

    name: str
    card: CardRecord
    """Content of ``<name>.json``."""

    @property
    def weights(self) -> Path:
        """Path of its weights."""
        return FOLDER / f"{self.name}.safetensors"

    @property
    def channels(self) -> int:
        """1 (gray) or 3 (RGB)."""
        return int(self.card["channels"])

    @property
    def task(self) -> Task:
        """What it was trained to undo."""
        return task_from_dict(self.card["task"])

    @property
    def architecture(self) -> Architecture:
        """The architecture, according to the card."""
        return Architecture.from_dict(self.card["run"]["architecture"])

    @property
    def settings(self) -> RunSettings:
        """Settings of the run that trained it."""
        from clearer.runs.settings import RunSettings

        return RunSettings.from_dict(self.card["run"]["config"]["settings"])

    def load(self) -> tuple[RestorationNet, dict[str, Any]]:
        """The network in evaluation mode, and the ``info`` saved with it.

        Raises:
            ClearerError: If the weights are not those of the card.
        """
        from clearer.networks.network import network_of

        saved = self.read_weights()
        return network_of(saved), saved.info

    def read_weights(self) -> SavedWeights:
        """Its weights.

        Raises:
            ClearerError: If they are not those of the card.
        """
        from clearer.networks.weights_file import read_weights

        self.read()
        return read_weights(self.weights)

    def unpack(self, folder: Path) -> Run:
        """Write it as a run folder, for all commands that take a run.

        Raises:
            InputError: If the folder holds another run.
            ClearerError: If the weights are not those of the card.
        """
        from clearer.runs.run import Run

        weights, run = self.read(), Run(folder)
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder} is a file: give --out a folder")
        if run.weights.is_file():
            if run.weights.read_bytes() != weights:
                raise InputError(f"{folder} holds another network: choose another --out")
        elif run.config.exists():
            raise InputError(f"{folder} holds a run: choose another --out")
        write_atomic(run.weights, weights)
        write_json(run.architecture, self.card["run"]["architecture"])
        write_json(run.config, self.card["run"]["config"])
        return run

    def read(self) -> bytes:
        """Content of its weights file.

        Raises:
            ClearerError: If it is not that of the card.
        """
        data = self.weights.read_bytes()
        if hashlib.sha256(data).hexdigest() != self.card["weights_sha256"]:
            raise ClearerError(
                f"{self.weights} is damaged (its SHA-256 is not that of its card): install clearer "
                "again"
            )
        return data


def zoo_names() -> tuple[str, ...]:
    """Names of all networks, sorted."""
    found = (path.stem for path in FOLDER.glob("*.safetensors"))
    return tuple(sorted(name for name in found if (FOLDER / f"{name}.json").is_file()))


def zoo_network(name: str) -> ZooNetwork:
    """A network by its name.

    Raises:
        InputError: If there is none of that name, or its card is damaged.
    """
    if name not in zoo_names():
        _refuse_retired(name)
        raise InputError(f"no network {name!r} comes with clearer{_known_names(name)}")
    path = FOLDER / f"{name}.json"
    card: CardRecord = _in_words_of_today(read_json(path))
    checked(card, CardRecord, path, advice="install clearer again")
    return ZooNetwork(name, card)


def _in_words_of_today(card: Any) -> Any:
    """Convert a card of an earlier version; the run inside it has its own version."""
    if not isinstance(card, dict) or card.get("schema_version") != 1:
        return card
    return {**card, "schema_version": 2, "space": text_in_words_of_today(str(card.get("space")))}


def zoo_cards() -> list[CardRecord]:
    """The cards of the networks that come with clearer, sorted by name: ``clearer zoo``.

    Example:
        >>> import clearer
        >>> [card["channels"] for card in clearer.zoo_cards() if card["name"] == "gray-25"]
        [1]

    Raises:
        InputError: If a card is damaged.
    """
    return [zoo_network(name).card for name in zoo_names()]


def find_in_zoo(path: Path | None) -> ZooNetwork | None:
    """Resolve a word: a file or folder of that name takes precedence, as it does for data.

    Returns:
        The network of that name; None if it is a path, existing or not.

    Raises:
        InputError: If it is a single word without an extension, but neither a path nor a network.
    """
    if path is None or path.exists() or len(path.parts) != 1 or path.suffix:
        return None
    name = str(path)
    if name not in zoo_names():
        _refuse_retired(name)
        raise InputError(
            f"{name} does not exist here, and is none of the networks that come with clearer"
            f"{_known_names(name)}"
        )
    return zoo_network(name)


def _refuse_retired(name: str) -> None:
    if name in RETIRED:
        raise InputError(f"{name} no longer comes with clearer: {RETIRED[name]} replaces it")


def _known_names(name: str) -> str:
    """The end of a message about an unknown name: the one that is like it, and all."""
    from difflib import get_close_matches

    known = zoo_names()
    near = get_close_matches(name, known, 1)
    return (f" (did you mean {near[0]}?): " if near else ": ") + (", ".join(known) or "none")


def default_network(channels: int) -> ZooNetwork:
    """The network for pictures of unknown noise: the best denoiser for a range of levels.

    It is blind, or takes the level. The widest range of levels is preferred, since figures are
    measured at levels of the range; then the highest PSNR.

    Args:
        channels: Channels of the picture, 1 or 3; without an RGB network a gray one is used.

    Raises:
        InputError: If there is none.
    """
    blind = [n for n in (zoo_network(name) for name in zoo_names()) if _blind_range(n.task)]
    for wanted in (channels, 1):
        usable = [n for n in blind if n.channels == wanted]
        if usable:
            return max(usable, key=lambda n: (_blind_range(n.task), _mean_db(n), n.name))
    known = ", ".join(zoo_names()) or "none"
    raise InputError(
        "no run under runs/, and no network for unknown noise comes with clearer: give --model one "
        f"by its name ({known})"
    )


def network_for(task: type[Task]) -> ZooNetwork | None:
    """The RGB network for a task with the highest PSNR; None if there is none."""
    found = [n for n in map(zoo_network, zoo_names()) if isinstance(n.task, task)]
    return max((n for n in found if n.channels == 3), key=_mean_db, default=None)


def _blind_range(task: Task) -> float:
    """Width of the range of noise levels; 0 for a single level, and unless the noise is white."""
    if not isinstance(task, Denoise) or task.noise != "gaussian":
        return 0.0
    return task.sigma.high - task.sigma.low


def _mean_db(network: ZooNetwork) -> float:
    """Mean PSNR over the sets and levels of the card."""
    return fmean(row["psnr_db"] for row in network.card["figures"]["rows"])
