"""``clearer restore``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from clearer.bench.backends import restoring
from clearer.errors import ClearerError
from clearer.support.json_text import to_json
from clearer.terminal import live
from clearer.terminal.completion import complete_networks
from clearer.terminal.options import AsJson, Debug, backend_option

if TYPE_CHECKING:
    from clearer.restoring.self_ensemble import Views

_STATUS = ("restored", "skipped", "failed")


def restore(
    pictures: Annotated[
        list[Path], typer.Argument(metavar="PICTURES", help="Pictures, or folders of them.")
    ],
    model: Annotated[
        Path | None,
        typer.Option(
            autocompletion=complete_networks,
            help="Run folder, .safetensors or .onnx file, or a name from clearer zoo; default: "
            "the newest in runs/, else a network that comes with clearer.",
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the results, with subfolders.")] = Path(
        "restored"
    ),
    kind: Annotated[
        Literal["png", "jpeg", "tiff", "webp"] | None,
        typer.Option(
            "--format",
            help="Format of the results; default: that of the input, but PNG for BMP, PPM, AVIF "
            "and HEIC.",
        ),
    ] = None,
    color: Annotated[
        Literal["per-channel", "luma"],
        typer.Option(help="How a gray network restores a colour picture."),
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
        typer.Option(help="How much to remove: 1 is all, 0.5 half, 0 nothing.", min=0, max=2),
    ] = 1.0,
    self_ensemble: Annotated[
        Literal["1", "2", "4", "8"],
        typer.Option(
            help="Average over this many flips and rotations, for rain over 2 mirror images at "
            "most: better, in as many times the time.",
        ),
    ] = "1",
    tile: Annotated[
        int | None,
        typer.Option(
            help="Side of the tiles, in pixels; default: as large as 600 MB allow.", min=1
        ),
    ] = None,
    overlap: Annotated[
        int | None,
        typer.Option(
            help="Pixels that tiles overlap on each side; default: the radius of the "
            "effective receptive field.",
            min=0,
        ),
    ] = None,
    backend: Annotated[
        str | None,
        backend_option(restoring(), "Default: ONNX Runtime, or torch where that is not installed."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Also restore pictures that already have a result.")
    ] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Restore pictures of any size, with 8 or 16 bits, gray or colour.

    Transparency, ICC profile and EXIF data are kept; pixels are turned upright.
    """
    with live.status("loading"):
        from clearer.api.restore import restore as restore_pictures
        from clearer.terminal.restore_watch import RestoreWatch

    watch = RestoreWatch(quiet=as_json)
    try:
        restore_pictures(
            pictures,
            model=model,
            out=out,
            kind=kind,
            color=color,
            sigma=sigma,
            strength=strength,
            self_ensemble=cast("Views", int(self_ensemble)),
            tile=tile,
            overlap=overlap,
            backend=backend,
            overwrite=overwrite,
            watch=watch,
        )
    finally:
        if as_json and watch.has_begun:
            print(to_json(watch.records))
    counts = {word: sum(r["status"] == word for r in watch.records) for word in _STATUS}
    if not as_json:
        print(f"{out}: " + ", ".join(f"{n} {word}" for word, n in counts.items() if n))
    if counts["failed"]:
        raise ClearerError(f"{counts['failed']} of {len(watch.records)} pictures failed")
