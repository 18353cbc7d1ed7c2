"""Pack pictures or runs into a few files of a limited size; unpack them with every byte checked.

    python benchmarks/gpu/pack.py pictures photos-small carried     # of a recipe, or of a set
    python benchmarks/gpu/pack.py run gray carried                      # of zoo-runs/
    python benchmarks/gpu/pack.py unpack carried                    # into zoo-runs/, afterwards

A pack is ``NAME.00.zip``, ``NAME.01.zip``, ... and ``NAME.sha256``, a list that sha256sum reads.
Files are archived without compression: pictures are compressed already. Parts may be unpacked one
after the other, as they arrive; a pack is put in place once it is complete.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks" / "zoo")]

from pieces import DATA, log_path, pieces_path  # noqa: E402
from recipes import picture_folder  # noqa: E402

from clearer.data.scenes import SCENES_FILE, read_scenes  # noqa: E402
from clearer.errors import ClearerError, InputError  # noqa: E402
from clearer.pictures.images import list_images  # noqa: E402
from clearer.runs.run import Run  # noqa: E402
from clearer.support.device import resolve_device  # noqa: E402
from clearer.support.files import read_json, write_atomic, write_json  # noqa: E402
from clearer.training.precision import fastest_precision  # noqa: E402

__all__ = ["PICTURES_MB", "RUN_MB", "pack", "pack_pictures", "pack_run", "settle", "unpack_all"]

PICTURES_MB: Final = 25.0
"""With the source tree (35 MB), one part makes 60 MB; 30 is the maximum."""
RUN_MB: Final = 15.5
"""What comes back from a machine may be limited to files of 16 MB."""
_MOST_MB: Final = 30.0
_MB: Final = 10**6
_RUN: Final = "run."
_PICTURES: Final = "pictures."
_LIST: Final = ".sha256"
# The earliest time a zip file can hold: with one for all, the same files give the same bytes.
_MOMENT: Final = (1980, 1, 1, 0, 0, 0)
_OVERHEAD: Final = 512
"""Most bytes that an archive adds per file, besides its name."""


def pack(files: dict[str, Path], out: Path, name: str, most_mb: float) -> list[Path]:
    """Write files into archives by first fit, largest first, so that there are few.

    Args:
        files: What to pack, by its path in the pack.
        out: Folder to write to; an older pack of the name is replaced.
        name: Name of the pack.
        most_mb: Size of an archive, in 10**6 bytes.

    Returns:
        The archives and the list.

    Raises:
        InputError: If there is nothing to pack, or a single file is larger.
    """
    if not files:
        raise InputError(f"there is nothing to pack for {name}")
    limit, bins = most_mb * _MB, list[tuple[float, list[str]]]()
    sizes = {p: f.stat().st_size + _OVERHEAD + 2 * len(p.encode()) for p, f in files.items()}
    for path in sorted(sizes, key=lambda p: (-sizes[p], p)):
        if sizes[path] > limit:
            raise InputError(f"{files[path]} is larger than {most_mb:g} MB")
        for place, (size, held) in enumerate(bins):
            if size + sizes[path] <= limit:
                bins[place] = (size + sizes[path], [*held, path])
                break
        else:
            bins.append((sizes[path], [path]))
    out.mkdir(parents=True, exist_ok=True)
    for old in [*out.glob(f"{name}.[0-9][0-9].zip"), out / f"{name}{_LIST}"]:
        old.unlink(missing_ok=True)
    written, lines = [], []
    for index, (_, paths) in enumerate(bins):
        archive = out / f"{name}.{index:02}.zip"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as made:
            for path in sorted(paths):
                data = files[path].read_bytes()
                lines.append(f"{hashlib.sha256(data).hexdigest()}  {path}\n")
                made.writestr(zipfile.ZipInfo(path, _MOMENT), data)
        written.append(archive)
    written.append(out / f"{name}{_LIST}")
    write_atomic(written[-1], "".join(sorted(lines, key=lambda line: line[66:])).encode())
    return written


def pack_pictures(name: str, runs: Path, out: Path, most_mb: float = PICTURES_MB) -> list[Path]:
    """Pack the training and validation pictures of a recipe or a set, byte for byte.

    Raises:
        InputError: If they are not here.
    """
    folder = picture_folder(name, runs / DATA)
    files = {
        f"{split}/{path.name}": path
        for split in ("train", "val")
        if (folder / split).is_dir()
        for path in list_images(folder / split)
    }
    # Without the test pictures, nobody could tell which training pictures share a scene with them.
    scenes = read_scenes(folder)
    held = {scene for path, scene in scenes.items() if path.startswith(("val/", "test/"))}
    files = {path: file for path, file in files.items() if scenes.get(path) not in held}
    groups: dict[str, list[str]] = {}
    for path in files.keys() & scenes:
        groups.setdefault(scenes[path], []).append(path)
    with tempfile.TemporaryDirectory() as made:
        if groups:  # those that are packed: a list that names a missing picture is refused
            files[SCENES_FILE] = Path(made) / SCENES_FILE
            lines = sorted(" ".join(sorted(group)) for group in groups.values())
            files[SCENES_FILE].write_text("".join(f"{line}\n" for line in lines))
        return pack(files, out, _PICTURES + name, most_mb)


def pack_run(name: str, runs: Path, out: Path) -> list[Path]:
    """Pack the run of a network with its checkpoint and logs.

    Raises:
        InputError: If it was not begun.
    """
    run = runs / name
    files = {str(path.relative_to(runs)): path for path in run.rglob("*") if path.is_file()}
    if not files:
        raise InputError(f"{run} was not begun: there is nothing to pack")
    extra = (log_path(name, runs), pieces_path(name, runs))
    files |= {path.name: path for path in extra if path.is_file()}
    return pack(files, out, _RUN + name, RUN_MB)


def unpack_all(source: Path, runs: Path) -> list[str]:
    """Unpack every pack that has parts in a folder: pictures and runs, to where they belong.

    A run that is here and has come further is kept.

    Returns:
        A line for each.

    Raises:
        InputError: If there is none.
        ClearerError: If a file is damaged.
    """
    lists = sorted(source.glob(f"*{_LIST}"))
    if not lists:
        raise InputError(f"{source} holds no list *{_LIST} of a pack")
    return [_unpack(path, runs) for path in lists]


def _unpack(listed: Path, runs: Path) -> str:
    pack_name = listed.name.removesuffix(_LIST)
    digests = _read_list(listed)
    staged = runs / f".{pack_name}"
    for archive in sorted(listed.parent.glob(f"{pack_name}.[0-9][0-9].zip")):
        _extract(archive, digests, staged)
    missing = [path for path in digests if not (staged / path).is_file()]
    if pack_name.startswith(_PICTURES):
        name = pack_name.removeprefix(_PICTURES)
        target = runs / DATA / name
        if missing and not target.is_dir():
            here = len(digests) - len(missing)
            return (
                f"{name}: {here} of {len(digests)} pictures are here; the other parts are to come"
            )
        if not missing:
            shutil.rmtree(target, ignore_errors=True)
            target.parent.mkdir(parents=True, exist_ok=True)
            staged.rename(target)
        return f"{name}: all {len(digests)} pictures are here"
    name = pack_name.removeprefix(_RUN)
    if missing:
        raise ClearerError(f"{listed.parent} lacks parts of {name}: {missing[0]} and maybe more")
    return _place_run(name, staged, runs)


def _place_run(name: str, staged: Path, runs: Path) -> str:
    """Put an unpacked run in place, and set its pictures and device for this machine."""
    found, present = (iterations_of(Run(folder / name)) for folder in (staged, runs))
    if present is not None and present >= (found or 0):
        shutil.rmtree(staged)
        return f"{name}: the run here, at iteration {present:,}, is as far or further: it stays"
    shutil.rmtree(runs / name, ignore_errors=True)
    for path in staged.iterdir():
        path.replace(runs / path.name)
    staged.rmdir()
    return f"{name}: a run at iteration {found or 0:,}"


def settle(run: Run, data: Path) -> None:
    """Adapt a run from another machine to this one: its folder of pictures and its device.

    On another device, it continues in the precision that is faster there.
    """
    config: dict[str, Any] = read_json(run.config)
    settings, device = run.settings(), resolve_device("auto")
    here = {"data": str(data), "device": device}
    if settings.device != device:
        here["precision"] = fastest_precision(settings.space, device)
        print(f"from {settings.device} to {device}, {here['precision']}")
    if any(config["settings"][key] != value for key, value in here.items()):
        config["settings"] |= here
        write_json(run.config, config)


def iterations_of(run: Run) -> int | None:
    """The iteration of a run; None if there is none."""
    if not run.config.exists():
        return None
    paths = [path for path in (run.search_checkpoint, run.train_checkpoint) if path.exists()]
    return sum(int(read_json(path)["state"]["iteration"]) for path in paths)


def _read_list(path: Path) -> dict[str, str]:
    pairs = (line.split("  ", 1) for line in path.read_text().splitlines())
    try:
        return {name: digest for digest, name in pairs}
    except ValueError as error:
        raise ClearerError(f"{path} is damaged: pack again") from error


def _extract(archive: Path, digests: dict[str, str], folder: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as packed:
            for name in packed.namelist():
                data = packed.read(name)
                # A path that is not in the list is never written, wherever it leads.
                if hashlib.sha256(data).hexdigest() != digests.get(name):
                    raise ClearerError(f"{archive}: {name} is damaged, or not of this pack")
                if ".." in Path(name).parts or Path(name).is_absolute():
                    raise ClearerError(f"{archive}: {name} leads out of the pack")
                write_atomic(folder / name, data)
    except (zipfile.BadZipFile, OSError) as error:
        raise ClearerError(f"{archive} is damaged: pack again ({error})") from error


def main(words: list[str] | None = None) -> int:
    """Pack or unpack; the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("pictures", "run", "unpack"))
    parser.add_argument("words", nargs="+", metavar="NAME OUT | FOLDER")
    parser.add_argument("--runs", type=Path, default=Path("zoo-runs"))
    parser.add_argument("--mb", type=float, default=PICTURES_MB, help="of a file of pictures")
    arguments = parser.parse_args(words)
    given = arguments.words
    try:
        if len(given) != (1 if arguments.what == "unpack" else 2):
            parser.error("pictures and run take NAME OUT, unpack takes FOLDER")
        if not 0 < arguments.mb <= _MOST_MB:
            raise InputError(f"--mb must be above 0 and at most {_MOST_MB:g}")
        if arguments.what == "unpack":
            print("\n".join(unpack_all(Path(given[0]), arguments.runs)))
            return 0
        if arguments.what == "pictures":
            made = pack_pictures(given[0], arguments.runs, Path(given[1]), arguments.mb)
        else:
            made = pack_run(given[0], arguments.runs, Path(given[1]))
        for path in made:
            print(f"{path.stat().st_size / _MB:8.2f} MB  {path}")
    except ClearerError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
