"""The ``clearer`` command."""

import functools
import io
import sys
import traceback
from collections.abc import Callable
from typing import Annotated, Any

import typer

from clearer import __version__
from clearer.commands import (
    bench,
    data,
    demo,
    doctor,
    evaluate,
    export,
    profile,
    restore,
    runs,
    search,
    show,
    tasks,
    train,
    zoo,
)
from clearer.errors import Interrupted, OtherProcessFailed, PieceDone, explain
from clearer.support.interrupt import as_interrupt, exit_code, forget_sigterm
from clearer.support.json_text import to_json
from clearer.support.standard_output import checked_output, open_closed_streams
from clearer.terminal import console

__all__ = ["app", "main"]

app = typer.Typer(
    name="clearer",
    help="Find, train and ship an image restoration network that fits a budget.",
    epilog="\b\nStart with:\n  clearer search --budget-mb 5\n  clearer export\n  clearer bench",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _reported(command: Callable[..., None]) -> Callable[..., None]:
    """Turn errors into one line and an exit code; with --debug, show the traceback first."""

    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        forget_sigterm()
        try:
            command(*args, **kwargs)
        except (typer.Exit, BrokenPipeError):  # typer ends a broken pipe silently
            raise
        except (Exception, KeyboardInterrupt) as raised:
            if kwargs.get("debug"):
                traceback.print_exc()
            error = as_interrupt(raised)
            message, code = explain(error)
            if isinstance(error, PieceDone):
                console.say(message)
                if kwargs.get("as_json") and not console.is_quiet():
                    print(to_json(error.to_dict()))
                raise typer.Exit from error
            is_interrupt = isinstance(error, (Interrupted, KeyboardInterrupt))
            if isinstance(error, OtherProcessFailed) or (is_interrupt and console.is_quiet()):
                # The first process says why; it would be killed if one of the others failed.
                raise typer.Exit(0) from error
            console.warn(message)
            raise typer.Exit(exit_code() if is_interrupt else code) from error

    return wrapper


def _version(value: bool) -> None:
    if value:
        print(f"clearer {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def _add(
    command: Callable[..., None],
    *examples: str,
    name: str | None = None,
    group: typer.Typer = app,
) -> None:
    """Register a command; the mark in its epilog keeps the lines of the examples apart."""
    epilog = "\n".join(["\b", "Examples:", *(f"  {example}" for example in examples)])
    group.command(name, epilog=epilog)(_reported(command))


_add(
    search.search,
    "clearer search --budget-mb 5",
    "clearer search --budget-ms 30 --size 321x481 --budget-mb 5",
    "clearer search --cost board.json --budget-ms 12",
    "clearer search --data photos --sigma 50 --budget-params 1e6",
    "clearer search --sigma 5:50 --color rgb    # one network for all levels between",
    "clearer search --task derain --data rain800 --color rgb",
    "clearer search --from runs/denoise-s25-5mb-0 --budget-mb 2",
    "clearer search --resume --out runs/denoise-s25-5mb-0",
)
_add(
    train.train,
    "clearer train",
    "clearer train --resume",
    "clearer train --minutes 30 --out runs/half-an-hour",
    "clearer train --resume --minutes-now 9    # one part; run it again to continue",
    "clearer train runs/denoise-s25-5mb-0 --iterations 20000 --out runs/longer",
)
_add(
    export.export,
    "clearer export",
    "clearer export --fp16 --io image",
    "clearer export --int8 --openvino",
    "clearer export runs/denoise-s25-5mb-0 --shapes 1x256x256,4x128x128 --torch --json",
    "clearer export --trt --trt-profile 1x64x64,1x512x512,4x1088x1920",
    "clearer export gray-25 --out shipped",
    "clearer export --trt-rtx    # for RTX cards; building needs no GPU",
)
_add(
    bench.bench,
    "clearer bench",
    "clearer bench --data photos/test --against other.onnx --size 321x481",
    "clearer bench runs/a runs/b model.onnx --data set12 --sigma 25 --markdown",
    "clearer bench --backend openvino --backend openvino-bf16 --pin 0,1 --report",
    "clearer bench --compare old.json new.json",
)
_add(
    evaluate.evaluate,
    "clearer eval --data set12",
    "clearer eval runs/denoise-s25-5mb-0 --data bsd68 --self-ensemble --save-images",
    "clearer eval gray-small --data bsd68 --sigma 50",
    "clearer eval model.onnx --data bsd68 --protocol paper --sigma 50",
    "clearer eval nlm --data photos --task denoise --sigma 25",
    name="eval",
)
_add(
    restore.restore,
    "clearer restore photo.jpg    # without a run: a network that comes with clearer",
    "clearer restore photo.jpg --model rgb-photo --strength 0.7",
    "clearer restore scans --out clean --format png",
    "clearer restore scan16.tif --model runs/denoise-s25-5mb-0/model.onnx --backend openvino",
)
_add(zoo.zoo, "clearer zoo", "clearer restore photo.jpg --model rgb-photo")
_add(
    profile.profile,
    "clearer profile --width 14",
    "clearer profile --backend openvino --precision bf16 --check 32",
    "clearer profile --emit board --width 16    # copy board/ to the device, run its script there",
    "clearer profile --collect board --out board.json",
)
_add(
    demo.demo,
    "clearer demo --open",
    "clearer demo rgb gray-small model.onnx --port 8000",
    "clearer demo --save site    # the same page as static files",
)
_data = typer.Typer(
    name="data",
    help="Data sets known by name: list, download, verify.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(_data)
_add(data.list_, "clearer data list", "clearer data list --json", name="list", group=_data)
_add(
    data.get,
    "clearer data get bsds500 set12",
    "clearer search --data bsds500    # once it is here, its name is enough",
    group=_data,
)
_add(data.verify, "clearer data verify", "clearer data verify rain800", group=_data)
_add(tasks.tasks, "clearer tasks", "clearer search --task dejpeg --quality 10:40 --color rgb")
_add(runs.runs, "clearer runs", "clearer runs old/runs --json")
_add(doctor.doctor, "clearer doctor", "clearer doctor --json")
_add(
    show.show,
    "clearer show",
    "clearer show --front",
    "clearer show RUN --front --quality",
    "clearer show rgb",
    "clearer show model.onnx    # the metadata of a file",
)


def main() -> None:
    """Run the command line."""
    open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        # A terminal that lacks a character shows another one; the figures still appear.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        with checked_output():
            app()
    except SystemExit as end:
        if end.code == 130 and not console.has_warned():
            # Outside of a command: typer ends without a word then.
            console.warn("interrupted")
            raise SystemExit(exit_code()) from end
        raise


if __name__ == "__main__":
    main()
