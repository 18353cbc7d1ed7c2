"""Train the architecture of a run, resume, or fine-tune."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any, Final, Literal

from clearer.api.limits import Limits
from clearer.api.session import RunResult, Session, open_session
from clearer.api.watch import SILENT, Watch
from clearer.bench.measured_costs import MeasuredCosts
from clearer.data.patches import check_patch_size
from clearer.data.splits import Splits
from clearer.errors import InputError
from clearer.planning.pruned_start import prune_start
from clearer.planning.request_checks import check_minutes, piece_deadline
from clearer.planning.training_run import Origin, find_origin, make_training_run, plan_training
from clearer.restoring.evaluate import check_evaluation_size
from clearer.runs.run import Run
from clearer.runs.settings import Compile, RunSettings
from clearer.support.files import as_path
from clearer.tasks.registry import as_typed
from clearer.training.train import train as train_network

__all__ = ["train"]

_NO_LIMITS: Final = Limits()
_CHANGED_DATA: Final = (
    "--changed-data is for a run that continues: a new one uses the pictures as they are"
)


def train(
    run: str | PathLike[str] | None = None,
    *,
    fine_tune: bool = False,
    level_map: bool = False,
    warm_start: str | PathLike[str] | None = None,
    teacher: str | PathLike[str] | None = None,
    limits: Limits = _NO_LIMITS,
    data: str | PathLike[str] | None = None,
    task: str | None = None,
    task_options: Mapping[str, object] | None = None,
    preset: Literal["quick", "long", "paper"] | None = None,
    iterations: int | None = None,
    minutes: float | None = None,
    minutes_now: float | None = None,
    validate_every: int | None = None,
    batch_size: int | None = None,
    patch_size: int | None = None,
    reduce: float | None = None,
    learning_rate: float | None = None,
    compile: Compile | None = None,
    out: str | PathLike[str] | None = None,
    resume: bool = False,
    changed_data: bool = False,
    checkpoint_seconds: float = 60.0,
    devices: int | None = None,
    nodes: int | None = None,
    watch: Watch = SILENT,
) -> RunResult:
    """Train the architecture of a run: ``clearer train``.

    Settings that are None are those of the run.

    Args:
        run: Run folder, or for fine-tuning the name of a network that comes with clearer; None:
            the newest run.
        fine_tune: Start from the weights of the run, in a new folder. On the validation pictures
            the result is never worse, unless ``limits`` cut it.
        level_map: With ``fine_tune``: add the noise level as a second input.
        warm_start: Run, or name of a network that comes with clearer, of which the architecture
            contains every layer: start from its weights, in a new folder.
        teacher: Run, or name of a network that comes with clearer: learn what this better network
            restores, in a new folder, in place of the clean pictures.
        limits: With ``fine_tune``: cut the network to these; it is taught by what it was.
        data: Folder of pictures, or a data set, in place of the run's.
        task: Name of a task in place of the run's.
        task_options: Its options by name, such as ``{"sigma": 25}``.
        preset: Use the training settings of this preset.
        iterations: Iterations of the training.
        minutes: Train for as many iterations as fit into this time.
        minutes_now: Work for this many minutes, then stop at a checkpoint.
        validate_every: Iterations between validations.
        batch_size: Patches in a batch.
        patch_size: Side of a patch in pixels.
        reduce: Half of the patches come from pictures reduced by a factor from 1 to this.
        learning_rate: Peak; None: the run's, and a quarter of that from whole trained weights.
        compile: Whether to use ``torch.compile``.
        out: Train in this new folder.
        resume: Resume the training of the run.
        changed_data: Resume although pictures of the run changed.
        checkpoint_seconds: Seconds between checkpoints, from which ``resume`` continues.
        devices: Processes on this machine, each of which runs this program from its start.
        nodes: Machines.
        watch: Receives messages and progress.

    Returns:
        The run that was trained.

    Raises:
        InputError: If the arguments are inconsistent, pictures cannot be used, or finished
            work would be overwritten.
        ClearerError: If another process writes the run, or the training fails.
        PieceDone: When ``minutes_now`` are over; ``resume`` continues.
        Interrupted: On Ctrl-C; ``resume`` continues.
    """
    deadline = piece_deadline(minutes_now)
    check_minutes(minutes, iterations, validate_every)
    if changed_data and (fine_tune or warm_start is not None or out is not None):
        raise InputError(_CHANGED_DATA)
    limits.check(fine_tune=fine_tune, resume=resume)
    with watch.status("reading the run"):
        origin = find_origin(
            as_path(run),
            fine_tune=fine_tune,
            level_map=level_map,
            warm_start=as_path(warm_start),
            teacher=as_path(teacher),
        )
    asked = _Asked(
        origin=origin,
        out=as_path(out),
        minutes=minutes,
        limits=limits,
        changes={
            "iterations": iterations,
            "batch_size": batch_size,
            "patch_size": patch_size,
            "reduce": reduce,
            "learning_rate": learning_rate,
            "validate_every": validate_every,
        },
        others={
            "preset": preset,
            "compile": compile,
            "data": as_path(data),
            "task": task,
            "task_options": as_typed(task_options),
        },
    )
    with open_session(
        origin.settings.device,
        watch,
        devices=devices,
        nodes=nodes,
        resume=resume,
        changed_data=changed_data,
        checkpoint_seconds=checkpoint_seconds,
        deadline=deadline,
    ) as session:
        return _work(asked, session)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    origin: Origin
    out: Path | None
    minutes: float | None
    limits: Limits
    """What the network is cut to."""
    changes: dict[str, Any]
    """Changes to the training settings."""
    others: dict[str, Any]
    """Other arguments of :func:`plan_training`."""

    @property
    def same_run(self) -> Run | None:
        """The run to continue; None if a new one is made."""
        is_new = self.out is not None or self.origin.weights is not None
        return None if is_new else self.origin.run


def _work(asked: _Asked, session: Session) -> RunResult:
    processes = session.processes
    with session.watch.status("reading the run"):
        settings = RunSettings.from_dict(
            processes.on_first(lambda: _plan(asked, session).to_dict())
        )
    splits = session.load_images(settings)
    run = Run(Path(processes.on_first(lambda: _make_run(asked, settings, splits, session))))
    session.watch.say(f"run folder: {run.path}")
    if asked.limits.budgets:
        settings = run.settings()
        session.watch.describe_decision(run.read_decision())
    settings = session.fit_minutes(run, settings, asked.minutes, splits)
    with session.loop(settings) as loop:
        train_network(run, settings, splits, loop)
    return session.result(run, splits, is_trained=True)


def _plan(asked: _Asked, session: Session) -> RunSettings:
    if asked.same_run is not None:
        session.hold(asked.same_run)
    settings = plan_training(
        asked.origin, asked.out, train=asked.changes, resume=session.resume, **asked.others
    )
    session.processes.share(settings.train.batch_size)
    return settings if session.resume else replace(settings, minutes=asked.minutes)


def _make_run(asked: _Asked, settings: RunSettings, splits: Splits, session: Session) -> str:
    check_evaluation_size(splits.val, settings.task)
    check_patch_size(splits.train, settings.train.patch_size)
    if asked.same_run is not None:
        session.go_on_with_images(asked.same_run, settings)
    origin = asked.origin
    if asked.limits.budgets:
        Run.check_new(asked.out)
        origin, settings = _cut(asked, settings, splits, session)
    with session.watch.status("making the run"):
        run = make_training_run(origin, asked.out, settings, resume=session.resume)
    if asked.same_run is None:
        session.hold(run)
    return str(run.path)


def _cut(
    asked: _Asked, settings: RunSettings, splits: Splits, session: Session
) -> tuple[Origin, RunSettings]:
    """The network of the fine-tuning, cut to the budgets, and the settings to train it."""
    watch, limits = session.watch, asked.limits
    costs = MeasuredCosts(limits.image_size, None, watch.say, limits.budget_precision, watch.timing)
    with watch.steps("cutting the network") as tell:
        origin, changed = prune_start(
            asked.origin,
            settings,
            splits.train,
            limits.budgets,
            limits.image_size,
            costs,
            asked.changes["learning_rate"] is not None,
            lambda share: tell("cutting the network", round(100 * share), 100),
        )
    if origin.weights == asked.origin.weights:
        watch.say(f"{origin.name} meets the budgets as it is: nothing is cut")
    elif origin.taught_by is None:
        watch.say(f"{origin.name} was trained for another task: clean pictures teach what is left")
    return origin, changed
