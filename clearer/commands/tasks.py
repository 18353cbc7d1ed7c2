"""``clearer tasks``."""

from clearer.support.json_text import to_json
from clearer.tasks.registry import TASKS, task_options
from clearer.terminal.options import AsJson, Debug


def tasks(as_json: AsJson = False, debug: Debug = False) -> None:
    """List what networks can be trained to undo, with options."""
    from clearer.terminal import tables

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
