"""Data sets known by name: their sources, their terms of use, and where they are stored."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Final

from clearer.errors import InputError
from clearer.support.user_cache import user_cache

__all__ = [
    "DATA_SETS",
    "DataSet",
    "cache_folder",
    "data_collection",
    "data_set",
    "data_terms",
    "find_data_set",
    "resolve_data",
]

_RAW: Final = "https://raw.githubusercontent.com"
_BERKELEY: Final = (
    "free for non-commercial research and education; cite Arbelaez, Maire, Fowlkes, Malik, TPAMI "
    "33(5), 2011"
)
_NONE_STATED: Final = "the source states none; a standard research test set"


@dataclass(frozen=True, kw_only=True, slots=True)
class DataSet:
    """Pictures of a public repository at one commit, each with its SHA-256 and size."""

    name: str
    what: str
    mb: float
    terms: str
    repository: str
    commit: str
    folders: Mapping[str, str] = field(default_factory=dict)
    """Folder in the repository by local folder; ``""`` is the set itself. Where file names differ,
    a pattern of the path there, in which ``*`` is the local name without its extension."""
    changed: str | None = None
    """How the files were made from those of the repository; None if they are the same. Changed ones
    cannot be downloaded."""

    def files(self) -> dict[str, tuple[str, int]]:
        """SHA-256 and size in bytes, by relative path."""
        text = (resources.files("clearer.data") / "hashes" / f"{self.name}.txt").read_text()
        rows = (line.split(maxsplit=2) for line in text.splitlines())
        return {path: (digest, int(size)) for digest, size, path in rows}

    def hashes(self) -> dict[str, str]:
        """SHA-256 by relative path."""
        return {path: digest for path, (digest, _) in self.files().items()}

    def scenes(self) -> str | None:
        """Content of the set's scenes file (:mod:`clearer.data.scenes`), if it has one."""
        path = resources.files("clearer.data") / "hashes" / f"{self.name}_scenes.txt"
        return path.read_text() if path.is_file() else None

    @property
    def url(self) -> str:
        """Base URL of the files."""
        return f"{_RAW}/{self.repository}/{self.commit}/"

    def remote_path(self, path: str) -> str:
        """Path of a file under :attr:`url`."""
        folder, _, name = path.rpartition("/")
        there = self.folders[folder]
        stem = name.rpartition(".")[0]
        return there.replace("*", stem) if "*" in there else f"{there}/{name}"

    @property
    def how_to_get(self) -> str:
        """How a user gets the set, in a few words."""
        if self.changed is None:
            return f"clearer data get {self.name}"
        return (
            f"its files were {self.changed} from {self.repository} and are not online: "
            f"set CLEARER_DATA to a folder that holds {self.name}/"
        )


_FFDNET: Final = ("cszn/FFDNet", "e787f46df2f374ff3591186706229cb9a0591fea")
_BSDS500: Final = ("BIDS/BSDS500", "a04b7c6c3a9f0ace74bf205c72a43d32e1c72722")
_RAIN800: Final = (
    "TheLethargicOwl/Single-Image-De-Raining-Keras",
    "8978c8439543532d6992be96f931a45776ef8239",
)
_SPLITS: Final = {name: f"BSDS500/data/images/{name}" for name in ("train", "val", "test")}

DATA_SETS: dict[str, DataSet] = {
    made.name: made
    for made in (
        DataSet(
            name="bsds500",
            what="500 photographs: train, val, test; BSD68 is part of val",
            mb=37.0,
            terms=_BERKELEY,
            repository=_BSDS500[0],
            commit=_BSDS500[1],
            folders=_SPLITS,
        ),
        DataSet(
            name="set12",
            what="12 gray test pictures",
            mb=1.2,
            terms=_NONE_STATED,
            repository=_FFDNET[0],
            commit=_FFDNET[1],
            folders={"": "testsets/Set12"},
        ),
        DataSet(
            name="bsd68",
            what="68 gray test photographs, from BSDS500 val",
            mb=6.5,
            terms=_BERKELEY,
            repository=_FFDNET[0],
            commit=_FFDNET[1],
            folders={"": "testsets/BSD68"},
        ),
        DataSet(
            name="cbsd68",
            what="the same 68 in colour, as BSDS500 has them",
            mb=5.0,
            terms=_BERKELEY,
            repository=_BSDS500[0],
            commit=_BSDS500[1],
            folders=_SPLITS,
        ),
        DataSet(
            name="kodak24",
            what="24 colour test photographs, 500x500",
            mb=10.4,
            terms=_NONE_STATED,
            repository=_FFDNET[0],
            commit=_FFDNET[1],
            folders={"": "testsets/Kodak24"},
        ),
        DataSet(
            name="rain800",
            what="800 pairs of rain, side by side, clean left; train/460 repeats a test scene",
            mb=84.5,
            terms="the authors state none for the pictures: research only; cite Zhang, Sindagi, "
            "Patel, arXiv:1701.05957",
            repository=_RAIN800[0],
            commit=_RAIN800[1],
            folders={"train": "dataset/rain/training", "test": "dataset/rain/test_syn"},
        ),
        DataSet(
            name="polyu",
            what="100 pairs of photographs: noise of cameras, and the mean of many shots",
            mb=4.7,
            terms="(c) 2018 The Hong Kong Polytechnic University: non-commercial use, keep the "
            "notice; cite Xu, Li, Liang, Zhang, Zhang, arXiv:1804.02603",
            repository="csjunxu/PolyU-Real-World-Noisy-Images-Dataset",
            commit="3af0f2646b267a00446fe4b7113a15e67bc80b4e",
            folders={
                "noisy": "CroppedImages/*_real.JPG",
                "clean": "CroppedImages/*_mean.JPG",
            },
        ),
        DataSet(
            name="photos149",
            what="149 photographs with colour at full resolution, to train on; no download",
            mb=58.0,
            terms="Tecnick TESTIMAGES: CC BY-NC-SA 3.0, (c) Tecnick.com, N. Asuni; Wikimedia "
            "Commons: Creative Commons or public domain, each its own; treat weights as for "
            "non-commercial research",
            repository="bdaehlie/web_image_formats",
            commit="238c17979dfe3a4a54c4c28a27f4844e8593a7bd",
            changed="reduced",
        ),
    )
}

_MIXTURES: Final = {
    "photos-fair": ("bsds500", "photos149"),
    "photos-small": ("bsds500", "photos149"),
}
"""Sets that are trained on together, by the name of the mixture (benchmarks/zoo/recipes.py)."""


def data_set(name: str) -> DataSet:
    """A set by its name.

    Raises:
        InputError: If there is none.
    """
    if name not in DATA_SETS:
        raise InputError(f"unknown data set {name!r}: use one of {', '.join(DATA_SETS)}")
    return DATA_SETS[name]


def data_terms(data: str) -> str:
    """The terms of use of a set, or of each set of a mixture, by its name.

    Other data are only named: their owner knows the terms.
    """
    names = _MIXTURES.get(data, (data,))
    return "; ".join(
        f"{name}, {DATA_SETS[name].terms}" if name in DATA_SETS else name for name in names
    )


def cache_folder() -> Path:
    """Where sets are downloaded to."""
    return user_cache() / "data"


def data_collection() -> Path | None:
    """The folder of sets in ``CLEARER_DATA``; None if that is not set."""
    named = os.environ.get("CLEARER_DATA")
    return Path(named).resolve() if named else None


def _places(name: str) -> list[Path]:
    """Folders in which a set may be stored."""
    collections = (data_collection(), cache_folder())
    return [folder / name for folder in collections if folder is not None]


def find_data_set(name: str) -> Path | None:
    """The folder that holds all files of a set, or None; their content is not checked.

    Raises:
        InputError: If the name is unknown.
    """
    paths = data_set(name).hashes()
    for folder in _places(name):
        if all((folder / path).is_file() for path in paths):
            return folder
    return None


def resolve_data(data: Path | None) -> Path | None:
    """Resolve ``--data``: a folder that exists, else a set by name.

    Raises:
        InputError: If it is the name of a set that is not here.
    """
    if data is None or data.exists() or str(data) not in DATA_SETS:
        return data
    folder = find_data_set(str(data))
    if folder is None:
        raise InputError(f"the set {data} is not here: {data_set(str(data)).how_to_get}")
    return folder
