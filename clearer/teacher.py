r"""Training that learns from a trained network: distillation with a self-ensemble as the teacher.

Of the squared error to the clean picture, most is what no network can avoid, since many clean
pictures could have become the degraded one; it says nothing, and makes most of the noise in the
gradient. A teacher's answer has no such part. It is the mean over 8 flips and rotations of what a
trained network makes of them, which is better than any one of them: R. Timofte, R. Rothe, L. Van
Gool, "Seven ways to improve example-based single image super resolution", CVPR 2016.
"""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clearer.engine import Engine
from clearer.errors import InputError, Interrupted
from clearer.evaluate import evaluation_pairs, torch_restorer
from clearer.files import write_atomic
from clearer.images import ImageSet
from clearer.interrupt import StopRequest
from clearer.network import load_network
from clearer.progress import Listener, Progress
from clearer.run import Run
from clearer.self_ensemble import self_ensemble
from clearer.settings import RunSettings, TrainedWeights
from clearer.training_run import check_unchanged

__all__ = ["TEACHER_SHARE", "forget_answers", "taught_pairs"]

TEACHER_SHARE: Final = 0.8
"""Of what is aimed at; the rest is the clean picture, which corrects what the teacher has wrong."""
_SEED: Final = 1_000_033
"""Added to the seed of the run: of the noise that the teacher sees."""


def taught_pairs(
    run: Run,
    settings: RunSettings,
    teacher: TrainedWeights,
    images: ImageSet,
    listener: Listener,
    engine: Engine,
) -> tuple[NDArray[np.float32], ...]:
    """Every training picture, degraded once, with what a network is to make of it.

    The teacher's answers take long, so each is kept in the run until the training is done.

    Args:
        run: With the teacher's weights.
        settings: Of the run.
        teacher: What the weights are known by.
        images: That train.
        listener: Called after each answer, in the first process.
        engine: The processes that train together; the first one asks the teacher.

    Returns:
        For each picture ``(H, W, 2 * C)``: the aim, then the degraded picture.

    Raises:
        InputError: If the teacher's weights are missing, or an answer is damaged.
        Interrupted: On Ctrl-C; the answers so far are kept.
    """
    seed = settings.seed + _SEED
    check_unchanged(run.teacher_weights, teacher)
    engine.on_first(lambda: _ask(run, settings, images, seed, listener))
    pairs = []
    for index, (degraded, clean) in enumerate(evaluation_pairs(images, settings.task, seed)):
        answer = _read_answer(_answer_path(run, index), clean.shape)
        aim = TEACHER_SHARE * answer + (1 - TEACHER_SHARE) * clean
        pairs.append(np.concatenate([aim[0], degraded[0]]).transpose(1, 2, 0).copy())
    return tuple(pairs)


def forget_answers(run: Run) -> None:
    """Remove the teacher's answers: the training is done."""
    shutil.rmtree(run.taught, ignore_errors=True)


def _ask(run: Run, settings: RunSettings, images: ImageSet, seed: int, listener: Listener) -> None:
    """Write the answers that are not there yet."""
    network, _ = load_network(run.teacher_weights)
    teacher = self_ensemble(torch_restorer(network.to(settings.device), settings.device))
    with StopRequest() as stop:
        for index, (degraded, _) in enumerate(evaluation_pairs(images, settings.task, seed)):
            path = _answer_path(run, index)
            if path.is_file():
                continue
            buffer = io.BytesIO()
            np.save(buffer, teacher(degraded), allow_pickle=False)
            write_atomic(path, buffer.getvalue())
            listener(Progress(stage="teacher", iteration=index + 1, total=len(images), record={}))
            if stop.requested:
                raise Interrupted(
                    f"stopped after {index + 1} of {len(images)} answers of the teacher; go on "
                    f"with: clearer train --resume {run.path}"
                )


def _answer_path(run: Run, index: int) -> Path:
    return run.taught / f"{index:06}.npy"


def _read_answer(path: Path, shape: tuple[int, ...]) -> NDArray[np.float32]:
    try:
        answer: NDArray[np.float32] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} is damaged: delete it, and go on by --resume") from error
    if answer.shape != shape or answer.dtype != np.float32:
        raise InputError(f"{path} is of another picture: delete it, and go on by --resume")
    return answer
