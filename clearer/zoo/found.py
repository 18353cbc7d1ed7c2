"""What a user means by a model: a run, a file of one of two kinds, or a name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clearer.errors import InputError
from clearer.runs.run import Run
from clearer.zoo.catalogue import ZooNetwork, find_in_zoo

if TYPE_CHECKING:
    from clearer.networks.weights_file import SavedWeights

__all__ = ["Found", "ModelFile", "OnnxFile", "WeightsFile", "find_model"]


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file that holds a network; it is not read yet."""

    path: Path

    @property
    def name(self) -> str:
        """Its file name without the ending."""
        return self.path.stem


class OnnxFile(ModelFile):
    """An ONNX file of any origin."""

    __slots__ = ()


class WeightsFile(ModelFile):
    """A ``.safetensors`` file, which holds its architecture, too."""

    __slots__ = ()

    def read_weights(self) -> SavedWeights:
        """Its weights.

        Raises:
            InputError: If it is damaged, or not written by clearer.
        """
        from clearer.networks.weights_file import read_weights

        return read_weights(self.path)


Found = Run | ZooNetwork | OnnxFile | WeightsFile
"""All that a model can be. Each has a ``name``; all but an ONNX file have ``read_weights``."""


def find_model(model: Path | None) -> Found:
    """Resolve what a user names, in the same way for all commands.

    Args:
        model: A run folder, an ``.onnx`` or ``.safetensors`` file (in letters of any case), or the
            name of a network that comes with clearer, unless a file or folder has that name; None:
            the newest run.

    Returns:
        What it is. Of a run only ``config.json`` is known to be there, and no file is read: what
        it lacks, or is damaged, is said by what reads it.

    Raises:
        InputError: If it is none of these; the text says what is known instead.
    """
    shipped = find_in_zoo(model)
    if shipped is not None:
        return shipped
    if model is None or model.is_dir():
        return Run.open(model)
    if not model.exists():
        raise InputError(
            f"{model} does not exist: give a run folder, a .safetensors or an .onnx file, or a "
            "name from clearer zoo"
        )
    ending = model.suffix.lower()
    if ending == ".onnx":
        return OnnxFile(model)
    if ending == ".safetensors":
        return WeightsFile(model)
    raise InputError(f"{model} is not a run folder, a .safetensors nor an .onnx file")
