"""``clearer restore``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from clearer.errors import ClearerError, InputError, Interrupted
from clearer.support.json_text import to_json
from clearer.terminal import console, live
from clearer.terminal.completion import complete_networks
from clearer.terminal.options import AsJson, Debug

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from clearer.bench.restorers import LoadedModel
    from clearer.restoring.restore_method import Method, PictureKind
    from clearer.restoring.restore_plan import Job


def restore(
    pictures: Annotated[
        list[Path], typer.Argument(metavar="PICTURES", help="Pictures, or folders of them.")
    ],
    model: Annotated[
        Path | None,
        typer.Option(
            autocompletion=complete_networks,
            help="Run folder, .safetensors or .onnx file, or name of clearer zoo; default: the "
            "newest in runs/, else what comes with clearer.",
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the results, with sub-folders.")] = Path(
        "restored"
    ),
    kind: Annotated[
        Literal["png", "jpeg", "tiff", "webp"] | None,
        typer.Option(
            "--format",
            help="Of the results; default: as the input, but PNG of BMP, PPM, AVIF and HEIC.",
        ),
    ] = None,
    color: Annotated[
        Literal["per-channel", "luma"],
        typer.Option(help="What a gray network restores of a colour picture."),
    ] = "per-channel",
    sigma: Annotated[
        float | None,
        typer.Option(
            help="Noise level of the pictures, scale 0 to 255, for a network with a level map; "
            "default: estimated for each picture.",
            min=0,
            max=255,
        ),
    ] = None,
    strength: Annotated[
        float,
        typer.Option(help="How much is removed: 1 is all, 0.5 half, 0 nothing.", min=0, max=2),
    ] = 1.0,
    tile: Annotated[
        int | None,
        typer.Option(
            help="Side of the tiles, in pixels; default: as large as 400 MB allow.", min=1
        ),
    ] = None,
    overlap: Annotated[
        int | None,
        typer.Option(
            help="Pixels that tiles share on each side; default: half of what the network sees.",
            min=0,
        ),
    ] = None,
    backend: Annotated[
        Literal["torch", "onnxruntime", "openvino"] | None,
        typer.Option(help="Default: torch for runs, ONNX Runtime for ONNX files."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Make results anew that exist already.")
    ] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Restore pictures of any size: 8 or 16 bits, gray or colour, as they are but for the pixels.

    Transparency, ICC profile and EXIF data are kept; pixels are turned upright.
    """
    with live.status("loading"):
        from clearer.bench.restorers import find_restorers
        from clearer.restoring.restore_plan import plan_jobs
        from clearer.support.files import check_writable

    with live.status("looking for pictures"):
        plan = plan_jobs(pictures, out, kind)
    jobs = plan.jobs
    with live.status("loading the network"):
        found = find_restorers(model, backend)
    methods = {
        kind: loaded.method(color, tile, overlap, sigma=sigma, strength=strength)
        for kind, loaded in found.items()
    }
    if sigma is not None and not any(loaded.has_level for loaded in found.values()):
        raise InputError(
            "--sigma is for a network with a level map, and this one finds the level itself: leave "
            "it out, and see --strength"
        )
    is_gray = found["rgb"].channels == 1
    unsaid: dict[str, Callable[[], None]] = {
        loaded.name: partial(
            _introduce,
            loaded,
            methods[kind].plan.text,
            _COLOR_NOTES[color] if kind == "rgb" and is_gray else None,
        )
        for kind, loaded in found.items()
    }
    for loaded in found.values():
        if not loaded.is_late and (introduce := unsaid.pop(loaded.name, None)):
            introduce()
    if (left_out := plan.about_left_out()) is not None:
        console.say(left_out)
    check_writable(out)
    records: list[dict[str, Any]] = []
    try:
        _restore_all(jobs, methods, overwrite, records, unsaid, quiet=as_json)
    except KeyboardInterrupt as error:
        raise Interrupted(
            f"interrupted: {len(records)} of {len(jobs)} pictures are done, and left as they are "
            "when the same command is given again"
        ) from error
    finally:
        if as_json:
            print(to_json(records))
    counts = {word: sum(r["status"] == word for r in records) for word in _STATUS}
    if not as_json:
        print(f"{out}: " + ", ".join(f"{n} {word}" for word, n in counts.items() if n))
    if counts["failed"]:
        raise ClearerError(f"{counts['failed']} of {len(jobs)} pictures failed")


def _introduce(loaded: LoadedModel, tiles: str, color_note: str | None) -> None:
    """Say what restores, once."""
    info = loaded.runner.info
    console.say(
        f"{info.name}, {'gray' if loaded.channels == 1 else 'RGB'}"
        + (", which comes with clearer" if loaded.is_shipped else "")
        + f"; {info.backend} {info.version}, {info.precision}, {info.threads} threads; {tiles}"
        + ("" if loaded.architecture else " (architecture unknown: see --overlap)")
    )
    for note in (*loaded.notes, color_note):
        if note is not None:
            console.say(note)


_STATUS = ("restored", "skipped", "failed")
_COLOR_NOTES = {
    "per-channel": "colour pictures: each channel by itself, since noise is in all of them "
    "(--color luma takes a third of the time and leaves the noise of colours)",
    "luma": "colour pictures: brightness alone, colours as they were",
}


def _restore_all(
    jobs: Sequence[Job],
    methods: Mapping[PictureKind, Method],
    overwrite: bool,
    records: list[dict[str, Any]],
    unsaid: dict[str, Callable[[], None]],
    *,
    quiet: bool,
) -> None:
    """Fill ``records``, with bars for pictures and tiles, and a line for each picture.

    What restores is said with its first picture, where ``unsaid`` has it: not all may be needed.
    """
    from clearer.restoring.restore_files import restore_files

    with live.progress_bar() as progress:
        all_ = progress.add_task("pictures", total=len(jobs), note="")
        tiles = progress.add_task("tiles", total=None, note="")

        def listener(done: int, total: int) -> None:
            name = console.printable(jobs[len(records)].source.name)
            progress.update(tiles, completed=done, total=total, note=name)
            progress.update(all_, completed=len(records) + done / total)

        for record in restore_files(jobs, methods, overwrite=overwrite, listener=listener):
            records.append(record)
            progress.update(all_, completed=len(records))
            if introduce := unsaid.pop(record.get("network", ""), None):
                introduce()
            if record["status"] == "failed":
                name, reason = record["input"], record["reason"]
                console.warn(reason if name in reason else f"{name}: {reason}")
            elif not quiet:
                console.say(_line(record))


def _line(record: dict[str, Any]) -> str:
    if record["status"] == "skipped":
        return f"{record['output']}: exists, left as it is (--overwrite makes it anew)"
    given = record["sigma"]
    sigma = "" if given is None else f", noise level {given:.1f}"
    tiles = "" if record["tiles"] == 1 else f", {record['tiles']} tiles"
    notes = "".join(f"; {note}" for note in record["notes"])
    choice = "" if record["why"] is None else f", by {record['network']} ({record['why']})"
    return (
        f"{record['output']}: {record['width']}x{record['height']}, {record['bits']} bits"
        f"{sigma}{choice}{tiles}, "
        f"{record['seconds']:.1f} s{notes}"
    )
