"""Make a network that comes with the package from a trained run, or measure one anew.

    python benchmarks/zoo/make.py RUN NAME --data ../shared/data
    python benchmarks/zoo/make.py NAME                  # its figures and times anew
    python benchmarks/zoo/make.py NAME --keep-times     # its figures alone

Writes ``clearer/zoo/NAME.safetensors``, ``.json`` and ``.md``, and the table in the README, after
all is measured: PSNR and SSIM on BSD68 and Set12 (gray) or CBSD68 and Kodak24 (RGB), and the time
of one image of 321x481 in ONNX Runtime and OpenVINO, by turns with other networks where their files
are.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

import torch

from clearer import __version__
from clearer.bench.accuracy import input_accuracy, measure_accuracy
from clearer.bench.evaluation import evaluation_images
from clearer.bench.measure import judge_noise, summary, time_rounds, warm_up
from clearer.bench.rows import open_runner
from clearer.bench.runners import Runner, TorchRunner
from clearer.bench.targets import choose_backends, make_rows, open_targets
from clearer.cost import cost_table
from clearer.data import load_validation
from clearer.datasets import DATA_SETS, find_data_set
from clearer.device import device_name
from clearer.errors import ClearerError, InputError
from clearer.evaluate import VALIDATION_SEED
from clearer.export.artefacts import ExportSettings
from clearer.export.export import export_run
from clearer.files import read_json, write_atomic, write_json
from clearer.images import Color, ImageSet, list_images
from clearer.network import load_network, save_network
from clearer.pairs import PictureFile, read_pictures
from clearer.run import Run
from clearer.tasks import Denoise, Span, task_to_dict
from clearer.zoo import FOLDER, zoo_names, zoo_network
from clearer.zoo.card import card_markdown, comparison_table

ROOT: Final = Path(__file__).resolve().parents[2]
SCHEMA_VERSION: Final = 1
MAX_ONNX_BYTES: Final = 5_000_000
SIGMAS: Final = (15, 25, 50)
SETS: Final[dict[Color, tuple[str, str]]] = {
    "gray": ("bsd68", "set12"),
    "rgb": ("cbsd68", "kodak24"),
}
SIZE: Final = (321, 481)
BACKENDS: Final = ("onnxruntime", "openvino", "openvino-bf16")
PEERS: Final[dict[Color, tuple[str, ...]]] = {
    "gray": ("dncnn_blind", "ffdnet_s25"),
    "rgb": ("ffdnet_color_s25",),
}
PROBE_SIDE, PROBE_SIGMA = 128, 25
START, END = "<!-- written by benchmarks/zoo/make.py -->", "<!-- until here -->"


def main() -> None:
    """Make or measure, and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, nargs="?")
    parser.add_argument("name")
    parser.add_argument("--data", type=Path, help="folder of the sets; default: as in clearer data")
    parser.add_argument("--peers", type=Path, default=ROOT.parent / "shared" / "peers")
    parser.add_argument("--rounds", type=int, help="timed calls; default: 100, or 10 s a row")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--keep-times", action="store_true")
    arguments = parser.parse_args()
    if arguments.data is not None:
        os.environ["CLEARER_DATA"] = str(arguments.data.resolve())
    try:
        with tempfile.TemporaryDirectory() as folder:
            make(arguments, Run(Path(folder) / arguments.name))
    except ClearerError as error:
        sys.exit(str(error))


def make(arguments: argparse.Namespace, staged: Run) -> None:
    """Measure in a folder of its own; the package is touched when all is known."""
    name = arguments.name
    if not name.replace("-", "").isalnum():
        raise InputError(f"{name}: a name has letters, digits and dashes")
    earlier = zoo_network(name) if arguments.run is None or arguments.keep_times else None
    if arguments.run is not None:
        card = describe(Run.open(arguments.run), name, staged)
    elif earlier is not None:
        earlier.unpack(staged.path)
        card = dict(earlier.card)
    say("exporting")
    export_run(staged, ExportSettings())
    card["onnx_bytes"] = staged.onnx.stat().st_size
    if card["onnx_bytes"] > MAX_ONNX_BYTES:
        raise InputError(f"{card['onnx_bytes']:,} bytes as ONNX, over {MAX_ONNX_BYTES:,}")
    network, _ = load_network(staged.weights)
    # One thread: two wait long for each other where the machine is busy.
    torch.set_num_threads(1)
    runner = TorchRunner(name, network)
    card |= {
        "clearer": __version__,
        "figures": measure_figures(runner, staged.settings().color, staged.settings().task),
        "probes": measure_probes(runner, staged.settings().color),
        "times": earlier.card["times"]
        if earlier and arguments.keep_times
        else measure_times(staged, arguments),
    }
    write_atomic(FOLDER / f"{name}.safetensors", staged.weights.read_bytes())
    write_json(FOLDER / f"{name}.json", card)
    write_atomic(FOLDER / f"{name}.md", card_markdown(card).encode())
    table = comparison_table([zoo_network(known).card for known in zoo_names()])
    rewrite_readme(ROOT / "README.md", table)
    print(table)


def say(line: str) -> None:
    """Progress."""
    print(line, file=sys.stderr, flush=True)


def describe(run: Run, name: str, staged: Run) -> dict[str, Any]:
    """Put the run's network into ``staged``, without paths, and begin its card."""
    settings = run.settings()
    network, info = load_network(run.weights)
    architecture = network.architecture
    training = describe_training(run, info)
    sets = {origin.split()[0] for origin in training["train"]}
    data = sets.pop() if len(sets) == 1 else settings.data.name if settings.data else "built-in"
    info = {**info, "data": data}
    config = read_json(run.config)
    config["settings"]["data"] = data
    decision = read_json(run.architecture)
    save_network(staged.weights, architecture, network.state_dict(), info)
    write_json(staged.config, config)
    write_json(staged.architecture, decision)
    space = architecture.space
    terms = DATA_SETS[data].terms if data in DATA_SETS else data
    return {
        "schema_version": SCHEMA_VERSION,
        "name": name,
        "clearer": __version__,
        "purpose": purpose(settings.color, denoising(settings.task)),
        "channels": space.channels,
        "task": task_to_dict(settings.task),
        "architecture": architecture.text,
        "space": f"width {space.width}, stem {space.stem}",
        "params": round(cost_table(space, "params").cost(architecture)),
        "macs_per_pixel": decision["macs_per_pixel"],
        "weights_sha256": hashlib.sha256(staged.weights.read_bytes()).hexdigest(),
        "weights_bytes": staged.weights.stat().st_size,
        "licence": f"code MIT; weights trained on {data}: {terms}",
        "training": training,
        "run": {"config": config, "architecture": decision},
    }


def denoising(task: object) -> Denoise:
    """The task, where it is one that these figures are for.

    Raises:
        InputError: If it is another one.
    """
    if not isinstance(task, Denoise) or task.noise != "gaussian" or task.protocol != "awgn":
        raise InputError("figures are measured for white Gaussian noise, protocol awgn, alone")
    return task


def purpose(color: Color, task: Denoise) -> str:
    """What the network is for."""
    pictures = "gray pictures" if color == "gray" else "RGB pictures"
    if task.sigma.is_fixed:
        return f"{pictures} with white Gaussian noise of sigma {task.sigma} (of 255)"
    return (
        f"{pictures} with white Gaussian noise of unknown level, sigma {task.sigma.low:g} to "
        f"{task.sigma.high:g} (of 255)"
    )


def describe_training(run: Run, info: dict[str, Any]) -> dict[str, Any]:
    """Which pictures trained and selected the weights, known by their hashes, and how long."""
    settings = run.settings()
    if settings.data is None or not (settings.data / "val").is_dir():
        raise InputError(f"{settings.data} must hold train/ and val/: the card says what they are")
    hashes = {part: digests(settings.data / part) for part in ("train", "val")}
    bsd68 = set(DATA_SETS["cbsd68"].hashes().values())
    return {
        "num_train": len(hashes["train"]),
        "num_val": len(hashes["val"]),
        **{part: origins(found) for part, found in hashes.items()},
        "num_in_bsd68": sum(digest in bsd68 for found in hashes.values() for digest in found),
        "iteration": info["iteration"],
        "iterations": settings.train.iterations,
        "batch_size": settings.train.batch_size,
        "patch_size": settings.train.patch_size,
        "precision": settings.precision,
        "seed": settings.seed,
        "selection": info["selection"],
        "val_psnr_db": info["val_psnr_db"],
        "val_ssim": info["val_ssim"],
    }


def digests(folder: Path) -> list[str]:
    """SHA-256 of the pictures of a folder."""
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in list_images(folder)]


def origins(found: list[str]) -> dict[str, int]:
    """How many pictures are of which split of which set."""
    known = {digest: place for place, digest in DATA_SETS["bsds500"].hashes().items()}
    names = (
        f"bsds500 {known[digest].split('/')[0]}" if digest in known else "unknown origin"
        for digest in found
    )
    return dict(sorted(Counter(names).items()))


def test_pictures(name: str, color: Color) -> ImageSet:
    """A set by name; CBSD68 lies in BSDS500 too.

    Raises:
        InputError: If it is not here.
    """
    folder = find_data_set(name)
    if folder is not None:
        return evaluation_images(folder, Denoise(), color)[0]
    whole = find_data_set("bsds500") if name == "cbsd68" else None
    if whole is None:
        raise InputError(f"the set {name} is not here: clearer data get {name}, or give --data")
    paths = sorted(DATA_SETS[name].hashes())
    return read_pictures([PictureFile(Path(p).name, whole / p) for p in paths], color)


def measure_figures(runner: Runner, color: Color, task: object) -> dict[str, Any]:
    """PSNR and SSIM at the usual levels that the network was trained for, beside the input."""
    trained = denoising(task)
    levels = [s for s in SIGMAS if trained.sigma.low <= s <= trained.sigma.high]
    rows = []
    for name in SETS[color]:
        images = test_pictures(name, color)
        for sigma in levels:
            say(f"{name}, sigma {sigma}: {len(images)} pictures")
            level = Denoise(sigma=Span(sigma, sigma))
            given = input_accuracy(images, level)
            found = measure_accuracy(runner, images, level).to_dict()
            rows.append(
                {
                    "data": name,
                    "num_images": len(images),
                    "sigma_255": sigma,
                    "input_psnr_db": given["psnr_db"],
                    "input_ssim": given["ssim"],
                    **{key: found[key] for key in ("psnr_db", "ssim", "psnr_db_interval_95")},
                }
            )
    info = runner.info
    return {
        "measured": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "device": device_name("cpu"),
        "backend": info.backend,
        "version": info.version,
        "precision": info.precision,
        "protocol": trained.protocol,
        "noise_seed": VALIDATION_SEED,
        "rows": rows,
    }


def measure_probes(runner: Runner, color: Color) -> dict[str, Any]:
    """PSNR on the middles of photographs of scikit-image: what any machine can check."""
    images, _ = load_validation(None, color, 0, Denoise())
    crops, boxes = [], []
    for image in images.images:
        top, left = (max(0, (side - PROBE_SIDE) // 2) for side in image.shape[:2])
        boxes.append([top, left, PROBE_SIDE, PROBE_SIDE])
        crops.append(image[top : top + PROBE_SIDE, left : left + PROBE_SIDE])
    level = Denoise(sigma=Span(PROBE_SIGMA, PROBE_SIGMA))
    middles = ImageSet(images.names, tuple(crops))
    found = measure_accuracy(runner, middles, level)
    return {
        "sigma_255": PROBE_SIGMA,
        "noise_seed": VALIDATION_SEED,
        "rows": [
            {"image": name, "box": box, "psnr_db": float(psnr), "ssim": float(ssim)}
            for name, box, psnr, ssim in zip(
                found.names, boxes, found.psnr_db, found.ssim, strict=True
            )
        ],
    }


def measure_times(run: Run, arguments: argparse.Namespace) -> dict[str, Any]:
    """The exported file and other networks by turns, in each backend that is here."""
    color = run.settings().color
    peers = [arguments.peers / f"{name}.onnx" for name in PEERS[color]]
    targets = open_targets([run.path], [path for path in peers if path.is_file()])
    backends, skipped = choose_backends(BACKENDS)
    threads = arguments.threads
    specs, absent = make_rows(
        targets, backends, run.settings().task, SIZE, threads=threads, classical=False
    )
    for entry in skipped + absent:
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
        figures = summary(timing.call)
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


def rewrite_readme(path: Path, table: str) -> None:
    """Put the table between its marks."""
    before, _, rest = path.read_text().partition(START)
    _, found, after = rest.partition(END)
    if not found:
        raise InputError(f"{path} has no marks {START} and {END}")
    write_atomic(path, f"{before}{START}\n{table}\n{END}{after}".encode())


if __name__ == "__main__":
    main()
