"""``clearer demo``."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clearer.support.interrupt import exit_code
from clearer.terminal import console, live
from clearer.terminal.completion import complete_networks
from clearer.terminal.options import AsJson, Debug

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clearer.demo.site import PageNetwork


def demo(
    models: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="RUN|MODEL|NAME",
            autocompletion=complete_networks,
            help="Run folders, .safetensors and .onnx files and names from clearer zoo, to choose "
            "from on the page; default: the newest in runs/, else the networks that clearer "
            "restore uses for colour.",
        ),
    ] = None,
    port: Annotated[
        int, typer.Option(help="Port on this machine; 0 takes a free one.", min=0, max=65535)
    ] = 0,
    open_browser: Annotated[
        bool, typer.Option("--open", help="Open the page in the browser.")
    ] = False,
    save: Annotated[
        Path | None,
        typer.Option(help="Write the page into this new folder, for a site of your own, and exit."),
    ] = None,
    ort_web: Annotated[
        Path | None,
        typer.Option(help="Folder of the npm package onnxruntime-web; default: npm downloads it."),
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Serve a local page that restores pictures in the browser."""
    with live.status("loading"):
        import webbrowser

        from clearer.demo.runtime import VERSION, fetch_runtime, find_runtime, given_runtime
        from clearer.demo.server import make_server
        from clearer.demo.site import make_site, save_site

    networks = _networks(models)
    if ort_web is not None:
        runtime = given_runtime(ort_web)
    elif (cached := find_runtime()) is not None:
        runtime = cached
    else:
        with live.status(f"npm downloads onnxruntime-web {VERSION}, once (about 30 MB)"):
            runtime = fetch_runtime()
    site = make_site(networks, runtime)
    if save is not None:
        save_site(site, save)
        report = {"folder": str(save), "files": sorted(site)}
        megabytes = sum(len(file.data) for file in site.values()) / 1e6
        print(
            json.dumps(report)
            if as_json
            else f"written: {save}, {len(site)} files, {megabytes:.0f} MB; serve it over http"
        )
        return
    with make_server(site, port) as server:
        url = f"http://127.0.0.1:{server.server_address[1]}/"
        names = [network.name for network in networks]
        print(json.dumps({"url": url, "networks": names}) if as_json else url, flush=True)
        console.say(f"{', '.join(names)} in the browser; Ctrl-C ends it")
        if open_browser and not webbrowser.open(url):
            console.say(f"no browser can be opened here: open {url} yourself")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            if exit_code() != 130:  # Ctrl-C is how it ends; SIGTERM is reported as everywhere
                raise
            console.say("ended")


def _networks(given: "Sequence[Path] | None") -> "list[PageNetwork]":
    """The networks for the page, from their files; notes on them are printed.

    Raises:
        InputError: If one cannot be used on the page or has not been exported, or there is none.
    """
    from clearer.demo.site import PageNetwork
    from clearer.export.onnx_file import onnx_file
    from clearer.export.page_model import read_page_model
    from clearer.zoo.found import ModelFile, find_model

    networks = []
    with live.status("looking for networks") as tell:
        found = []
        for path in dict.fromkeys(given or _defaults()):
            tell(f"preparing {path or 'the newest run'} for the browser")
            model = find_model(path)
            name = model.path.name if isinstance(model, ModelFile) else model.name
            found.append((onnx_file(model), name, path))
        for file, name, path in found:
            tell(f"reading {name}")
            network = read_page_model(file)
            for note in network.notes:
                console.say(note)
            is_only = [other for _, other, _ in found].count(name) == 1
            name = name if is_only else str(path)
            networks.append(PageNetwork(name, network.data, network.about))
    return networks


def _defaults() -> list[Path | None]:
    """The newest run; without one, the networks that ``clearer restore`` uses for colour."""
    from clearer.bench.restorers import shipped_networks
    from clearer.runs.run import Run

    if Run.newest() is not None:
        return [None]
    networks = shipped_networks()
    return [Path(networks[kind].name) for kind in ("photo", "rgb", "jpeg") if kind in networks]
