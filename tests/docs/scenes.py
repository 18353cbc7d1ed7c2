"""What is run of the pages' commands: in the order in which a reader would, made small."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["SCENES", "Copy", "Given", "Line", "Scene"]


@dataclass(frozen=True)
class Line:
    """A command of a page; options that are given again take the place of the first."""

    text: str
    more: str = ""
    makes: tuple[str, ...] = ()
    """Files that it writes, as patterns."""


@dataclass(frozen=True)
class Given:
    """A command that no page has, for what the next ones begin with."""

    text: str


@dataclass(frozen=True)
class Copy:
    """Likewise a file or folder under another name."""

    source: str
    target: str


@dataclass(frozen=True)
class Scene:
    """Steps in one folder, which no other scene sees."""

    name: str
    steps: tuple[Line | Given | Copy, ...]
    is_empty: bool = False
    """Whether it begins without a run."""
    has_tiny_zoo: bool = False
    """Whether small networks stand under the names of those that come with clearer: exporting or
    timing the true ones takes ten times as long, and has tests of its own."""


_TRAIN: Final = "--iterations 2 --batch-size 2 --patch-size 32 --compile off"
_MINUTES: Final = "--batch-size 2 --patch-size 32 --compile off --minutes 0.02"
_ALL: Final = f"--precision fp32 --device cpu {_TRAIN}"
_PHOTOS: Final = "--data photos"
_TINY: Final = f"--width 2 --columns 1,1 --search-iterations 2 {_ALL}"
_GRADIENT: Final = f"--strategy gradient {_TINY}"
_RANDOM: Final = f"--strategy random {_TINY}"
_RACE: Final = f"--width 8 --contenders 2 --search-iterations 2 {_ALL}"
_TIMED: Final = "--size 32x32 --runs 3 --max-seconds 0.1 --batch 0"
_QUICK: Final = f"{_TIMED} --backend onnxruntime --no-classical"
_PROFILE: Final = "--columns 1,1 --size 32x32 --seconds 0.1 --threads 1"
_RUN: Final = "runs/denoise-s25-5mb-0"
_WEIGHTS: Final = "/weights.safetensors"
_AGAIN: Final = "--overwrite"

TINY_RUN: Final = f"clearer search --budget-mb 5 {_PHOTOS} {_RANDOM}"
"""The run with which most scenes begin."""

SCENES: Final = (
    Scene(
        "start",
        (
            Line(
                "clearer search --budget-mb 5",
                f"{_PHOTOS} {_RACE} --budget-mb 0.1 --out {_RUN}",
                (_RUN + _WEIGHTS,),
            ),
            Line("clearer export", makes=(f"{_RUN}/model.onnx",)),
            Line(
                "clearer bench", f"{_TIMED} --no-classical", (f"{_RUN}/bench.json", f"{_RUN}/*.png")
            ),
            Line("clearer restore photo.jpg", makes=("restored/photo.jpg",)),
            Line("clearer show"),
            Line("clearer show --front"),
            Line("clearer runs"),
            Line("clearer search --resume"),
            Line("clearer bench --report", _QUICK, (f"{_RUN}/report.html",)),
        ),
        is_empty=True,
    ),
    Scene(
        "without a run",
        (
            Line("clearer restore photo.jpg", makes=("restored/photo.jpg",)),
            Line("clearer restore photo.jpg --strength 0.7", _AGAIN, ("restored/photo.jpg",)),
            Line("clearer restore photo.jpg --model gray-small", _AGAIN, ("restored/photo.jpg",)),
            Line("clearer restore photo.jpg --self-ensemble 2", _AGAIN, ("restored/photo.jpg",)),
            Line("clearer restore scans --out clean", makes=("clean/1.png", "clean/more/2.png")),
            Line(
                "clearer restore scans --out clean --format png",
                _AGAIN,
                ("clean/1.png", "clean/more/2.png"),
            ),
            Line("clearer zoo"),
            Line("clearer tasks"),
            Line("clearer data list"),
            Line("clearer doctor"),
        ),
        is_empty=True,
    ),
    Scene(
        "export",
        (
            Line("clearer export --fp16", makes=(f"{_RUN}/model.fp16.onnx",)),
            Line("clearer export --io image", makes=(f"{_RUN}/model.image.onnx",)),
            Line(
                "clearer export --int8",
                makes=(f"{_RUN}/model.int8.onnx", f"{_RUN}/model.int8.trt.onnx"),
            ),
            Line("clearer export --openvino", makes=(f"{_RUN}/model.xml", f"{_RUN}/model.bin")),
            Line(
                "clearer export --shapes 1x256x256",
                "--shapes 1x64x64",
                (f"{_RUN}/model.1x64x64.onnx",),
            ),
            Line("clearer show model.onnx"),
            Line("python restore.py model.onnx noisy.png restored.png", makes=("restored.png",)),
        ),
    ),
    Scene(
        "bench",
        (
            Line(
                "clearer bench --backend openvino --backend openvino-bf16 --pin 0,1 --report",
                f"{_TIMED} --no-classical --pin 0",
                (f"{_RUN}/report.html",),
            ),
            Line("clearer train --iterations 20000 --out runs/longer", _TRAIN),
            Line(
                "clearer bench runs/longer --data test-images --against other.onnx --size 321x481",
                _QUICK,
                ("runs/longer/bench.json",),
            ),
            Copy("runs/longer/bench.json", "old.json"),
            Copy("runs/longer/bench.json", "new.json"),
            Line("clearer bench --compare old.json new.json"),
            Line(f"clearer eval {_RUN} --data bsd68"),
            Line("clearer eval model.onnx --data bsd68 --self-ensemble", "--data test-images"),
            Line(
                "clearer eval nlm --data photos --sigma 25 --save-images", makes=("eval/**/*.png",)
            ),
            Line("clearer restore scan16.tif --model model.onnx --backend openvino"),
        ),
    ),
    Scene(
        "small networks of the zoo",
        (
            Line("clearer bench gray-small --data set12 --sigma 25", _QUICK, ("bench/bench.json",)),
            Line("clearer eval gray-small --data bsd68 --sigma 50"),
            Line("clearer export gray-25 --out shipped", makes=("shipped/model.onnx",)),
            Line(
                "clearer export gray-25 --out shipped --io image",
                "--out shipped-too",
                ("shipped-too/model.image.onnx",),
            ),
        ),
        is_empty=True,
        has_tiny_zoo=True,
    ),
    Scene(
        "budgets",
        (
            Line(
                "clearer search --budget-mb 5 --contenders 16",
                f"{_PHOTOS} {_RACE} --budget-mb 0.1 --no-train",
            ),
            Line(
                "clearer search --budget-mb 5 --strategy gradient --seeds 3",
                f"{_PHOTOS} {_GRADIENT} --out runs/gradient",
                ("runs/gradient" + _WEIGHTS,),
            ),
            Line("clearer show --front --quality"),
            Line(
                "clearer search --from runs/NAME --budget-mb 2", "--out half", ("half" + _WEIGHTS,)
            ),
            Line("clearer search --budget-mb 5 --strategy random", f"{_PHOTOS} {_RANDOM}"),
            Line(
                "clearer search --budget-ms 30 --budget-mb 2",
                f"{_PHOTOS} {_RACE} --size 32x32 --budget-ms 5000 --budget-mb 0.1 --no-train",
            ),
            Line(
                "clearer search --budget-ms 30 --unshuffle 2 --stem conv --columns 8,2",
                f"{_PHOTOS} {_GRADIENT} --columns 2,1 --size 32x32 --budget-ms 5000",
            ),
            Line(
                "clearer search --budget-mb 5 --tensorboard",
                f"{_PHOTOS} {_RANDOM}",
                ("runs/*/tensorboard/**/events*",),
            ),
            Line(
                "clearer search --data photos --sigma 50 --color rgb --budget-params 1e6", _RANDOM
            ),
        ),
    ),
    Scene(
        "costs of a device",
        (
            Line("clearer profile --width 14 --out cost.json", _PROFILE, ("cost.json",)),
            Line(
                "clearer search --cost cost.json --budget-ms 60",
                f"{_PHOTOS} --search-iterations 2 --precision fp32 --budget-ms 5000 {_TRAIN}",
            ),
            Line(
                "clearer profile --backend openvino --check 32",
                f"{_PROFILE} --width 4 --check 2",
                ("cost-*.json",),
            ),
            Line(
                "clearer profile --gates --width 16 --columns 2,2,8 --check 15",
                f"{_PROFILE} --width 2 --check 2",
                ("cost-*.json",),
            ),
            Line(
                "clearer profile --emit board --width 16",
                "--columns 1,1 --size 32x32 --width 4",
                ("board/device_timer.py",),
            ),
            Line("python board/device_timer.py --backend onnxruntime", "--seconds 0.5"),
            Line("clearer profile --collect board --out board.json", makes=("board.json",)),
            Line(
                "clearer search --cost board.json --budget-ms 12",
                f"{_PHOTOS} --search-iterations 2 --precision fp32 --budget-ms 5000 {_TRAIN}",
            ),
        ),
    ),
    Scene(
        "tasks",
        (
            Line("clearer search --sigma 5:50 --color rgb", f"{_PHOTOS} {_RANDOM}"),
            Line(
                "clearer search --noise poisson-gaussian --shot 0.01 --sigma 3",
                f"{_PHOTOS} {_RANDOM}",
            ),
            Line(
                "clearer search --task dejpeg --quality 10:60 --color rgb", f"{_PHOTOS} {_RANDOM}"
            ),
            Line("clearer search --task photo --color rgb", f"{_PHOTOS} {_RANDOM}"),
            Line("clearer search --task derain --data rain800 --color rgb", _RANDOM),
            Line("clearer search --task paired --data mine", _RANDOM),
            Line(
                'clearer search --task derain --data rain100 --pairs "norain-*.png rain-*.png" '
                "--color rgb",
                _RANDOM,
            ),
            Line("clearer search --data bsds500 --sigma 50", _RANDOM),
            Line("clearer search --data bsds500 --color rgb --reduce 2", _RANDOM),
            Line(
                "clearer search --sigma 0:75 --level-map",
                f"{_PHOTOS} {_RANDOM} --out runs/levelled",
                ("runs/levelled" + _WEIGHTS,),
            ),
            Line("clearer export --sigma 25", makes=("runs/levelled/model.sigma25.onnx",)),
            Copy("runs/levelled", "levelled"),
            Line("clearer restore photo.jpg --model levelled --sigma 20"),
        ),
    ),
    Scene(
        "train longer",
        (
            Given(f"clearer search --budget-mb 5 {_PHOTOS} {_RANDOM} --minutes-now 0.0001"),
            Line("clearer train --resume --minutes-now 9"),
            Line("clearer search --resume"),
            Line(
                "clearer train --minutes 30 --out runs/half-an-hour",
                _MINUTES,
                ("runs/half-an-hour" + _WEIGHTS,),
            ),
            Line(
                "clearer train gray-small --fine-tune --data photos --sigma 50 --out mine",
                f"{_TRAIN} --out tuned",
                ("tuned" + _WEIGHTS,),
            ),
            Line(
                "clearer train gray-25 --fine-tune --level-map --sigma 0:75 --out told",
                f"{_PHOTOS} {_TRAIN}",
                ("told" + _WEIGHTS,),
            ),
            Line(
                "clearer train gray-small --fine-tune --task dejpeg --data photos --out deblocked",
                f"{_TRAIN} --out deblocked",
                ("deblocked" + _WEIGHTS,),
            ),
            Line(
                "clearer train gray-50 --fine-tune --sigma 25 --iterations 9000 --batch-size 16 "
                "--patch-size 64 --learning-rate 0.005 --out first",
                f"{_PHOTOS} {_TRAIN}",
                ("first" + _WEIGHTS,),
            ),
            Line(
                "clearer train first --fine-tune --batch-size 4 --patch-size 128 "
                "--learning-rate 0.0025 --iterations 4200",
                _TRAIN,
                ("runs/*" + _WEIGHTS,),
            ),
            Given(f"clearer search {_PHOTOS} {_RANDOM} --stem conv --out runs/smaller"),
            Given(
                f"clearer search {_PHOTOS} {_RANDOM} --stem conv --width 4 --no-train "
                "--out runs/larger"
            ),
            Line(
                "clearer train runs/larger --warm-start runs/smaller --data photos --out mine",
                f"{_TRAIN} --out warm",
                ("warm" + _WEIGHTS,),
            ),
            Line(
                "clearer train gray-small --fine-tune --teacher gray --data photos --out taught",
                _TRAIN,
                ("taught" + _WEIGHTS,),
            ),
            Line(
                "clearer train gray-small --fine-tune --budget-ms 10 --data photos --minutes 10",
                f"{_MINUTES} --size 32x32 --budget-ms 5000 --out timed",
                ("timed" + _WEIGHTS,),
            ),
            Line(
                "clearer train gray --fine-tune --budget-mb 0.5 --data photos --sigma 25 "
                "--minutes 10",
                f"{_MINUTES} --budget-mb 4.9 --out cut",
                ("cut" + _WEIGHTS,),
            ),
        ),
        has_tiny_zoo=True,
    ),
)
