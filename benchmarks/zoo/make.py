"""Make a network that comes with the package from a trained run, or measure one again.

    python benchmarks/zoo/make.py RUN NAME --data FOLDER --peers FOLDER
    python benchmarks/zoo/make.py NAME                  # its figures and times again
    python benchmarks/zoo/make.py NAME --keep-times     # its figures alone
    python benchmarks/zoo/make.py NAME --keep-figures   # its times alone
    python benchmarks/zoo/make.py NAME --keep-times --keep-figures    # the size of its file alone
    python benchmarks/zoo/make.py RUN NAME --times-of OTHER    # the same layers: times as measured

Writes ``clearer/zoo/NAME.safetensors``, ``.json`` and ``.md``, and the tables in the README and
docs/networks.md, once everything is measured: PSNR and SSIM on BSD68 and Set12 (gray), CBSD68 and
Kodak24 (RGB), the test pairs of Rain800 (rain), the second half of PolyU (photographs) or Kodak24
and Set12 (JPEG, PSNR-B as well), and the time of one image of 321x481 in ONNX Runtime and OpenVINO,
interleaved with other networks where their files are.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final, cast

import torch
from pages import NETWORKS, README, rewrite_page
from quality import check_task, measure_figures, measure_probes
from training import describe_training

from clearer import __version__
from clearer.bench.measure import judge_noise, summary, time_rounds, warm_up
from clearer.bench.rows import open_runner
from clearer.bench.runners import TorchRunner
from clearer.bench.targets import choose_backends, make_rows, open_targets
from clearer.costs.cost import cost_table
from clearer.data.datasets import data_terms
from clearer.errors import ClearerError, InputError
from clearer.export.artefacts import ExportSettings
from clearer.export.export import export_run
from clearer.networks.network import load_network, save_network
from clearer.pictures.images import Color
from clearer.runs.run import Run
from clearer.support.device import device_name
from clearer.support.files import read_json, write_atomic, write_json
from clearer.tasks.base import Task
from clearer.tasks.dejpeg import DeJpeg
from clearer.tasks.denoise import Denoise
from clearer.tasks.photo import Photo
from clearer.tasks.registry import task_to_dict
from clearer.zoo import catalogue
from clearer.zoo.card import card_markdown, comparison_table
from clearer.zoo.card_record import CardRecord
from clearer.zoo.overview import overview_table

SCHEMA_VERSION: Final = 2
MAX_ONNX_BYTES: Final = 5_000_000
SIZE: Final = (321, 481)
BACKENDS: Final = ("onnxruntime", "openvino", "openvino-bf16")


def main() -> None:
    """Make or measure, and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, nargs="?")
    parser.add_argument("name")
    parser.add_argument("--data", type=Path, help="folder of the sets; default: as in clearer data")
    parser.add_argument(
        "--peers", type=Path, help="folder of ONNX files to time interleaved with it"
    )
    parser.add_argument("--rounds", type=int, help="timed calls; default: 100, or 10 s a row")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    known = parser.add_mutually_exclusive_group()
    known.add_argument("--keep-times", action="store_true")
    known.add_argument("--times-of", help="a network here that differs in its weights alone")
    parser.add_argument("--keep-figures", action="store_true")
    arguments = parser.parse_args()
    if arguments.data is not None:
        os.environ["CLEARER_DATA"] = str(arguments.data.resolve())
    try:
        with tempfile.TemporaryDirectory() as folder:
            make(arguments, Run(Path(folder) / arguments.name))
    except ClearerError as error:
        sys.exit(str(error))


def make(arguments: argparse.Namespace, staged: Run) -> None:
    """Measure in a separate folder; the package is changed once everything is known."""
    name = arguments.name
    if not name.replace("-", "").isalnum():
        raise InputError(f"{name}: a name has letters, digits and dashes")
    if arguments.run is not None:
        if arguments.keep_figures:
            raise InputError("--keep-figures is for a network that has figures: leave out RUN")
        card = describe(Run.open(arguments.run), name, staged)
    else:
        earlier = catalogue.zoo_network(name)
        earlier.unpack(staged.path)
        card = {**cast(dict[str, Any], earlier.card)}
    say("exporting")
    export_run(staged, ExportSettings())
    card["onnx_bytes"] = staged.onnx.stat().st_size
    if card["onnx_bytes"] > MAX_ONNX_BYTES:
        raise InputError(f"{card['onnx_bytes']:,} bytes as ONNX, over {MAX_ONNX_BYTES:,}")
    same = name if arguments.keep_times else arguments.times_of
    card["times"] = times_of(same, card) if same else measure_times(staged, arguments)
    if not arguments.keep_figures:
        card |= measure_quality(staged)
    write_atomic(catalogue.FOLDER / f"{name}.safetensors", staged.weights.read_bytes())
    write_json(catalogue.FOLDER / f"{name}.json", card)
    write_atomic(catalogue.FOLDER / f"{name}.md", card_markdown(cast(CardRecord, card)).encode())
    write_tables()


def write_tables() -> None:
    """Write the tables of the README and of the docs."""
    cards = [catalogue.zoo_network(known).card for known in catalogue.zoo_names()]
    rewrite_page(README, "make.py", overview_table(cards))
    rewrite_page(NETWORKS, "make.py", comparison_table(cards))
    print(comparison_table(cards))


def measure_quality(run: Run) -> dict[str, Any]:
    """The entries of a card that depend on the weights."""
    network, _ = load_network(run.weights)
    color, task = run.settings().color, run.settings().task
    # One thread: on a busy machine, two spend long waiting for each other.
    torch.set_num_threads(1)
    runner = TorchRunner(run.path.name, network)
    has_level = network.architecture.space.level_map
    return {
        "clearer": __version__,
        "figures": measure_figures(runner, color, task, has_level=has_level),
        "probes": measure_probes(runner, color, task, has_level=has_level),
    }


def say(line: str) -> None:
    """Print progress."""
    print(line, file=sys.stderr, flush=True)


def describe(run: Run, name: str, staged: Run) -> dict[str, Any]:
    """Put the run's network into ``staged``, without paths, and begin its card."""
    settings = run.settings()
    check_task(settings.task, settings.color)
    network, info = load_network(run.weights)
    architecture = network.architecture
    training = describe_training(run, info)
    sets = {origin.split()[0] for origin in training["train"]}
    data = min(sets) if len(sets) == 1 else settings.data.name if settings.data else "built-in"
    info = {**info, "data": data}
    config = read_json(run.config)
    config["settings"]["data"] = data
    decision = read_json(run.architecture)
    save_network(staged.weights, architecture, network.state_dict(), info)
    write_json(staged.config, config)
    write_json(staged.architecture, decision)
    space = architecture.space
    return {
        "schema_version": SCHEMA_VERSION,
        "name": name,
        "clearer": __version__,
        "purpose": purpose(settings.color, settings.task, has_level=space.level_map),
        "channels": space.channels,
        "task": task_to_dict(settings.task),
        "architecture": architecture.text,
        "space": f"{space.width_text}, unshuffle {space.unshuffle}",
        "params": round(cost_table(space, "params").cost(architecture)),
        "macs_per_pixel": cost_table(space, "macs").cost(architecture),
        "weights_sha256": hashlib.sha256(staged.weights.read_bytes()).hexdigest(),
        "weights_bytes": staged.weights.stat().st_size,
        "licence": licence(sets),
        "training": training,
        "run": {"config": config, "architecture": decision},
    }


def licence(sets: set[str]) -> str:
    """The licence of code and weights, with the terms of each training set."""
    return f"code MIT; weights trained on {'; '.join(map(data_terms, sorted(sets)))}"


def purpose(color: Color, task: Task, *, has_level: bool) -> str:
    """What the network is for."""
    if isinstance(task, Photo):
        return "photographs, RGB: the noise of cameras, and JPEG"
    pictures = "gray pictures" if color == "gray" else "RGB pictures"
    if isinstance(task, DeJpeg):
        return f"{pictures} that were saved as JPEG, quality {task.quality}"
    if not isinstance(task, Denoise):
        return f"{pictures} with rain"
    if task.sigma.is_fixed:
        return f"{pictures} with white Gaussian noise of sigma {task.sigma} (of 255)"
    levels = f"sigma {task.sigma.low:g} to {task.sigma.high:g} (of 255)"
    if has_level:
        return f"{pictures} with white Gaussian noise, {levels}, noise level given or estimated"
    return f"{pictures} with white Gaussian noise of unknown level, {levels}"


def times_of(name: str, card: dict[str, Any]) -> Any:
    """The times of a zoo network that differs only in its weights.

    Raises:
        InputError: If it is not.
    """
    other = cast(dict[str, Any], catalogue.zoo_network(name).card)
    if any(other[key] != card[key] for key in ("architecture", "space", "channels", "params")):
        raise InputError(f"{name} has other layers than {card['name']}: measure its times")
    times: Any = other["times"]
    return times if name == card["name"] else {**times, "of": times.get("of", name)}


def peer_names(task: Task, color: Color) -> tuple[str, ...]:
    """Networks for the same task: for one level, those of that level."""
    if isinstance(task, Photo | DeJpeg):
        return ("ffdnet_color_s25",)
    if not isinstance(task, Denoise):
        return ("ffdnet_color_s25", "umrl_rain800", "prenet_rain100l")
    level = f"s{task.sigma}" if task.sigma.is_fixed else "s25"
    if color == "rgb":
        return (f"ffdnet_color_{level}",)
    return (f"dncnn_{level if task.sigma.is_fixed else 'blind'}", f"ffdnet_{level}")


def peer_files(folder: Path | None, task: Task, color: Color) -> list[Path]:
    """Their files in a folder, if they are there."""
    if folder is None:
        return []
    paths = [folder / f"{name}.onnx" for name in peer_names(task, color)]
    return [path for path in paths if path.is_file()]


def measure_times(run: Run, arguments: argparse.Namespace) -> dict[str, Any]:
    """Time the exported file and other networks, interleaved, in each available backend."""
    settings = run.settings()
    # A network with a level map is given the level: the estimate's time is not the network's.
    task = Denoise() if settings.space.level_map else settings.task
    peers = peer_files(arguments.peers, settings.task, settings.color)
    targets = open_targets([run.path], peers)
    backends, skipped = choose_backends(BACKENDS)
    threads = arguments.threads
    specs, absent = make_rows(targets, backends, task, SIZE, threads=threads, classical=False)
    for entry in targets.skipped + skipped + absent:
        say(f"left out: {entry['name']}: {entry['reason']}")
    shape = (1, specs[0].channels, *SIZE)
    runners = []
    for spec in specs:
        say(f"warming up {spec.name}, {spec.backend}")
        runners.append(open_runner(spec))
        warm_up(runners[-1], shape, 2.5)
    timings = time_rounds(
        runners,
        shape,
        num_rounds=arguments.rounds,
        max_seconds=10.0,
        threads=threads,
        listener=lambda done, total: say(f"round {done} of {total}") if done % 10 == 0 else None,
    )
    rows = []
    for spec, runner, timing in zip(specs, runners, timings.rows, strict=True):
        figures: dict[str, Any] = {**summary(timing.call)}
        del figures["times_ms"]
        about = {
            key: getattr(runner.info, key) for key in ("backend", "version", "precision", "threads")
        }
        rows.append({"name": spec.name, "is_this": spec.kind == "ours", **about, **figures})
    return {
        "measured": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "device": device_name("cpu"),
        "threads": threads,
        "size": list(SIZE),
        "noise": judge_noise(timings).text,
        "rows": rows,
    }


if __name__ == "__main__":
    main()
