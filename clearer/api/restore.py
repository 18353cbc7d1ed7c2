"""Restore files of pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Final

from clearer.api.watch import SILENT, Watch
from clearer.bench.restorers import LoadedModel, find_restorers
from clearer.errors import InputError, Interrupted
from clearer.pictures.encoding import Kind
from clearer.restoring.restore import ColorMode
from clearer.restoring.restore_files import RestoredFile, restore_files
from clearer.restoring.restore_method import Method, PictureKind
from clearer.restoring.restore_plan import plan_jobs
from clearer.restoring.self_ensemble import Views
from clearer.support.files import as_path, check_writable

__all__ = ["restore"]

_COLOR_NOTES: Final[Mapping[ColorMode, str]] = {
    "per-channel": "colour pictures: each channel by itself, since noise is in all of them "
    "(--color luma takes a third of the time and leaves the noise of colours)",
    "luma": "colour pictures: brightness alone, colours as they were",
}


def restore(
    pictures: str | PathLike[str] | Sequence[str | PathLike[str]],
    *,
    model: str | PathLike[str] | None = None,
    out: str | PathLike[str] = "restored",
    kind: Kind | None = None,
    color: ColorMode = "per-channel",
    sigma: float | None = None,
    strength: float = 1.0,
    self_ensemble: Views = 1,
    tile: int | None = None,
    overlap: int | None = None,
    backend: str | None = None,
    overwrite: bool = False,
    watch: Watch = SILENT,
) -> list[RestoredFile]:
    """Restore pictures of any size, and write them: ``clearer restore``.

    Example:
        >>> import clearer, numpy, tempfile
        >>> from PIL import Image
        >>> folder = tempfile.mkdtemp()
        >>> Image.fromarray(numpy.full((24, 32), 128, numpy.uint8)).save(f"{folder}/gray.png")
        >>> (done,) = clearer.restore(f"{folder}/gray.png", model="gray-25", out=f"{folder}/out")
        >>> done["status"], done["width"], done["height"]
        ('restored', 32, 24)

    Args:
        pictures: A file or folder, or several; paths inside a folder are kept below ``out``.
        model: As for :func:`clearer.load`.
        out: Folder for the results.
        kind: Format of the results: ``png``, ``jpeg``, ``tiff`` or ``webp``; None: as the
            input.
        color: How a gray network restores a colour picture.
        sigma: Noise level, scale 0 to 255, for a network with a level map; None: estimated.
        strength: How much to remove: 1 is all, 0 nothing; up to 2.
        self_ensemble: Average over 2, 4 or 8 flips and rotations (for rain, at most the picture
            and its mirror image), in as many times the time.
        tile: Side of the tiles in pixels; None: as large as 600 MB allow.
        overlap: Pixels that tiles overlap on each side; None: the radius of the
            effective receptive field.
        backend: ``torch``, ``onnxruntime`` or ``openvino``; None: ONNX Runtime, or torch for
            weights where that is not installed.
        overwrite: Also restore pictures that already have a result.
        watch: Receives messages and progress.

    Returns:
        A record for each picture. A picture that fails raises nothing and stops no others: its
        record says why.

    Raises:
        InputError: If there is no picture or no such model, or a value is out of range.
        ClearerError: If nothing more can be written, for example on a full disk.
        Interrupted: On Ctrl-C; pictures already restored are kept.
    """
    given = [pictures] if isinstance(pictures, (str, PathLike)) else pictures
    folder = Path(out)
    with watch.status("looking for pictures"):
        plan = plan_jobs([*map(Path, given)], folder, kind)
    with watch.status("loading the network"):
        found = find_restorers(as_path(model), backend)
    methods = {
        of: loaded.method(color, tile, overlap, sigma=sigma, strength=strength, views=self_ensemble)
        for of, loaded in found.items()
    }
    if sigma is not None and not any(loaded.has_level for loaded in found.values()):
        raise InputError(
            "--sigma is for a network with a level map, and this one finds the level itself: leave "
            "it out, and see --strength"
        )
    unsaid = _descriptions(found, methods, color, watch)
    for loaded in found.values():
        if not loaded.is_late and (describe := unsaid.pop(loaded.name, None)):
            describe()
    if (left_out := plan.about_left_out()) is not None:
        watch.say(left_out)
    check_writable(folder)
    records: list[RestoredFile] = []
    try:
        with watch.pictures([job.source.name for job in plan.jobs]) as tell:

            def listener(done: int, total: int) -> None:
                tell(len(records), done, total)

            for record in restore_files(plan.jobs, methods, overwrite=overwrite, listener=listener):
                records.append(record)
                tell(len(records), 0, 1)
                # Not every network may be needed: each is described with its first picture.
                if describe := unsaid.pop(record.get("network", ""), None):
                    describe()
                watch.restored(record)
    except KeyboardInterrupt as error:
        raise Interrupted(
            f"interrupted: {len(records)} of {len(plan.jobs)} pictures are done, and left as they "
            "are when the same command is given again"
        ) from error
    return records


def _descriptions(
    found: Mapping[PictureKind, LoadedModel],
    methods: Mapping[PictureKind, Method],
    color: ColorMode,
    watch: Watch,
) -> dict[str, Callable[[], None]]:
    """For each network, by name, a function that describes it to the user."""
    is_gray = found["rgb"].channels == 1
    return {
        loaded.name: partial(
            watch.describe_restorer,
            loaded,
            methods[kind].plan.text,
            _COLOR_NOTES[color] if kind == "rgb" and is_gray else None,
        )
        for kind, loaded in found.items()
    }
