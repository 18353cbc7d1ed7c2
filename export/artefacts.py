"""All files that an export makes from a network, one after another."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from clearer.errors import InputError
from clearer.export.artefact import (
    Artefact,
    Shape,
    file_name,
    onnx_artefacts,
    onnx_restorer,
    openvino_artefact,
    program_restorer,
)
from clearer.export.calibration import observe
from clearer.export.export_record import QuantizationRecord
from clearer.export.graph_nodes import OPSET
from clearer.export.int8 import Int8Result, Validate, quantize
from clearer.export.metadata import Io, model_metadata, with_metadata
from clearer.export.parity import Reference
from clearer.export.pictures import calibration_pictures
from clearer.export.qdq import Flavour
from clearer.export.to_onnx import check_opset, to_onnx
from clearer.export.to_torch import to_torch_program
from clearer.networks.network import RestorationNet
from clearer.runs.run import Run
from clearer.support.device import device_name

__all__ = ["ExportSettings", "Listener", "make_artefacts"]

_INT8_LABELS: Final[dict[Flavour, str]] = {
    "cpu": "int8",
    "openvino": "int8",
    "tensorrt": "int8.trt",
}
_SIDE: Final = 256
"""Of pictures that candidates for int8 are compared on: a dozen files are run on each."""
_NUM_PROBES: Final = 4
"""Calibration pictures that single layers are compared on."""
Listener = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportSettings:
    """What to make from a run, besides the fp32 ONNX file.

    Raises:
        InputError: If the operator set cannot be written, or the level is out of range.
    """

    fp16: bool = False
    """A second file that computes in fp16."""
    with_images: bool = False
    """For each ONNX file, another with 8-bit pictures in and out."""
    shapes: tuple[Shape, ...] = ()
    """For each ONNX file, another for each of these fixed shapes."""
    int8: bool = False
    """Two int8 files: for CPUs, and for TensorRT."""
    openvino: bool = False
    """OpenVINO IR of the fp32 file and, if there is one, of the int8 file for CPUs."""
    torch_program: bool = False
    """A ``torch.export`` program."""
    opset: int = OPSET
    sigma: float | None = None
    """The noise level to fix in all files of a network with a level map."""
    is_untrained: bool = False
    """Export the weights that a training would start from."""
    keeps_failed: bool = False
    """Write files that fail their check, under another name."""

    def __post_init__(self) -> None:
        check_opset(self.opset)
        if self.sigma is not None and not 0 <= self.sigma <= 255:
            raise InputError(f"--sigma must lie in 0..255; got {self.sigma:g}")

    @property
    def ios(self) -> tuple[Io, ...]:
        """Inputs and outputs of the ONNX files."""
        return ("tensor", "image") if self.with_images else ("tensor",)


def make_artefacts(
    run: Run,
    network: RestorationNet,
    info: dict[str, Any],
    reference: Reference,
    settings: ExportSettings,
    listener: Listener,
) -> Iterator[Artefact]:
    """Make artefacts lazily, so that each is checked and written before the next is made.

    Args:
        run: The run of the network.
        network: The network, in evaluation mode.
        info: The information saved with its weights.
        reference: The same network in torch, with the validation pictures.
        settings: What to make.
        listener: Called with a line on each step.

    Raises:
        ClearerError: If a package is missing, or int8 loses too much.
    """
    ios, shapes = settings.ios, settings.shapes
    metadata = model_metadata(
        network.architecture, info, is_trained=not settings.is_untrained, sigma=settings.sigma
    )
    listener("writing ONNX")
    write = partial(to_onnx, network, opset=settings.opset, sigma=settings.sigma)
    model = write(metadata)
    level = "" if settings.sigma is None else f"sigma{settings.sigma:g}"
    yield from onnx_artefacts(model, level, "fp32", ios, shapes)
    if settings.fp16:
        in_halves = {**metadata, "precision": "fp16"}
        half = write(in_halves, half=True)
        yield from onnx_artefacts(half, _label(level, "fp16"), "fp16", ios, shapes)
    if settings.openvino:
        yield openvino_artefact(model, level, "fp32, fp16 weights")
    if settings.int8:
        for result in _quantized(run, model, reference, settings, listener):
            about = _describe(result)
            said = {"precision": "int8", "quantization": json.dumps(_checked_here(result))}
            quantized = with_metadata(result.model, said)
            label = _label(level, _INT8_LABELS[result.flavour])
            if result.flavour == "openvino":
                yield openvino_artefact(quantized, label, "int8", about)
            else:
                yield from onnx_artefacts(quantized, label, "int8", ios, shapes, about)
    if settings.torch_program:
        program = to_torch_program(network, metadata, sigma=settings.sigma)
        name = file_name(level, ending="pt2")
        yield Artefact(files={name: program}, precision="fp32", load=program_restorer)


def _label(*labels: str) -> str:
    return ".".join(filter(None, labels))


def _quantized(
    run: Run, model: bytes, reference: Reference, settings: ExportSettings, listener: Listener
) -> Iterator[Int8Result]:
    """The file in int8, for each kind of runtime."""
    of_run, middles = run.settings(), reference.of_middles(_SIDE)
    calibration = calibration_pictures(of_run, level_map=reference.takes_level)
    listener("int8: ranges of the features")
    activations = observe(model, calibration)
    has_budget = bool(of_run.budgets) and of_run.budget_precision == "int8"

    def psnr_db(candidate: bytes) -> float:
        return middles.mean_psnr_db("tensor", None, onnx_restorer({"": candidate}))

    def openvino_psnr_db(candidate: bytes) -> float:
        artefact = openvino_artefact(candidate, "", "int8")
        return middles.mean_psnr_db("tensor", None, artefact.load(artefact.files))

    # TensorRT engines are built and checked on their device.
    validate: dict[Flavour, dict[str, Validate]] = {
        "cpu": {"ONNX Runtime": psnr_db},
        "tensorrt": {"ONNX Runtime": psnr_db},
    }
    if settings.openvino:
        validate["openvino"] = {"OpenVINO": openvino_psnr_db}
    for flavour, runtimes in validate.items():

        def tell(what: str, done: int, total: int, flavour: Flavour = flavour) -> None:
            listener(f"int8 for {flavour}: {what}, {done} of {total}")

        yield quantize(
            model,
            flavour,
            activations,
            calibration[:_NUM_PROBES],
            runtimes,
            reference_db=middles.psnr_db("tensor", None),
            has_budget=has_budget,
            listener=tell,
        )


def _describe(result: Int8Result) -> QuantizationRecord:
    return {
        "flavour": result.flavour,
        "calibration": result.method,
        "weight_bits": result.weight_bits,
        "drop_db": result.drop_db,
        "drops_db": dict(result.drops_db),
        "float_layers": list(result.float_layers),
        "num_layers": result.num_layers,
    }


def _checked_here(result: Int8Result) -> dict[str, Any]:
    """For the metadata: the loss was measured on this processor, and may differ on others."""
    return {
        "weight_bits": result.weight_bits,
        "psnr_drop_db": {name: round(drop, 4) for name, drop in result.drops_db.items()},
        "device": device_name("cpu"),
    }
