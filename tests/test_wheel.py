"""What is built from a checkout: the same with and without symbolic links, and it works alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from fnmatch import fnmatch
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement
from PIL import Image

from clearer.data.datasets import DATA_SETS
from clearer.zoo import catalogue

ROOT = Path(__file__).resolve().parents[1]
TINY = ["--width", "2", "--search-iterations", "2", "--iterations", "2", "--batch-size", "2"]
TINY += ["--patch-size", "16", "--precision", "fp32", "--unshuffle", "2", "--columns", "1,1"]
BUILD = """
import sys
from setuptools import build_meta
folder = sys.argv[1]  # setuptools puts words of its own there
build_meta.build_sdist(folder)
build_meta.build_wheel(folder)
"""


def run(*words: str | Path, cwd: Path) -> str:
    """Output of a command in an environment that knows nothing of this checkout."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def has_git() -> bool:
    return (ROOT / ".git").exists() and shutil.which("git") is not None


def names_of_git() -> list[str]:
    words = ("ls-files", "-z", "--cached", "--others", "--exclude-standard")
    return run("git", "-c", "safe.directory=*", *words, cwd=ROOT).strip("\0").split("\0")


def names_of_tree(root: Path) -> list[str]:
    """The same without git, as in an archive: all that ``.gitignore`` does not name."""
    patterns = [".git", *(line.rstrip("/") for line in (root / ".gitignore").read_text().split())]
    names: list[str] = []
    for place, folders, files in os.walk(root):
        within = Path(place).relative_to(root)
        for found in (folders, files):
            found[:] = [
                name
                for name in found
                if not any(fnmatch(name, p) or f"/{within / name}" == p for p in patterns)
            ]
        links = [name for name in folders if Path(place, name).is_symlink()]
        names += [str(within / name) for name in (*files, *links)]
    return names


def copy_checkout(folder: Path, *, with_links: bool) -> Path:
    """Copy what git tracks; without links, they are text files, as on Windows or from a zip."""
    for name in names_of_git() if has_git() else names_of_tree(ROOT):
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_symlink() and not with_links:
            target.write_text(str(source.readlink()))
        elif source.is_symlink() or source.exists():  # git also lists deleted files
            shutil.copy2(source, target, follow_symlinks=False)
    return folder


def without_weights(checkout: Path) -> Path:
    """Empty the files that take long to compress, for tests of names only."""
    for path in (checkout / "clearer" / "zoo").glob("*.safetensors"):
        path.write_bytes(b"")
    return checkout


def build(checkout: Path) -> tuple[Path, Path]:
    """Build the sdist and the wheel."""
    out = checkout.parent / f"{checkout.name}-dist"
    run(sys.executable, "-c", BUILD, out, cwd=checkout)
    (sdist,), (wheel,) = out.glob("*.tar.gz"), out.glob("*.whl")
    return sdist, wheel


def files_of_wheel(path: Path) -> set[str]:
    return set(zipfile.ZipFile(path).namelist())


def files_of_sdist(path: Path) -> set[str]:
    with tarfile.open(path) as archive:
        members = archive.getmembers()
    assert not [member.name for member in members if not (member.isfile() or member.isdir())]
    return {member.name.partition("/")[2] for member in members if member.isfile()}


def modules_of_source() -> set[str]:
    """Modules of the source, by their place in the wheel."""
    places = {"clearer": "clearer", "clearer/bench": "bench", "clearer/export": "export"}
    found = set()
    for package, folder in places.items():
        for path in (ROOT / folder).rglob("*.py"):  # does not follow links
            found.add(f"{package}/{path.relative_to(ROOT / folder).as_posix()}")
    return found


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout without links."""
    return copy_checkout(tmp_path_factory.mktemp("plain") / "checkout", with_links=False)


@pytest.fixture(scope="module")
def built(plain: Path) -> tuple[Path, Path]:
    """The sdist and wheel of that checkout."""
    return build(plain)


@pytest.mark.skipif(not has_git(), reason="this is no git checkout, or git is not installed")
def test_an_archive_holds_what_git_holds() -> None:
    there = {name for name in names_of_git() if os.path.lexists(ROOT / name)}
    assert set(names_of_tree(ROOT)) == there - {".venv"}  # to git, a link of that name is a file


def test_the_links_are_text_in_the_copy(plain: Path) -> None:
    assert (plain / "clearer" / "bench").read_text() == "../bench"
    assert not [path for path in plain.rglob("*") if path.is_symlink()]


def test_links_change_nothing(built: tuple[Path, Path], tmp_path: Path) -> None:
    sdist, wheel = build(without_weights(copy_checkout(tmp_path / "linked", with_links=True)))
    assert files_of_wheel(wheel) == files_of_wheel(built[1])
    assert files_of_sdist(sdist) == files_of_sdist(built[0])


def test_the_wheel_holds_every_module_and_its_files(built: tuple[Path, Path]) -> None:
    names = files_of_wheel(built[1])
    assert {name for name in names if name.endswith(".py")} == modules_of_source()
    assert {"clearer/cli.py", "clearer/bench/__init__.py", "clearer/export/__init__.py"} <= names
    for place, folder in (
        ("clearer/bench/report_assets", "bench/report_assets"),
        *((f"clearer/{name}", f"clearer/{name}") for name in ("data/hashes", "demo/page", "zoo")),
    ):
        files = {p.name for p in (ROOT / folder).iterdir() if p.is_file()}
        assert {f"{place}/{name}" for name in files} <= names
    assert "clearer/py.typed" in names


def test_the_sdist_builds_the_same_wheel(built: tuple[Path, Path], tmp_path: Path) -> None:
    sdist, wheel = built
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    assert files_of_wheel(build(without_weights(source))[1]) == files_of_wheel(wheel)


def requirements(wheel: Path) -> set[str]:
    """Names of the packages that the wheel needs without extras, and of what they need."""
    (name,) = (name for name in files_of_wheel(wheel) if name.endswith(".dist-info/METADATA"))
    about = metadata.PathDistribution(zipfile.Path(wheel, name.partition("/")[0] + "/"))
    todo, found = [("", line) for line in about.requires or []], set()
    while todo:
        extra, line = todo.pop()
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        for wanted in ("", *requirement.extras):
            if (requirement.name, wanted) not in found:
                found.add((requirement.name, wanted))
                todo += [(wanted, line) for line in metadata.requires(requirement.name) or []]
    return {name for name, _ in found}


def bare_environment(folder: Path, wheel: Path, *to_install: str | Path) -> Path:
    """An environment with a wheel, what it needs without extras, and no more.

    Other packages are links to those of this environment: nothing is downloaded.
    """
    pytest.importorskip("pip")
    venv.create(folder, symlinks=True)
    (site,) = (folder / "lib").glob("python*/site-packages")
    for package in requirements(wheel):
        distribution = metadata.distribution(package)
        tops = {file.parts[0] for file in distribution.files or []} - {"..", "__pycache__"}
        for top in tops:
            if not (site / top).exists():
                (site / top).symlink_to(Path(str(distribution.locate_file(top))))
    words = ("--disable-pip-version-check", "install", "--quiet", "--no-index", "--no-deps")
    options = ("--no-build-isolation", "--no-warn-script-location")
    pip = (sys.executable, "-m", "pip", "--python", folder)
    run(*pip, *words, *options, *to_install, cwd=folder)
    return folder


def places(environment: Path) -> list[Path]:
    """Where the packages of that environment are that links once made."""
    names = ("clearer.bench", "clearer.export", "clearer.cli")
    code = f"import {', '.join(names)}, sys\nfor n in {names}: print(sys.modules[n].__file__)"
    return [
        Path(line)
        for line in run(environment / "bin" / "python", "-c", code, cwd=environment).splitlines()
    ]


def test_the_wheel_works_in_a_bare_environment(built: tuple[Path, Path], tmp_path: Path) -> None:
    bare = bare_environment(tmp_path / "bare", built[1], built[1])
    (tmp_path / "photos").mkdir()
    pixels = np.random.default_rng(0).integers(256, size=(4, 40, 56, 3), dtype=np.uint8)
    for index, picture in enumerate(pixels):
        Image.fromarray(picture).save(tmp_path / "photos" / f"{index}.png")
    assert all(path.is_relative_to(bare) for path in places(bare))
    assert "restore" in run(bare / "bin" / "clearer", "--help", cwd=tmp_path)
    run(bare / "bin" / "clearer", "restore", "photos/0.png", cwd=tmp_path)
    run(bare / "bin" / "clearer", "search", "--data", "photos", *TINY, "--out", "run", cwd=tmp_path)
    with Image.open(tmp_path / "restored" / "0.png") as restored:
        assert restored.size == (56, 40)
    assert (tmp_path / "run" / "weights.safetensors").is_file()


def test_an_editable_install_needs_no_links(
    plain: Path, built: tuple[Path, Path], tmp_path: Path
) -> None:
    bare = bare_environment(tmp_path / "bare", built[1], "--editable", plain)
    assert places(bare) == [
        plain / "bench" / "__init__.py",
        plain / "export" / "__init__.py",
        plain / "clearer" / "cli.py",
    ]


def test_the_command_starts_from_the_source_tree(plain: Path) -> None:
    assert "restore" in run(sys.executable, "cli.py", "--help", cwd=plain)


def test_the_licences_of_the_weights_are_those_of_their_cards(built: tuple[Path, Path]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    cards = [catalogue.zoo_network(name).card for name in catalogue.zoo_names()]
    sets = {origin.split()[0] for card in cards for origin in card["training"]["train"]}
    texts = {path.stem: path.read_text() for path in (ROOT / "licenses").iterdir()}
    assert set(texts) == sets
    names = files_of_wheel(built[1])
    for name, text in texts.items():
        assert DATA_SETS[name].terms in " ".join(text.split())
        assert text.split()[0] in project["license"].split(" AND ")
        assert f"clearer-{project['version']}.dist-info/licenses/licenses/{name}.txt" in names
