"""``clearer tasks``."""

from __future__ import annotations

from clearer import tables
from clearer.commands.options import AsJson, Debug
from clearer.json_text import to_json
from clearer.tasks import TASKS, task_options


def tasks(as_json: AsJson = False, debug: Debug = False) -> None:
    """List what a network can be trained to undo, with the options of each."""
    rows = [
        {
            "task": name,
            "summary": kind.summary,
            "options": {
                option: {"default": str(field.default), "help": field.metadata["help"]}
                for option, field in task_options(kind).items()
            },
        }
        for name, kind in TASKS.items()
    ]
    if as_json:
        print(to_json(rows))
    else:
        tables.print_tasks(rows)
