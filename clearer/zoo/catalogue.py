"""Networks that come with the package: a file of weights each, and a card of measured figures.

What is there is what lies in this folder: ``<name>.safetensors`` with ``<name>.json``, both written
by ``benchmarks/zoo/make.py``, and ``<name>.md``, the same card for people.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, Final

from clearer.errors import ClearerError, InputError
from clearer.networks.weights_file import SavedWeights, read_weights
from clearer.runs.run import Run
from clearer.runs.settings import RunSettings
from clearer.space.old_words import text_in_words_of_today
from clearer.space.space import Architecture
from clearer.support.files import read_json, write_atomic, write_json
from clearer.support.schema import checked
from clearer.tasks.base import Task
from clearer.tasks.denoise import Denoise
from clearer.tasks.registry import task_from_dict
from clearer.zoo.card_record import CardRecord

if TYPE_CHECKING:
    from clearer.networks.network import RestorationNet

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
"""Where the files lie."""

RETIRED: Final = {"gray-50-fast": "gray-50"}
"""Networks that came with earlier versions, and which does better what each did."""


@dataclass(frozen=True, slots=True)
class ZooNetwork:
    """A network by its name."""

    name: str
    card: CardRecord
    """Content of ``<name>.json``."""

    @property
    def weights(self) -> Path:
        """Its file."""
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
        """That of the weights, by the card."""
        return Architecture.from_dict(self.card["run"]["architecture"])

    @property
    def settings(self) -> RunSettings:
        """Those of the run that trained it."""
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
        self.read()
        return read_weights(self.weights)

    def unpack(self, folder: Path) -> Run:
        """Make a run folder of it, with which all commands work that take a run.

        Raises:
            InputError: If the folder holds another run.
            ClearerError: If the weights are not those of the card.
        """
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
        """Content of its file.

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
    """All that are there, sorted."""
    found = (path.stem for path in FOLDER.glob("*.safetensors"))
    return tuple(sorted(name for name in found if (FOLDER / f"{name}.json").is_file()))


def zoo_network(name: str) -> ZooNetwork:
    """A network by its name.

    Raises:
        InputError: If there is none of that name, or its card is damaged.
    """
    if name not in zoo_names():
        _refuse_retired(name)
        known = ", ".join(zoo_names()) or "none"
        raise InputError(f"no network {name!r} comes with clearer: there is {known}")
    path = FOLDER / f"{name}.json"
    card: CardRecord = _in_words_of_today(read_json(path))
    checked(card, CardRecord, path, advice="install clearer again")
    return ZooNetwork(name, card)


def _in_words_of_today(card: Any) -> Any:
    """A card as earlier versions wrote it; what it says of the run has a version of its own."""
    if not isinstance(card, dict) or card.get("schema_version") != 1:
        return card
    return {**card, "schema_version": 2, "space": text_in_words_of_today(str(card.get("space")))}


def zoo_cards() -> list[CardRecord]:
    """What is known of the networks that come with clearer, by name: ``clearer zoo``.

    Example:
        >>> import clearer
        >>> [card["channels"] for card in clearer.zoo_cards() if card["name"] == "gray-blind"]
        [1]

    Raises:
        InputError: If a card is damaged.
    """
    return [zoo_network(name).card for name in zoo_names()]


def find_in_zoo(path: Path | None) -> ZooNetwork | None:
    """What a user means by a word: a file or folder of that name goes first, as it does for data.

    Returns:
        The network of that name; None where it is a path, there or not.

    Raises:
        InputError: If it is a single word without an ending, but neither a path nor known.
    """
    if path is None or path.exists() or len(path.parts) != 1 or path.suffix:
        return None
    if str(path) not in zoo_names():
        _refuse_retired(str(path))
        known = ", ".join(zoo_names()) or "none"
        raise InputError(
            f"{path} does not exist here, and is none of the networks that come with clearer: "
            f"{known}"
        )
    return zoo_network(str(path))


def _refuse_retired(name: str) -> None:
    if name in RETIRED:
        raise InputError(f"{name} no longer comes with clearer: {RETIRED[name]} replaces it")


def default_network(channels: int) -> ZooNetwork:
    """The one for pictures of unknown noise: of the denoisers for many levels, the best.

    They are blind, or told the level. A wider range of levels goes first, since figures are
    measured at the levels of the range; of equal ones the highest PSNR.

    Args:
        channels: Of the picture, 1 or 3; a gray network is taken for RGB where there is no other.

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
    """The one for a task, in RGB, of the highest PSNR; None where there is none."""
    found = [n for n in map(zoo_network, zoo_names()) if isinstance(n.task, task)]
    return max((n for n in found if n.channels == 3), key=_mean_db, default=None)


def _blind_range(task: Task) -> float:
    """Width of the range of noise levels; 0 for one level, and for all but white noise."""
    if not isinstance(task, Denoise) or task.noise != "gaussian":
        return 0.0
    return task.sigma.high - task.sigma.low


def _mean_db(network: ZooNetwork) -> float:
    """Mean PSNR over the sets and levels of the card."""
    return fmean(row["psnr_db"] for row in network.card["figures"]["rows"])
