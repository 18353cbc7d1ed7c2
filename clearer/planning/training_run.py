"""The run for a training, made from another run or from a network of the zoo."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from clearer.data.datasets import resolve_data
from clearer.errors import InputError
from clearer.networks.tell_level import blind_architecture, told_architecture
from clearer.networks.warm_start import check_warm_start, keeps_operations
from clearer.planning.workflow import check_level, training_settings
from clearer.runs.picture_list import write_pictures
from clearer.runs.run import Run
from clearer.runs.run_records import DecisionRecord
from clearer.runs.settings import Compile, NamedWeights, RunSettings, StartWeights
from clearer.space.space import Architecture
from clearer.support.device import resolve_device
from clearer.support.files import write_atomic, write_json
from clearer.tasks.registry import change_task
from clearer.training.precision import fastest_precision
from clearer.training.teacher import check_teacher
from clearer.zoo.catalogue import ZooNetwork
from clearer.zoo.found import ModelFile, find_model

__all__ = ["Origin", "find_origin", "make_training_run", "plan_training"]

_TOLD_STATISTICS_SHARE: Final = 0.8
"""Share of batch statistics while a network learns to use the level, as in a first training."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """Where the architecture of a training comes from and the weights it starts from."""

    name: str
    settings: RunSettings
    decision: DecisionRecord
    """Content of ``architecture.json``."""
    run: Run | None
    """None for a network of the zoo."""
    weights: bytes | None
    """Content of the weights file that the training starts from, or None."""
    is_told: bool = False
    """Whether the fine-tuning adds a level map."""
    must_be_told: bool = False
    """Whether a level map is asked for."""
    is_warm: bool = False
    """Whether the weights are those of a smaller network inside."""
    has_new_operations: bool = False
    """Whether it has other operations than that, and has to learn as from scratch."""
    weights_name: str = ""
    """Name of the network whose weights these are."""
    taught_by: Origin | None = None
    """The trained network whose results are learned, or None."""

    @property
    def start(self) -> StartWeights | None:
        """Name and hash of the weights, for the settings."""
        if self.weights is None:
            return None
        digest = hashlib.sha256(self.weights).hexdigest()
        return StartWeights(name=self.weights_name, sha256=digest, is_warm=self.is_warm)

    @property
    def teacher(self) -> NamedWeights | None:
        """Name and hash of the teacher's weights, for the settings."""
        start = None if self.taught_by is None else self.taught_by.start
        return None if start is None else NamedWeights(name=start.name, sha256=start.sha256)


def find_origin(
    path: Path | None,
    *,
    fine_tune: bool,
    level_map: bool,
    warm_start: Path | None = None,
    teacher: Path | None = None,
) -> Origin:
    """Resolve RUN: a run folder, or a network of the zoo.

    Args:
        path: The path or name as given; None for the newest run.
        fine_tune: Whether its weights are needed.
        level_map: Whether the network gets an input for the noise level.
        warm_start: Run or network of the zoo, smaller, whose weights the training starts from.
        teacher: Run or network of the zoo whose results are learned.

    Raises:
        InputError: If there is none, it is a file, it lacks an architecture or fitting weights, a
            network of the zoo is not fine-tuned, a level map is asked for without fine-tuning, or
            the smaller network does not fit into it.
    """
    origin = _start(path, fine_tune=fine_tune, level_map=level_map, warm_start=warm_start)
    if teacher is None:
        return origin
    return replace(origin, taught_by=_find_origin(teacher, fine_tune=True))


def _start(
    path: Path | None, *, fine_tune: bool, level_map: bool, warm_start: Path | None
) -> Origin:
    if warm_start is not None:
        if level_map:
            raise InputError("--level-map is for --fine-tune: a warm start changes no input")
        if fine_tune:
            raise InputError(
                "--warm-start is for a network without weights: leave out --fine-tune, which goes "
                "on with those of the network itself"
            )
        return _warm(_find_origin(path, fine_tune=False), warm_start)
    if level_map and not fine_tune:
        raise InputError(
            "--level-map gives trained weights an input: add --fine-tune, or search with it"
        )
    origin = replace(_find_origin(path, fine_tune=fine_tune), must_be_told=level_map)
    return _told(origin) if level_map and not origin.settings.space.level_map else origin


def _warm(origin: Origin, path: Path) -> Origin:
    """The origin with the weights of a smaller network."""
    small = _find_origin(path, fine_tune=True)
    pair = [Architecture.from_dict(each.decision) for each in (small, origin)]
    check_warm_start(small.name, *pair)
    return replace(
        origin,
        weights=small.weights,
        weights_name=small.name,
        is_warm=True,
        has_new_operations=not keeps_operations(*pair),
    )


def _told(origin: Origin) -> Origin:
    """The origin with a level map, which the search did not have."""
    is_for_one = origin.settings.task.sigma_255 is not None
    known = Architecture.from_dict(origin.decision)
    architecture = told_architecture(known, in_units=is_for_one)
    return replace(
        origin,
        settings=replace(origin.settings, space=architecture.space, budgets=()),
        decision=_given_decision(architecture),
        is_told=True,
    )


def _given_decision(architecture: Architecture) -> DecisionRecord:
    """The record of an architecture that no search found as it is."""
    plain = architecture.to_dict()
    return DecisionRecord(
        schema_version=plain["schema_version"],
        space=plain["space"],
        choices=plain["choices"],
        strategy="given",
    )


def _find_origin(path: Path | None, *, fine_tune: bool) -> Origin:
    found = find_model(path)
    if isinstance(found, ModelFile):
        raise InputError(
            f"{path} is a file, which lacks the settings of a training: give the folder of its run"
        )
    if isinstance(found, ZooNetwork):
        if not fine_tune:
            raise InputError(f"{path} comes with clearer, trained: fine-tune it with --fine-tune")
        return Origin(
            name=found.name,
            # It was trained on another machine: use the device of this one.
            settings=replace(found.settings, device=resolve_device("auto")),
            decision=found.card["run"]["architecture"],
            run=None,
            weights=found.read(),
            weights_name=found.name,
        )
    architecture = found.read_architecture()
    if fine_tune:
        found.load_network()
    return Origin(
        name=found.name,
        settings=replace(found.settings(), space=architecture.space),
        decision=found.read_decision(),
        run=found,
        weights=found.weights.read_bytes() if fine_tune else None,
        weights_name=found.name,
    )


def plan_training(
    origin: Origin,
    out: Path | None,
    *,
    preset: str | None,
    train: dict[str, Any],
    compile: Compile | None,
    data: Path | None,
    task: str | None,
    task_options: dict[str, str],
    resume: bool,
) -> RunSettings:
    """Settings of the training; nothing is written yet.

    Args:
        origin: What to train.
        out: Folder of a new run; None to train in the origin's run or, with start weights, in a new
            folder under ``runs/``.
        preset: Preset whose training settings to use; None for those of the origin.
        train: Training settings that replace them; None is 'not given'.
        compile: Whether to use ``torch.compile``; None for the origin's setting.
        data: Pictures in place of the origin's.
        task: Name of a task in place of the origin's.
        task_options: Its options, as a user types them.
        resume: Whether to continue an interrupted training.

    Raises:
        InputError: If a value is unknown or out of range, finished or interrupted training would
            be overwritten, settings changed in the middle of one, or the teacher does another task.
    """
    run, is_new = origin.run, out is not None or origin.start is not None
    other_pictures = [data, task, *task_options]
    if resume:
        given = [out, preset, compile, origin.start, origin.teacher, *train.values()]
        given += other_pictures
        if run is None or any(value is not None for value in given):
            raise InputError("--resume continues with the settings of the run: give no others")
        return origin.settings
    start = None if origin.has_new_operations else origin.start
    settings = training_settings(origin.settings, preset, train, compile, start)
    if origin.has_new_operations:
        settings = replace(settings, fine_tuned_from=origin.start)
    if origin.is_told:  # features of other levels have other statistics
        told = replace(settings.train, batch_statistics_share=_TOLD_STATISTICS_SHARE)
        settings = replace(settings, train=told)
    if is_new:
        where = resolve_data(data or settings.data)
        settings = replace(
            settings,
            data=None if where is None else where.absolute(),
            task=change_task(settings.task, task, task_options),
            teacher=origin.teacher,
        )
    elif any(value is not None for value in [*other_pictures, origin.teacher]):
        raise InputError(
            "other pictures, a task or a teacher are for a new run: add --fine-tune, --warm-start "
            "or --out"
        )
    elif run is not None and (run.train_checkpoint.exists() or run.weights.exists()):
        raise InputError(
            f"{run.path} is trained already, at least in part: continue with --resume, train its "
            "architecture again with --out NEW, or fine-tune it with --fine-tune"
        )
    may_forget = start is not None and settings.space.level_map and not origin.must_be_told
    if may_forget and not settings.task.has_level:  # what it was told is not known in this task
        blind = blind_architecture(Architecture.from_dict(origin.decision))
        settings = replace(settings, space=blind.space, budgets=())
    check_level(settings)
    if origin.taught_by is not None:
        check_teacher(origin.taught_by.name, origin.taught_by.settings, settings)
    if run is None:
        precision = fastest_precision(settings.space, settings.device)
        settings = replace(settings, precision=precision)
    return settings


def make_training_run(
    origin: Origin, out: Path | None, settings: RunSettings, *, resume: bool
) -> Run:
    """Write the settings of a training and its start weights, unless it is resumed.

    Args:
        origin: What to train.
        out: As for :func:`plan_training`.
        settings: Result of :func:`plan_training`.
        resume: Whether to continue an interrupted training.

    Raises:
        InputError: If the folder is in use.
    """
    if origin.run is not None and out is None and origin.weights is None:
        if not resume:
            origin.run.write_config(settings)
        return origin.run

    def prepare(run: Run) -> None:
        write_pictures(run, settings)
        if origin.weights is not None:
            write_atomic(run.start_weights, origin.weights)
        if origin.taught_by is not None and origin.taught_by.weights is not None:
            write_atomic(run.teacher, origin.taught_by.weights)
        architecture = Architecture.from_dict(origin.decision)
        if architecture.space.level_map == settings.space.level_map:
            write_json(run.architecture, origin.decision)
        else:  # it is no longer told the level
            write_json(
                run.architecture, _given_decision(replace(architecture, space=settings.space))
            )

    return Run.create(out, settings, prepare)
