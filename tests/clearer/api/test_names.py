"""The names that ``import clearer`` gives."""

from __future__ import annotations

import doctest
import importlib
import inspect
import subprocess
import sys

import pytest

import clearer
from clearer.tasks.registry import TASKS, task_options

NAMES = [name for name in clearer.__all__ if name != "__version__"]


@pytest.mark.parametrize("name", NAMES)
def test_no_package_can_hide_a_name(name: str) -> None:
    """Importing a package or module of the same name would replace the function."""
    assert importlib.util.find_spec(f"clearer.{name}") is None
    found = getattr(clearer, name)
    assert inspect.isfunction(found) or inspect.isclass(found)
    assert found.__doc__
    assert name in dir(clearer)


@pytest.mark.parametrize("first", ["names", "modules"])
def test_no_order_of_imports_hides_a_name(first: str) -> None:
    code = f"""
import importlib, inspect, pkgutil
import clearer

def names():
    return [getattr(clearer, name) for name in {NAMES}]

early = names() if {first!r} == "names" else None
for module in pkgutil.walk_packages(clearer.__path__, "clearer."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
late = names()
assert early in (None, late), (early, late)
assert all(inspect.isfunction(it) or inspect.isclass(it) for it in late), late
assert inspect.ismodule(clearer.export) and inspect.ismodule(clearer.bench), "packages stay"
print(len(late))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == [str(len(NAMES))], done.stderr


def test_a_request_can_ask_for_all_that_the_command_can() -> None:
    from clearer.commands.search import search

    options = set(inspect.signature(search).parameters) - {"context", "as_json", "debug"}
    of_tasks = {f"task_{name}" for kind in TASKS.values() for name in task_options(kind)}
    assert of_tasks < options
    asked = {name.rstrip("_") for name in options - of_tasks} | {"task_options"}
    assert asked == set(inspect.signature(clearer.SearchRequest).parameters)


@pytest.mark.parametrize(
    "module",
    ["api.restore", "api.restorer", "api.search_request", "zoo.catalogue"],
)
def test_examples_in_docstrings_hold(module: str, tmp_path: object) -> None:
    result = doctest.testmod(importlib.import_module(f"clearer.{module}"))
    assert result.attempted
    assert not result.failed
