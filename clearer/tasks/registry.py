"""Tasks by name. To add one, write its class in its own file and list it in ``TASKS``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, fields
from typing import Any

from clearer.errors import InputError
from clearer.tasks.base import Task
from clearer.tasks.dejpeg import DeJpeg
from clearer.tasks.denoise import Denoise
from clearer.tasks.paired import Derain, Paired
from clearer.tasks.photo import Photo

__all__ = [
    "TASKS",
    "as_typed",
    "change_task",
    "make_task",
    "task_from_dict",
    "task_options",
    "task_to_dict",
]

TASKS: dict[str, type[Task]] = {
    task.name: task for task in (Denoise, DeJpeg, Photo, Paired, Derain)
}


def task_options(kind: type[Task]) -> dict[str, Field[Any]]:
    """The fields of a task by option name, without leading dashes."""
    return {f.metadata["name"] or f.name: f for f in fields(kind)}  # type: ignore[arg-type]


def as_typed(options: Mapping[str, object] | None) -> dict[str, str]:
    """Task options from a program or a file, as the text that a user would type."""
    return {str(name): str(value) for name, value in (options or {}).items()}


def make_task(name: str, options: Mapping[str, str]) -> Task:
    """A task from text.

    Args:
        name: One of :data:`TASKS`.
        options: Values by option, as a user types them; missing ones have their defaults.

    Raises:
        InputError: If the name, an option or a value is unknown or out of range.
    """
    kind = TASKS.get(name)
    if kind is None:
        raise InputError(f"unknown task {name!r}: use one of {', '.join(TASKS)}")
    known = task_options(kind)
    values: dict[str, Any] = {}
    for option, text in options.items():
        if option not in known:
            takes = ", ".join(f"--{word}" for word in known)
            raise InputError(f"task {name} has no --{option}: it takes {takes}")
        try:
            values[known[option].name] = known[option].metadata["parse"](text)
        except ValueError as error:
            raise InputError(f"--{option} {text}: {error}") from error
    return kind(**values)


def change_task(task: Task | None, name: str | None, options: Mapping[str, str]) -> Task:
    """The task that a user wants instead of another.

    Args:
        task: The task so far, if any; unless ``name`` differs, options not given keep its values.
        name: One of :data:`TASKS`; None for that of ``task`` or, without one, denoising.
        options: As for :func:`make_task`.

    Raises:
        InputError: As :func:`make_task`.
    """
    kept: dict[str, str] = {}
    if task is not None and name in (None, task.name):
        kept = task_to_dict(task)
        name = kept.pop("name")
    return make_task(name or "denoise", {**kept, **options})


def task_to_dict(task: Task) -> dict[str, str]:
    """Plain data: the name and every option, as a user would type them."""
    options = {name: str(getattr(task, f.name)) for name, f in task_options(type(task)).items()}
    return {"name": task.name, **options}


def task_from_dict(data: Mapping[str, object]) -> Task:
    """Inverse of :func:`task_to_dict`.

    Raises:
        InputError: As :func:`make_task`.
    """
    options = as_typed(data)
    return make_task(options.pop("name", ""), options)
