"""The direction of imports, and what a bare machine can import."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TOP = ("api.py", "cli.py", "__main__.py")
"""What programs and users begin with: it may import everything."""
LIBRARY = sorted(p for p in (ROOT / "clearer").glob("*.py") if p.name not in TOP)
TASKS = sorted((ROOT / "clearer" / "tasks").glob("*.py"))
ZOO = sorted((ROOT / "clearer" / "zoo").glob("*.py"))
EXPORT, BENCH = sorted((ROOT / "export").glob("*.py")), sorted((ROOT / "bench").glob("*.py"))


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def offending(path: Path, forbidden: tuple[str, ...]) -> set[str]:
    return {name for name in imported(path) if name.startswith(forbidden)}


@pytest.mark.parametrize("path", [*LIBRARY, *TASKS, *ZOO], ids=lambda p: p.name)
def test_the_library_imports_no_command_export_or_bench(path: Path) -> None:
    forbidden: tuple[str, ...] = ("clearer.export", "clearer.bench", "clearer.cli", "typer")
    if path.name not in ("console.py", "live.py", "tables.py"):
        forbidden += ("rich", "clearer.console")
    assert not offending(path, forbidden)


@pytest.mark.parametrize("path", EXPORT, ids=lambda p: p.name)
def test_export_imports_neither_bench_nor_the_loops(path: Path) -> None:
    forbidden = ("clearer.bench", "clearer.cli", "clearer.search", "clearer.train", "rich", "typer")
    assert not offending(path, forbidden)


@pytest.mark.parametrize("path", BENCH, ids=lambda p: p.name)
def test_bench_imports_no_command(path: Path) -> None:
    assert not offending(path, ("clearer.cli", "clearer.console", "rich", "typer"))


@pytest.mark.parametrize(
    "path",
    [*LIBRARY, *TASKS, *ZOO, *EXPORT, *BENCH, ROOT / "clearer" / "cli.py"],
    ids=lambda p: p.name,
)
def test_files_stay_readable(path: Path) -> None:
    # The script that is copied to other devices has to be one file.
    limit = 500 if path.name == "device_timer.py" else 400
    assert len(path.read_text().splitlines()) <= limit


def test_everything_imports_without_a_runtime() -> None:
    """Without runtimes, and without what only some of the work needs, all modules load."""
    missing = [
        *("onnxruntime", "tensorrt", "openvino", "imagecodecs", "pooch", "platformdirs"),
        *("lightning_fabric", "pywt", "onnxscript", "tensorboard", "bm3d", "matplotlib", "jinja2"),
        *("markupsafe", "requests", "urllib3"),
    ]
    modules = [f"clearer.{p.stem}" for p in LIBRARY if p.stem != "__init__"] + ["clearer.cli"]
    modules += [f"clearer.export.{p.stem}" for p in EXPORT if p.stem != "__init__"]
    modules += [f"clearer.bench.{p.stem}" for p in BENCH if p.stem != "__init__"]
    code = (
        "import sys, importlib\n"
        f"for name in {missing}: sys.modules[name] = None\n"
        f"for name in {modules}: importlib.import_module(name)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_help_loads_no_heavy_package() -> None:
    code = (
        "import sys; sys.modules['torch'] = None; sys.modules['matplotlib'] = None\n"
        "from clearer.cli import app\n"
        "app(['search', '--help'])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "--budget-mb" in result.stdout


def test_no_word_of_this_machine() -> None:
    """No paths of a machine or addresses of registries in what is shipped."""
    words = ("/" + "work/", "/" + "root/", "pypi." + "org", "find-" + "links")
    files = [p for p in ROOT.rglob("*") if p.suffix in (".py", ".md", ".toml", ".txt", ".json")]
    made = {"demo", "runs", "zoo-runs", "build"}
    own = [
        path
        for path in files
        if not any(p in made or p[0] == "." for p in path.relative_to(ROOT).parts[:-1])
    ]
    assert own
    for path in own:
        text = path.read_text(errors="ignore")
        assert not [word for word in words if word in text], path
