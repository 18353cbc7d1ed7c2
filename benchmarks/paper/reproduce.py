r"""Reruns the paper's tables 1, 3, 4 and 5 at a given scale, beside its own figures.

    python benchmarks/paper/reproduce.py DATA paper --iterations 100000
    python benchmarks/paper/reproduce.py DATA paper --iterations 300 --width 8 --images 4

The search takes a tenth of the iterations of the training, as in the paper. Every network trains
on BSDS500 train; BSDS500 val selects its weights, so BSD68, which is part of val, is no fair test
of them. Everything goes through the commands of clearer. Finished parts in the folder are not
repeated, and an interrupted run is resumed. Protocol ``paper``; with self-ensemble (eight flips and
rotations) where stated.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from clearer import __version__
from clearer.support.device import device_name, resolve_device
from clearer.support.files import read_json, write_json

FULL_ITERATIONS: Final = 100_000
SEARCH_SHARE: Final = 10
LEAST_SEARCH: Final = 10
VALIDATIONS: Final = 10


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One search (or a random architecture) and one training."""

    sigma: int = 30
    lambda_arch: float = 0.01
    lambda_comp: float = 0.0
    strategy: str = "gradient"
    seed: int = 0

    @property
    def name(self) -> str:
        """Name of its run folder."""
        words = [f"s{self.sigma}", f"arch{self.lambda_arch:g}", f"comp{self.lambda_comp:g}"]
        return "-".join([*words, self.strategy, str(self.seed)])


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of a table: a network, a set, a way to measure, and the paper's figure."""

    what: str
    experiment: Experiment
    data: str = "bsds500-test"
    mode: tuple[str, ...] = ("--self-ensemble",)
    paper: str = ""


WHOLE: Final = ("--self-ensemble",)
PATCHES: Final = ("--patches",)
TABLES: Final[dict[str, list[Row]]] = {
    "Table 1: denoising (PSNR dB / SSIM)": [
        Row(
            what=f"{data}, sigma {sigma}, {'patches 64x64' if mode == PATCHES else 'whole image'}",
            experiment=Experiment(sigma=sigma),
            data=data,
            mode=mode,
            paper=paper,
        )
        for data, sigma, mode, paper in (
            ("bsds500-test", 30, WHOLE, "28.54 / 0.8203"),
            ("bsds500-test", 30, PATCHES, "29.68 / 0.8439"),
            ("bsds500-test", 50, WHOLE, "26.40 / 0.7465"),
            ("bsds500-test", 50, PATCHES, "27.49 / 0.7768"),
            ("bsds500-test", 70, WHOLE, "25.06 / 0.6894"),
            ("bsds500-test", 70, PATCHES, "26.09 / 0.7267"),
            ("set12", 50, WHOLE, "27.43 / 0.8021"),
            ("set12", 50, PATCHES, "28.08 / 0.8129"),
        )
    ],
    "Table 3: the search against a random architecture (sigma 30)": [
        Row(what="searched", experiment=Experiment(), paper="28.54 / 0.8203"),
        *(
            Row(
                what=f"random, seed {seed}",
                experiment=Experiment(strategy="random", seed=seed),
                paper="28.29 / 0.8091" if seed == 0 else "",
            )
            for seed in range(3)
        ),
    ],
    "Table 4: lambda_1 of L_Arch (sigma 30)": [
        Row(what=f"lambda_1 = {value:g}", experiment=Experiment(lambda_arch=value))
        for value in (0.0, 0.001, 0.01, 0.1)
    ],
    "Table 5: lambda_2 of L_Comp (sigma 30; the paper goes from 7.25 M, 28.51 to 4.36 M, 28.16)": [
        Row(
            what=f"lambda_2 = {value:g}",
            experiment=Experiment(lambda_comp=value),
            paper="4.36 M, 28.16 dB" if value == 0.1 else "",
        )
        for value in (0.0, 0.001, 0.01, 0.1)
    ],
}


def clearer(*words: str) -> str:
    """Run a command of clearer; its progress stays visible."""
    command = [sys.executable, "-m", "clearer.cli", *words]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def link_pictures(sources: list[Path], folder: Path) -> None:
    """A folder of links to pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    for source in sources:
        link = folder / source.name
        if not link.is_symlink():
            link.symlink_to(source.resolve())


def prepare(data: Path, out: Path, num_images: int | None) -> None:
    """Make folders of training, validation and test pictures."""
    for part, most in (("train", None), ("val", num_images)):
        pictures = sorted((data / "bsds500" / part).glob("*.jpg"))[:most]
        link_pictures(pictures, out / "bsds500" / part)
    tests = {
        "bsds500-test": sorted((data / "bsds500" / "test").glob("*.jpg")),
        "set12": sorted((data / "set12").glob("*.png")),
    }
    for name, pictures in tests.items():
        link_pictures(pictures[:num_images], out / "tests" / name)


def train(experiment: Experiment, out: Path, arguments: argparse.Namespace) -> Path:
    """The run of an experiment, created or resumed."""
    run = out / "runs" / experiment.name
    if (run / "done").exists():
        return run
    if (run / "config.json").exists():
        clearer("search", "--resume", "--out", str(run))
    else:
        iterations = arguments.iterations
        options = {
            "preset": "paper",
            "data": out / "bsds500",
            "protocol": "paper",
            "sigma": experiment.sigma,
            "lambda-arch": experiment.lambda_arch,
            "lambda-comp": experiment.lambda_comp,
            "strategy": experiment.strategy,
            "seed": experiment.seed,
            "search-iterations": max(LEAST_SEARCH, iterations // SEARCH_SHARE),
            "iterations": iterations,
            "validate-every": max(1, iterations // VALIDATIONS),
            "device": arguments.device,
            "compile": arguments.compile,
            "width": arguments.width,
            "batch-size": arguments.batch_size,
            "patch-size": arguments.patch_size,
            "out": run,
        }
        given = {name: str(value) for name, value in options.items() if value is not None}
        clearer("search", *(word for name in given for word in (f"--{name}", given[name])))
    (run / "done").touch()
    return run


def measure(row: Row, run: Path, out: Path) -> dict[str, Any]:
    """The figures of a row, measured once."""
    mode = "".join(row.mode)
    file = out / "figures" / f"{row.experiment.name}{mode}-{row.data}.json"
    if not file.exists():
        words = ("eval", str(run), "--data", str(out / "tests" / row.data), *row.mode, "--json")
        write_json(file, json.loads(clearer(*words, "--out", str(out / "eval"))))
    report = read_json(file)
    architecture = read_json(run / "architecture.json")
    return {
        "what": row.what,
        "architecture": architecture["choices"],
        "params": architecture["params"],
        **report["mean"],
        "num_images": report["num_images"],
        "psnr_db_interval_95": report["psnr_db_interval_95"],
        "paper": row.paper,
    }


def table(title: str, rows: list[dict[str, Any]]) -> str:
    """The table as Markdown."""
    lines = [f"### {title}", "", "| | architecture | M | here | noisy | paper |"]
    lines.append("| --- | --- | --- | --- | --- | --- |")
    for row in rows:
        lines.append(
            f"| {row['what']} | {row['architecture']} | {row['params'] / 1e6:.2f} "
            f"| {row['psnr_db']:.2f} / {row['ssim']:.4f} "
            f"| {row['input_psnr_db']:.2f} / {row['input_ssim']:.4f} | {row['paper']} |"
        )
    return "\n".join(lines)


def scale(arguments: argparse.Namespace) -> str:
    """The settings that differ from the paper's."""
    parts = [
        f"{arguments.iterations:,} training iterations of {FULL_ITERATIONS:,}, "
        f"{max(LEAST_SEARCH, arguments.iterations // SEARCH_SHARE):,} of search"
    ]
    for name, full in (("width", 32), ("batch_size", 32), ("patch_size", 64)):
        value = getattr(arguments, name)
        if value not in (None, full):
            parts.append(f"{name.replace('_', ' ')} {value} in place of {full}")
    if arguments.images is not None:
        parts.append(f"the first {arguments.images} pictures of BSDS500 val and of each test set")
    return "; ".join(parts)


def main() -> None:
    """Run what is missing, print the tables and write them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, help="folder that holds bsds500/ and set12/")
    parser.add_argument("out", type=Path, help="folder to create or resume")
    parser.add_argument("--iterations", type=int, default=FULL_ITERATIONS)
    parser.add_argument("--tables", default="1345", help="digits of the tables to run")
    parser.add_argument("--width", type=int)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--patch-size", type=int)
    parser.add_argument(
        "--images", type=int, help="pictures of each test set, and to validate with"
    )
    parser.add_argument("--device", default="auto")
    parser.add_argument("--compile", choices=("auto", "on", "off"))
    arguments = parser.parse_args()
    out: Path = arguments.out
    prepare(arguments.data, out, arguments.images)
    result: dict[str, Any] = {
        "clearer": __version__,
        "device": device_name(resolve_device(arguments.device)),
        "protocol": "paper; trained on BSDS500 train, weights selected on BSDS500 val",
        "scale": scale(arguments),
        "tables": {},
    }
    texts = [f"Scaled down: {result['scale']}."]
    for title, rows in TABLES.items():
        if title[len("Table ")] not in arguments.tables:
            continue
        found = []
        for row in rows:
            found.append(measure(row, train(row.experiment, out, arguments), out))
            result["tables"][title] = found
            write_json(out / "tables.json", result)
        texts.append(table(title, found))
    text = "\n\n".join(texts) + "\n"
    (out / "tables.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
