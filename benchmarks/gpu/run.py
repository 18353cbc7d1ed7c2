"""Work on a GPU machine without a network connection, in a few long calls from the source tree.

    python benchmarks/gpu/run.py check                      # about two minutes
    python benchmarks/gpu/run.py unpack carried             # pictures and runs
    python benchmarks/gpu/run.py train gray 8 --from carried
    python benchmarks/gpu/run.py search paper-50 8
    python benchmarks/gpu/run.py bench gray-50 other.onnx
    python benchmarks/gpu/run.py try gray-swish rgb-wider   # 40 iterations of each, and the tests
    python benchmarks/gpu/run.py chain gray-swish rgb-wider --minutes 9    # both to their end

Results go to the folder --out, by default $OUT: at most 8 files of at most 16 MB. Names are those
of benchmarks/zoo/queue.toml and of ``clearer zoo``. All of it also runs on a CPU.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks" / "zoo")]

from pack import RUN_MB, pack_run, settle, unpack_all  # noqa: E402
from pieces import DATA, QUEUE, Entry, find, go_on, log_path, read_queue, state_of  # noqa: E402
from recipes import picture_folder  # noqa: E402

from clearer.errors import ClearerError, InputError  # noqa: E402
from clearer.runs.run import Run  # noqa: E402

RUNS: Final = Path("zoo-runs")
_MB: Final = 10**6
_MOST_FILES: Final = 8
_TOLD: Final = 12
"""Number of log lines that are shown."""


def main(words: list[str] | None = None) -> int:
    """Do one of the calls; return the exit code."""
    arguments = _parse(words)
    try:
        out: Path | None = arguments.out
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
        if arguments.call == "unpack":
            for folder in arguments.folders:
                print("\n".join(unpack_all(folder, arguments.runs)))
            return 0
        if arguments.call in ("train", "search"):
            kind = "training" if arguments.call == "train" else "search"
            entry = find(arguments.name, kind, read_queue(arguments.queue))
            return piece(entry, arguments.minutes, arguments.runs, arguments.source, out)
        if arguments.call in ("try", "chain"):
            from chain import chain, try_out

            queue = read_queue(arguments.queue)
            entries = [find(name, "training", queue) for name in arguments.names]
            if arguments.call == "try":
                return try_out(entries, arguments.runs, arguments.seconds)
            return chain(entries, arguments.minutes, arguments.runs, _folder(out))
        if arguments.call == "check":
            from check import check

            return check(out, seconds=arguments.seconds, is_tiny=arguments.tiny)
        from restoring import bench

        return bench(arguments.networks, out, seconds=arguments.seconds, is_tiny=arguments.tiny)
    except ClearerError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


def _parse(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=Path, default=RUNS, help="default: zoo-runs")
    parser.add_argument("--queue", type=Path, default=QUEUE)
    calls = parser.add_subparsers(dest="call", required=True)
    unpack = calls.add_parser("unpack", help="pictures and runs, as pack.py packs them")
    unpack.add_argument("folders", type=Path, nargs="+")
    for call in ("train", "search"):
        work = calls.add_parser(call, help="a piece of a training or search of the queue")
        work.add_argument("name")
        work.add_argument("minutes", type=float, help="starting and packing come on top")
        work.add_argument(
            "--from", dest="source", type=Path, help="unpack this folder first: pictures, a run"
        )
    tries = calls.add_parser("try", help="begin trainings at once, beside the tests")
    tries.add_argument("--seconds", type=float, default=120.0, help="then all is ended")
    chains = calls.add_parser("chain", help="trainings to their end, one after the other")
    chains.add_argument("--minutes", type=float, required=True, help="for all of them")
    for several in (tries, chains):
        several.add_argument("names", nargs="+")
    checks = calls.add_parser("check", help="tests, GPU against CPU, speed and memory")
    bench = calls.add_parser("bench", help="time networks")
    bench.add_argument(
        "networks", nargs="*", help="of clearer zoo, or ONNX files; default: the zoo"
    )
    for timed, seconds in ((checks, 120.0), (bench, 300.0)):
        timed.add_argument(
            "--seconds", type=float, default=seconds, help="nothing new is begun after so many"
        )
        timed.add_argument("--tiny", action="store_true", help="at tiny size, to try the script")
    given = os.environ.get("OUT")
    for any_call in calls.choices.values():
        any_call.add_argument("--out", type=Path, default=Path(given) if given else None)
    return parser.parse_args(words)


def piece(entry: Entry, minutes: float, runs: Path, source: Path | None, out: Path | None) -> int:
    """Do a piece of work and pack the run into ``out``, whatever happened.

    Raises:
        InputError: If there is no time, no folder for results, or pictures are missing.
        ClearerError: If a carried file is damaged.
    """
    if not minutes > 0:
        raise InputError(f"MINUTES must be above 0, not {minutes:g}")
    out = _folder(out)
    if source is not None:
        print("\n".join(unpack_all(source, runs)), flush=True)
    run = Run(runs / entry.name)
    if run.config.exists():
        settle(run, picture_folder(entry.data, runs / DATA))
    code = 1
    try:
        code = go_on(entry, runs, minutes, is_background=False)
    finally:
        log = log_path(entry.name, runs)
        if log.exists():
            print("\n".join(log.read_text(errors="replace").splitlines()[-_TOLD:]))
        if run.config.exists():
            hand_over(entry.name, runs, out)
    state = state_of(entry, runs)
    quality = "" if state.best_db is None else f", {state.best_db:.3f} dB"
    print(f"{entry.name}: {state.iteration:,} of {state.target:,}{quality}: {state.text}")
    return code


def _folder(out: Path | None) -> Path:
    if out is None:
        raise InputError("say where results go: --out FOLDER, or the variable OUT")
    return out


def hand_over(name: str, runs: Path, out: Path) -> None:
    """Write the packed run, and beside it what can be read at once: weights and log."""
    made = pack_run(name, runs, out)
    run = Run(runs / name)
    for path in (run.weights, run.train_log):
        if path.is_file() and path.stat().st_size < RUN_MB * _MB and len(made) < _MOST_FILES:
            made.append(Path(shutil.copyfile(path, out / f"{name}.{path.name}")))
    for path in made:
        print(f"{path.stat().st_size / _MB:8.2f} MB  {path}")
    if len(made) > _MOST_FILES:
        raise ClearerError(f"{len(made)} files: a machine that gives back 8 keeps some of them")


if __name__ == "__main__":
    sys.exit(main())
