"""The direction of imports, and what a bare machine can import."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from clearer.cli import app
from tests.docs.pages import PAGES

ROOT = Path(__file__).resolve().parents[1]
ROOMS = (
    *("support", "operations", "space", "costs", "networks", "pictures", "tasks", "data"),
    *("restoring", "runs", "training", "searching", "pruning", "zoo", "planning", "demo"),
    *("export", "bench", "api", "terminal", "commands"),
)
"""Folders of the package, from the ground up."""
LINKED = ("export", "bench")
"""Rooms whose folders are beside the package, which has links to them."""
SHOWN = ("terminal", "commands")
"""Rooms that know the command line and its output."""
ABOVE = (*LINKED, "api", *SHOWN)
"""Rooms that know what happens to finished networks."""
TOP = ("__init__.py", "__main__.py", "cli.py", "errors.py")
"""Files in no room: entry points, which may import everything, and errors, which all import."""


def run_python(code: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run Python code in a new process, which has loaded nothing yet."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, **options)


def folder(room: str) -> Path:
    return ROOT / room if room in LINKED else ROOT / "clearer" / room


def files(*rooms: str) -> list[Path]:
    return [path for room in rooms for path in sorted(folder(room).glob("*.py"))]


def name(path: Path) -> str:
    """Name of a module, as it is imported."""
    words = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(("clearer", *words) if words[0] in LINKED else words)


LIBRARY = files(*(room for room in ROOMS if room not in ABOVE))
EXPORT, BENCH, API, ERRORS = (
    files("export"),
    files("bench"),
    files("api"),
    ROOT / "clearer" / "errors.py",
)


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def offending(path: Path, *forbidden: str) -> set[str]:
    """Forbidden modules, or parts of them, that a file imports."""
    return {
        name
        for name in imported(path)
        if f"{name}.".startswith(tuple(f"{word}." for word in forbidden))
    }


def inside(*words: str) -> list[str]:
    """Rooms and modules of the package, as they are imported."""
    return [f"clearer.{word}" for word in words]


def drawn() -> dict[str, set[str]]:
    """What each room may import: itself, and the rooms that one or several arrows lead to.

    Raises:
        KeyError: If an arrow leads to a room above, or to none.
    """
    drawing = (ROOT / "docs" / "architecture.md").read_text().split("```")[1]
    arrows = dict(re.findall(r"^ *(\w+)\[.*?\](?: --> (.+))?$", drawing, re.MULTILINE))
    allowed: dict[str, set[str]] = {}
    for room in ROOMS:
        allowed[room] = {room}.union(*(allowed[to] for to in re.findall(r"\w+", arrows[room])))
    return allowed


@pytest.mark.parametrize("path", files(*ROOMS), ids=name)
def test_imports_follow_the_drawing(path: Path) -> None:
    room = name(path).split(".")[1]
    others = {*ROOMS} - drawn()[room]
    assert not offending(path, *inside(*others, "cli"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_the_pages_name_are_there(page: Path) -> None:
    for path in set(re.findall(r"`((?:\w+/)+[\w.-]+\.(?:py|js|json|md|toml))`", page.read_text())):
        room = path.split("/")[0]
        place = folder(room).parent / path if room in ROOMS else ROOT / path
        assert place.is_file(), path


def test_errors_import_nothing_of_the_package() -> None:
    assert not offending(ERRORS, "clearer")


def test_the_package_is_its_rooms() -> None:
    package = ROOT / "clearer"
    assert {path.name for path in package.glob("*.py")} == set(TOP)
    assert {*(path.parent.name for path in package.glob("*/*.py")), *LINKED} == set(ROOMS)


def test_tests_lie_as_what_they_test() -> None:
    paths = (ROOT / "tests" / "clearer").glob("*/test_*.py")
    assert {path.parent.name for path in paths} <= set(ROOMS)
    assert not [*(ROOT / "tests" / "clearer").glob("test_*.py")]


@pytest.mark.parametrize("room", [room for room in ROOMS if room not in LINKED])
def test_a_room_has_a_few_modules_and_says_what_it_is_for(room: str) -> None:
    """Its ``__init__.py`` imports nothing, so that small parts load without large ones."""
    modules = [path for path in files(room) if path.name != "__init__.py"]
    assert 3 <= len(modules) <= 16
    (line,) = ast.parse((folder(room) / "__init__.py").read_text()).body
    assert isinstance(line, ast.Expr)
    assert isinstance(line.value, ast.Constant)


@pytest.mark.parametrize("path", [*LIBRARY, ERRORS], ids=name)
def test_the_library_imports_no_command_export_or_bench(path: Path) -> None:
    assert not offending(path, *inside("cli", *ABOVE), "rich", "typer")


@pytest.mark.parametrize("path", EXPORT, ids=name)
def test_export_imports_neither_bench_nor_the_loops(path: Path) -> None:
    forbidden = inside("bench", "cli", "searching", "training", "planning")
    assert not offending(path, *forbidden, "rich", "typer")


@pytest.mark.parametrize("path", [*BENCH, *API], ids=name)
def test_bench_and_api_import_no_command(path: Path) -> None:
    assert not offending(path, *inside("cli", *SHOWN), "rich", "typer")


@pytest.mark.parametrize(
    "path",
    [
        *files(*ROOMS),
        *(ROOT / "clearer" / name for name in TOP),
        *sorted((ROOT / "tests").rglob("*.py")),
    ],
    ids=name,
)
def test_files_stay_readable(path: Path) -> None:
    # The script that is copied to other devices must be one file.
    limit = 500 if path.name == "device_timer.py" else 400
    text = path.read_text()
    assert len(text.splitlines()) <= limit
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
    lengths = {node.name: (node.end_lineno or 0) - node.lineno + 1 for node in functions}
    assert not [name for name, length in lengths.items() if length > 120]


def test_everything_imports_without_a_runtime() -> None:
    """All modules load without runtimes and without optional packages."""
    missing = [
        *("onnxruntime", "tensorrt", "openvino", "imagecodecs", "pooch", "platformdirs"),
        *("lightning_fabric", "pywt", "onnxscript", "tensorboard", "bm3d", "matplotlib", "jinja2"),
        *("markupsafe", "requests", "urllib3"),
    ]
    modules = [name(path) for path in files(*ROOMS) if path.name != "__init__.py"]
    modules += ["clearer.cli", "clearer.errors"]
    code = (
        "import sys, importlib\n"
        f"for name in {missing}: sys.modules[name] = None\n"
        f"for name in {modules}: importlib.import_module(name)\n"
    )
    result = run_python(code)
    assert result.returncode == 0, result.stderr


def test_help_loads_no_heavy_package() -> None:
    code = (
        "import sys\n"
        "for name in ('torch', 'numpy', 'PIL', 'onnx', 'matplotlib'): sys.modules[name] = None\n"
        "from clearer.cli import app\n"
        "app(['search', '--help'])"
    )
    result = run_python(code)
    assert result.returncode == 0, result.stderr
    assert "--budget-mb" in result.stdout


def test_help_loads_only_what_it_prints() -> None:
    """Besides typer: commands, and the names that their options take."""
    code = (
        "import sys, typer\n"
        "before = {*sys.modules}\n"
        "from clearer.cli import app\n"
        "try: app(['--help'])\n"
        "finally: print(*before, file=sys.stderr); print(*sys.modules, file=sys.stderr)"
    )
    result = run_python(code)
    assert result.returncode == 0, result.stderr
    before, after = (line.split() for line in result.stderr.splitlines())
    known = {*sys.stdlib_module_names, *(name.split(".")[0] for name in before)}
    assert {name.split(".")[0] for name in after} - known == {"clearer"}
    rooms = {name.split(".")[1] for name in after if name.startswith("clearer.")} & {*ROOMS}
    assert rooms == {"bench", "commands", "support", "tasks", "terminal"}
    assert not {"webbrowser", *inside("terminal.bars", "terminal.tables")} & {*after}


def test_annotations_of_commands_are_no_text() -> None:
    """Typer reads each one several times, and evaluates text each time."""
    groups = [app, *(group.typer_instance for group in app.registered_groups)]
    found = [info.callback for group in groups if group for info in group.registered_commands]
    assert len(found) > 15
    for command in filter(None, found):
        assert not [word for word in command.__annotations__.values() if isinstance(word, str)]


def test_the_list_of_networks_loads_no_arrays() -> None:
    code = (
        "import sys\n"
        "for name in ('torch', 'numpy', 'PIL', 'onnx', 'safetensors'): sys.modules[name] = None\n"
        "from clearer.cli import app\n"
        "app(['zoo'])"
    )
    result = run_python(code)
    assert result.returncode == 0, result.stderr
    assert "gray-25" in result.stdout


def test_torch_restores_without_onnx_and_without_what_searches_need() -> None:
    code = (
        "import sys\n"
        "for name in ('onnx', 'onnxruntime', 'scipy.optimize', 'skimage.metrics'):\n"
        "    sys.modules[name] = None\n"
        "import clearer, numpy\n"
        "print(clearer.load('gray-25')(numpy.full((24, 32), 128, numpy.uint8)).shape)"
    )
    result = run_python(code)
    assert result.stdout.strip() == "(24, 32)", result.stderr


def test_onnxruntime_restores_without_torch(tmp_path: Path) -> None:
    """It restores pictures of all kinds, with the networks of the package."""
    pytest.importorskip("onnxruntime", reason="the extra cpu is not installed")
    Image.new("RGB", (32, 24), "gray").save(tmp_path / "color.png")
    Image.new("L", (32, 24), "gray").save(tmp_path / "gray.png")
    code = (
        "import sys\n"
        "sys.modules['torch'] = None\n"
        "from clearer.cli import app\n"
        "app(['restore', 'color.png', 'gray.png'])"
    )
    result = run_python(code, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert result.returncode == 0, result.stderr
    assert len(list((tmp_path / "restored").iterdir())) == 2


def test_no_word_of_this_machine() -> None:
    """Shipped files name no paths of a machine and no addresses of registries."""
    words = ("/" + "work/", "/" + "root/", "pypi." + "org", "find-" + "links")
    found = [p for p in ROOT.rglob("*") if p.suffix in (".py", ".md", ".toml", ".txt", ".json")]
    made = {"demo", "runs", "zoo-runs"}
    own = [
        path
        for path in found
        if path.relative_to(ROOT).parts[0] not in made
        if not any(p == "build" or p[0] == "." for p in path.relative_to(ROOT).parts[:-1])
    ]
    assert own
    for path in own:
        text = path.read_text(errors="ignore")
        assert not [word for word in words if word in text], path
