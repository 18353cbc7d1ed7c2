"""``clearer data``: list, get and verify data sets."""

from pathlib import Path
from typing import Annotated

import typer

from clearer.errors import ClearerError, InputError
from clearer.support.json_text import to_json
from clearer.terminal import console, live
from clearer.terminal.completion import complete_sets
from clearer.terminal.options import AsJson, Debug

Names = Annotated[
    list[str],
    typer.Argument(
        metavar="NAME...", autocompletion=complete_sets, help="Names from clearer data list."
    ),
]
_MOST_NAMED = 10


def list_(as_json: AsJson = False, debug: Debug = False) -> None:
    """List the data sets known by name, and where each is stored."""
    from clearer.data.datasets import DATA_SETS, find_data_set
    from clearer.terminal import tables

    rows = [
        {
            "name": name,
            "what": made.what,
            "files": len(made.hashes()),
            "mb": made.mb,
            "folder": str(find_data_set(name) or "") or None,
            "terms": made.terms,
            "source": made.url,
        }
        for name, made in DATA_SETS.items()
    ]
    if as_json:
        print(to_json(rows))
    else:
        tables.print_data_sets(rows)


def get(
    names: Names,
    to: Annotated[
        Path | None, typer.Option(help="Folder for the data sets; default: the cache.")
    ] = None,
    source: Annotated[str | None, typer.Option(help="URL of a mirror with the same paths.")] = None,
    debug: Debug = False,
) -> None:
    """Download data sets, each file checked by its SHA-256. Run it again to resume."""
    from clearer.data.datasets import cache_folder, data_set, find_data_set
    from clearer.data.download import download

    for made in [data_set(name) for name in names]:
        here = find_data_set(made.name)
        if here is not None and to is None:
            print(f"{made.name} is here: {here}")
            continue
        if made.changed is not None:
            raise InputError(f"{made.name} cannot be fetched: {made.how_to_get}")
        folder = (to or cache_folder()) / made.name
        console.say(f"{made.name}: {made.what}; {made.mb} MB from {source or made.url}")
        console.say(f"terms: {made.terms}")
        with live.counting_bar(made.name) as listener:
            count = download(made, folder, source, listener)
        print(f"{made.name}: {count} files fetched, complete in {folder}")


def verify(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME...]",
            autocompletion=complete_sets,
            help="Data sets; default: all that are here.",
        ),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--in", help="Folder that holds the data sets; default: CLEARER_DATA, then the cache."
        ),
    ] = None,
    debug: Debug = False,
) -> None:
    """Check every file of data sets by its SHA-256."""
    from clearer.data.datasets import DATA_SETS, cache_folder, data_set, find_data_set
    from clearer.data.download import check_files

    chosen = [data_set(name) for name in names or DATA_SETS if names or find_data_set(name)]
    if not chosen:
        raise InputError("no data set is here: see clearer data list")
    bad = []
    for made in chosen:
        default = find_data_set(made.name) or cache_folder() / made.name
        place = default if folder is None else folder / made.name
        if not place.is_dir():
            raise InputError(f"{made.name} is not at {place}: {made.how_to_get}")
        with live.counting_bar(made.name) as listener:
            check = check_files(made, place, listener)
        print(
            f"{made.name}: {len(check.good)} good, {len(check.wrong)} wrong, "
            f"{len(check.missing)} missing, in {place}"
        )
        for what, paths in (("wrong", check.wrong), ("missing", check.missing)):
            for path in paths[:_MOST_NAMED]:
                print(f"  {what}: {path}")
            if len(paths) > _MOST_NAMED:
                print(f"  and {len(paths) - _MOST_NAMED} more {what}")
        if check.wrong or check.missing:
            bad.append(f"{made.how_to_get}{'' if made.changed else f' --to {place.parent}'}")
    if bad:
        mend = "; ".join(bad)
        raise ClearerError(
            f"{len(bad)} of {len(chosen)} data sets are incomplete; repair with: {mend}"
        )
