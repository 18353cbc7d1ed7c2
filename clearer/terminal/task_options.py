"""The options of all tasks, as options of a command: a new task needs no change here."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from clearer.tasks.registry import TASKS, task_options

__all__ = ["with_task_options"]


def with_task_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command that takes ``**task_options`` one text option per option of any task.

    Options that the user gives arrive by name, as text; others do not arrive.
    """
    options = _options()

    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        given = {name: kwargs.pop(_parameter(name), None) for name in options}
        command(*args, **kwargs, **{name: text for name, text in given.items() if text is not None})

    signature = inspect.signature(command, eval_str=True)
    own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    added = [
        inspect.Parameter(
            _parameter(name),
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[str | None, typer.Option(f"--{name}", help=help_text)],
        )
        for name, help_text in options.items()
    ]
    place = [p.name for p in own].index("task") + 1
    all_parameters = [
        p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in [*own[:place], *added, *own[place:]]
    ]
    wrapper.__signature__ = signature.replace(parameters=all_parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {p.name: p.annotation for p in all_parameters}
    return wrapper


def _options() -> dict[str, str]:
    """Help text by option name, over all tasks; the first task with an option explains it."""
    options: dict[str, str] = {}
    for task in TASKS.values():
        for name, field in task_options(task).items():
            note = options.get(name, field.metadata["help"])
            options[name] = f"{note} Task {task.name}, default: {field.default}."
    return options


def _parameter(name: str) -> str:
    """The Python name of the parameter of an option."""
    return f"task_{name}"
