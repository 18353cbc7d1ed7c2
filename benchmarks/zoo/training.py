"""What a card says about training: which pictures trained and selected, known by their hashes."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from clearer.data.datasets import DATA_SETS
from clearer.data.pairs import PictureFile, list_pictures
from clearer.data.splits import list_splits
from clearer.errors import InputError
from clearer.runs.run import Run
from clearer.support.files import read_jsonl
from clearer.tasks.dejpeg import DeJpeg
from clearer.tasks.denoise import Denoise
from clearer.tasks.photo import Photo

RAIN: Final = "rain800"
PHOTO_TESTS: Final = ("polyu", "kodak24")
JPEG_TESTS: Final = ("kodak24", "set12")


def describe_training(run: Run, info: dict[str, Any]) -> dict[str, Any]:
    """Which sets the pictures are from, whether test pictures are among them, and how long it took.

    Raises:
        InputError: If the run was not trained on a folder.
    """
    settings = run.settings()
    folder = settings.data
    if folder is None:
        raise InputError("train on a folder by --data: the card says what its pictures are")
    start = settings.fine_tuned_from
    train, val, _ = list_splits(folder, settings.seed, settings.task)
    known = registry()
    found = {part: digests(files) for part, files in (("train", train), ("val", val))}
    both = [digest for part in found.values() for digest in part]
    fairness: dict[str, Any]
    if isinstance(settings.task, Denoise):
        tested = set(DATA_SETS["cbsd68"].hashes().values())
        fairness = {"num_in_bsd68": sum(digest in tested for digest in both)}
    elif isinstance(settings.task, Photo | DeJpeg):
        names = PHOTO_TESTS if isinstance(settings.task, Photo) else JPEG_TESTS
        tested = {d for name in names for d in DATA_SETS[name].hashes().values()}
        fairness = {"num_in_test": sum(digest in tested for digest in both)}
    else:
        places = [known[d] for d in both if d in known]
        paths = [path for name, path in places if name == RAIN]
        used = {file.name for file in train + val}
        held = [f.name for f in list_pictures(folder / "train", settings.task)]
        fairness = {
            "num_in_test": num_in_test(paths),
            "left_out": [f"train/{name}" for name in held if name not in used],
        }
    return {
        "num_train": len(train),
        "num_val": len(val),
        **{part: origins(part_found, known) for part, part_found in found.items()},
        **fairness,
        "fine_tuned_from": start and start.name,
        "fine_tuned_from_sha256": start and start.sha256,
        "teacher": settings.teacher and settings.teacher.name,
        "teacher_sha256": settings.teacher and settings.teacher.sha256,
        "iteration": info["iteration"],
        "iterations": settings.train.iterations,
        "batch_size": settings.train.batch_size,
        "patch_size": settings.train.patch_size,
        "precision": settings.precision,
        "seed": settings.seed,
        "selection": info["selection"],
        "val_psnr_db": info["val_psnr_db"],
        "val_ssim": info["val_ssim"],
        **_log(run),
    }


def _log(run: Run) -> dict[str, Any]:
    """How PSNR grew, and the time of the steps: each line of the log has the speed up to it."""
    lines = read_jsonl(run.train_log)
    curve = [(line["iteration"], line["val_psnr_db"]) for line in lines if "val_psnr_db" in line]
    steps = [line for line in lines if "iterations_per_s" in line]
    before = [0, *(line["iteration"] for line in steps)]
    seconds = sum(
        (line["iteration"] - start) / line["iterations_per_s"]
        for line, start in zip(steps, before, strict=False)
    )
    return {"curve": curve, "hours": seconds / 3600}


def registry() -> dict[str, tuple[str, str]]:
    """(set, path in it) by SHA-256; a picture that is in several sets counts for the first."""
    found: dict[str, tuple[str, str]] = {}
    for name, known in DATA_SETS.items():
        for path, digest in known.hashes().items():
            found.setdefault(digest, (name, path))
    return found


def digests(files: Iterable[PictureFile]) -> list[str]:
    """SHA-256 of the clean pictures, or of the files that hold both pictures of a pair."""
    return [hashlib.sha256(file.clean.read_bytes()).hexdigest() for file in files]


def origins(found: list[str], known: dict[str, tuple[str, str]]) -> dict[str, int]:
    """How many pictures come from which split of which set."""
    names = []
    for digest in found:
        name, path = known.get(digest, ("unknown origin", ""))
        folder = path.rpartition("/")[0]
        names.append(f"{name} {folder}".strip())
    return dict(sorted(Counter(names).items()))


def num_in_test(paths: list[str]) -> int:
    """How many pictures of Rain800 are test pictures, or show a scene of one."""
    lines = (DATA_SETS[RAIN].scenes() or "").splitlines()
    scene = {name: index for index, line in enumerate(lines) for name in line.split()}
    tested = {scene[name] for name in scene if name.startswith("test/")}
    return sum(path.startswith("test/") or scene.get(path) in tested for path in paths)
