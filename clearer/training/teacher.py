"""A trained network whose results another one learns from.

Hinton et al., "Distilling the Knowledge in a Neural Network", 2015.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch

from clearer.errors import InputError
from clearer.networks.network import RestorationNet, load_network
from clearer.runs.run import Run
from clearer.runs.settings import RunSettings

__all__ = ["check_teacher", "check_weights", "load_teacher"]


def check_teacher(name: str, teacher: RunSettings, student: RunSettings) -> None:
    """Check that a network can restore what another one learns to restore.

    Args:
        name: Name of the teacher.
        teacher: Settings that it was trained with.
        student: Settings of the training.

    Raises:
        InputError: If it restores pictures of other channels or another degradation, or needs a
            level that is not there.
    """
    if teacher.space.channels != student.space.channels:
        raise InputError(
            f"--teacher {name} restores pictures of {teacher.space.channels} channels, and the "
            f"network to train takes {student.space.channels}"
        )
    task, wanted = teacher.task, student.task
    is_paired = wanted.pairs is not None and type(task) is type(wanted)  # however they are stored
    if not (is_paired or task.covers(wanted)):
        raise InputError(
            f"--teacher {name} does not know what is to be learned: it was trained for "
            f"{task.text}, and this is {wanted.text}"
        )
    if teacher.space.level_map and not student.space.level_map:
        raise InputError(
            f"--teacher {name} is told the noise level, which the network to train is not: add "
            "--fine-tune --level-map, or take a blind teacher"
        )


def load_teacher(run: Run, settings: RunSettings) -> RestorationNet | None:
    """The teacher of a run on its device, ready to restore; None if there is none.

    Raises:
        InputError: If its file is not the one that the run was made with.
    """
    if settings.teacher is None:
        return None
    check_weights(run.teacher, settings.teacher.sha256, settings.teacher.name)
    network, _ = load_network(run.teacher)
    network.requires_grad_(False)
    network.to(settings.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def check_weights(path: Path, sha256: str, name: str) -> None:
    """Check that weights in a run are those that it was made with.

    Args:
        path: Their file.
        sha256: Their SHA-256.
        name: Name of the network that they are from, for the message.

    Raises:
        InputError: If they are not.
    """
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        raise InputError(f"{path} is missing or changed: start from {name} again, with --out NEW")
