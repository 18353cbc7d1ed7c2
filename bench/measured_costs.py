"""Milliseconds for the budgets: from a table, or measured on this device if there is none."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Final

import onnx
import torch

from clearer.bench.backends import BACKENDS
from clearer.bench.device_timer import Session, drift_free_ms, time_rounds
from clearer.bench.plan import Entry
from clearer.bench.profile import ProfileSettings, profile_space, this_device, version_here
from clearer.bench.speed_model import SpeedModel, probes
from clearer.costs.cost import CostTable, FilePrecision, Measurement, Metric
from clearer.costs.cost_source import CostSource
from clearer.errors import ClearerError, InputError
from clearer.export.graph import network_graph, write_weights
from clearer.export.network_io import network_inputs
from clearer.export.picture_io import first_line
from clearer.export.rounding import without_rounded_outputs
from clearer.export.to_onnx import file_mb, untrained_file
from clearer.space.space import Architecture, SearchSpace

__all__ = ["MeasuredCosts", "space_differences"]

_PROFILE_SECONDS: Final = 60.0
_PROBE_SECONDS: Final = 3.0
_CHECK_SECONDS: Final = 8.0
_QUICK_SECONDS: Final = 0.5
_MAX_DRIFT: Final = 0.03
_MAX_TRIES: Final = 5
_BUSY: Final = 1.1
"""Factor by which a machine has to be slower than before for times to be corrected."""
Listener = Callable[[str], None]
ShareListener = Callable[[float], None]
Watch = Callable[[str], AbstractContextManager[ShareListener]]


@contextmanager
def _unwatched(what: str) -> Iterator[ShareListener]:
    yield lambda share: None


def space_differences(wanted: SearchSpace, table: SearchSpace) -> str:
    """Differences between two spaces, for people; empty if there are none."""
    ours, theirs = asdict(wanted), asdict(table)
    return ", ".join(
        f"{name} {theirs[name]} instead of {ours[name]}"
        for name in ours
        if ours[name] != theirs[name]
    )


class MeasuredCosts(CostSource):
    """Adds milliseconds per image.

    With a table, that table is used, and the chosen network is measured if the table was made on
    this device. Without one, this device is profiled with ONNX Runtime on the CPU. Files in fp16
    and int8 are timed with OpenVINO if it is installed: ONNX Runtime computes fp16 only partly as
    such, and int8 more slowly.

    Args:
        image_size: (height, width) of the image.
        table: A table measured before, here or elsewhere, or None.
        listener: Called with a line on each measurement.
        precision: Precision of the file that is timed.
        watch: Called with what is timed; gives a function for the share of the time that is over.
    """

    def __init__(
        self,
        image_size: tuple[int, int],
        table: CostTable | None,
        listener: Listener,
        precision: FilePrecision = "fp32",
        watch: Watch = _unwatched,
    ) -> None:
        super().__init__(image_size, file_mb, precision)
        self._watch = watch
        self._given = table
        self._listener = listener
        self._runtime = _runtime_of(precision)
        self._spans: dict[SearchSpace, tuple[float, float]] = {}
        self._speed: SpeedModel | None = None
        self._reference: tuple[Architecture, float] | None = None  # a network, and its time

    def in_precision(self, precision: FilePrecision) -> MeasuredCosts:
        """The same device, for files of another precision."""
        size, given = self._image_size, self._given
        return MeasuredCosts(size, given, self._listener, precision, self._watch)

    def backend(self, metric: Metric) -> str | None:
        """The runtime that milliseconds are measured with."""
        if metric != "ms":
            return None
        return self._runtime if self._given is None else _measurement(self._given).backend

    def table(self, space: SearchSpace, metric: Metric) -> CostTable:
        """Costs of all modules; in ms, from the given table or a new measurement.

        Raises:
            InputError: If the given table is for another space or image size, or milliseconds
                are asked for in another precision than fp32.
            ClearerError: If the measurement fails.
        """
        if metric != "ms":
            return super().table(space, metric)
        self._check_modules()
        if self._given is None:
            return self._profile(space)
        measurement = _measurement(self._given)
        differences = space_differences(space, measurement.space)
        if (measurement.height, measurement.width) != self._image_size:
            height, width = self._image_size
            size = f"images of {measurement.height}x{measurement.width} instead of {height}x{width}"
            differences = ", ".join(filter(None, [differences, size]))
        if differences:
            raise InputError(
                f"the cost table is for another network: {differences}; make one that fits with "
                "clearer profile, or leave out the options that differ"
            )
        return self._given

    def span(self, space: SearchSpace, metric: Metric) -> tuple[float, float]:
        """Smallest and largest cost of an architecture; in ms, of uniform ones, timed quickly."""
        if metric != "ms" or self._given is not None:
            return super().span(space, metric)
        self._check_modules()
        if space not in self._spans:
            self._listener(f"timing width {space.width}, unshuffle {space.unshuffle}")
            with tempfile.TemporaryDirectory() as name, self._watch("timing") as tell:
                folder = Path(name)
                write_weights(folder, space)
                sessions = []
                for choice in space.candidates:
                    path = folder / f"{choice}.onnx"
                    path.write_bytes(network_graph(Architecture.uniform(space, choice)))
                    sessions.append(self._open_here(path, space))
                times = _time(sessions, _PROBE_SECONDS, tell)
            self._spans[space] = min(times), max(times)
        return self._spans[space]

    def estimate(self, architecture: Architecture, metric: Metric) -> float:
        """Cost of an architecture of any space; in ms, from a speed model of this device.

        The model is fitted to a few networks, which are timed on first use.
        """
        if metric != "ms":
            return super().estimate(architecture, metric)
        if self._speed is None:
            self.learn(probes(architecture.space), metric)
            assert self._speed is not None
        return self._speed.ms(architecture)

    def learn(self, architectures: Sequence[Architecture], metric: Metric) -> None:
        """Predict costs from now on from those of these networks; in ms, which are timed."""
        if metric != "ms":
            return
        self._listener(f"timing {len(architectures)} networks, to predict others: {self._files}")
        with self._watch("timing") as tell:
            times = self._times(architectures, _QUICK_SECONDS, tell)
        self._speed = SpeedModel(architectures, times)
        pairs = zip(architectures, times, strict=True)
        self._reference = max(pairs, key=lambda pair: pair[1])

    def measure_quickly(
        self, architectures: Sequence[Architecture], metric: Metric
    ) -> list[float | None]:
        """Costs of several networks; in ms, measured interleaved."""
        if metric != "ms":
            return super().measure_quickly(architectures, metric)
        number = len(architectures)
        networks = f"{number} networks" if number > 1 else "a network"
        self._listener(f"timing {networks}: {self._files}")
        with self._watch("timing") as tell:
            return [*self._times(architectures, _QUICK_SECONDS, tell)]

    def _times(
        self, architectures: Sequence[Architecture], seconds: float, tell: ShareListener
    ) -> list[float]:
        """Times of networks, interleaved, for so many seconds each."""
        with tempfile.TemporaryDirectory() as name:
            sessions = []
            for index, architecture in enumerate(architectures):
                path = Path(name) / f"{index}.onnx"
                path.write_bytes(self._untrained(architecture))
                sessions.append(self._open_here(path, architecture.space))
            return _time(sessions, seconds * len(sessions), tell)

    def _untrained(self, architecture: Architecture) -> bytes:
        """The file to time, as the runtime would get it."""
        model = untrained_file(architecture, self._precision)
        if self._precision == "int8" and self._runtime == "openvino":
            exact = without_rounded_outputs(onnx.load_from_string(model))
            model = exact.SerializeToString()
        return model

    def measure(self, architecture: Architecture, metric: Metric) -> float | None:
        """Cost of the exported network; in ms, None if the table is from another device.

        A network of known latency is timed in turn with it, and shows whether the machine is as
        fast as before; while it is not, the measurement is repeated, and the closest try counts.
        Without a table, the known network is one to which the speed model was fitted; if other work
        keeps slowing both down, the time is corrected by it.
        """
        if metric != "ms":
            return super().measure(architecture, metric)
        if self._given is None:
            return self._measure_beside_reference(architecture)
        if not self._is_here():
            return None
        table = self._given
        reference = Architecture.uniform(architecture.space, architecture.space.operations[0])
        tries: list[tuple[float, float]] = []
        with tempfile.TemporaryDirectory() as folder, self._watch("measuring") as tell:
            path, reference_path = Path(folder) / "network.onnx", Path(folder) / "reference.onnx"
            path.write_bytes(untrained_file(architecture))
            write_weights(Path(folder), reference.space)
            reference_path.write_bytes(network_graph(reference))
            sessions = [self._open(path, architecture), self._open(reference_path, reference)]
            for _ in range(_MAX_TRIES):
                self._listener(f"measuring {architecture.text}")
                ms, reference_ms = _time(sessions, _CHECK_SECONDS, tell)
                tries.append((abs(reference_ms / table.cost(reference) - 1), ms))
                if tries[-1][0] <= _MAX_DRIFT:
                    break
        return min(tries)[1]

    def _measure_beside_reference(self, architecture: Architecture) -> float:
        self.estimate(architecture, "ms")  # times the reference, unless that is done
        assert self._reference is not None
        reference, known = self._reference
        self._listener(f"measuring {architecture.label}: {self._files}")
        both = [architecture, reference]
        with self._watch("measuring") as tell:
            tries = [self._times(both, _CHECK_SECONDS / 6, _part_of(tell, n, 3)) for n in range(3)]
        ms, reference_ms = min(tries, key=lambda times: times[1])
        slower = reference_ms / known
        if slower < _BUSY:
            return ms
        self._listener(
            f"this machine is {slower:.1f} times as slow as at first, perhaps due to other work: "
            f"{ms:.1f} ms count as {ms / slower:.1f}"
        )
        return ms / slower

    def margin(self, metric: Metric) -> float:
        """The largest error of the table, if networks cannot be measured here."""
        if metric != "ms" or self._given is None or self._is_here():
            return 0.0
        return _measurement(self._given).max_error

    def _profile(self, space: SearchSpace) -> CostTable:
        height, width = self._image_size
        settings = ProfileSettings(
            space=space, height=height, width=width, threads=torch.get_num_threads()
        )
        self._listener(f"timing the modules at width {space.width}, unshuffle {space.unshuffle}")
        with self._watch("timing") as tell:

            def listener(done: float, groups: int, rounds: int) -> None:
                tell(done / groups)

            table = profile_space(settings, listener, max_seconds=_PROFILE_SECONDS).table
        self._given = table
        return table

    def _is_here(self) -> bool:
        assert self._given is not None
        measurement = _measurement(self._given)
        here = this_device(measurement.backend), version_here(measurement.backend)
        return here == (measurement.device, measurement.version)

    def _open_here(self, path: Path, space: SearchSpace) -> Session:
        shapes = network_inputs(space, *self._image_size)
        backend = BACKENDS[self._runtime]
        backend.require()
        try:
            # Whatever is not int8 is computed in fp32.
            return backend.session(None, path, shapes, torch.get_num_threads(), "fp32")
        except (ImportError, RuntimeError) as error:
            raise ClearerError(
                f"{self._runtime} cannot time {self._precision} files here: {first_line(error)}"
            ) from error

    @property
    def _files(self) -> str:
        """What is timed, and with which runtime."""
        return f"{self._precision} files, {self._runtime} {version_here(self._runtime)}"

    def _check_modules(self) -> None:
        if self._precision != "fp32":
            raise InputError(
                f"--budget-ms with --budget-precision {self._precision} is for --strategy race, "
                "which times whole networks: the modules of one space are only timed in fp32"
            )

    def _open(self, path: Path, architecture: Architecture) -> Session:
        assert self._given is not None
        m = _measurement(self._given)
        shapes = network_inputs(architecture.space, m.height, m.width)
        entry = Entry(architecture=architecture)
        return BACKENDS[m.backend].session(entry, path, shapes, m.threads, m.precision)


def _runtime_of(precision: FilePrecision) -> str:
    """Name of the backend that times files of a precision here."""
    if precision == "fp32":
        return "onnxruntime"
    faithful = (found.name for found in BACKENDS.values() if found.is_faithful and found.version())
    return next(faithful, "onnxruntime")


def _measurement(table: CostTable) -> Measurement:
    assert table.measurement is not None
    return table.measurement


def _part_of(tell: ShareListener, index: int, number: int) -> ShareListener:
    """A listener for one of several parts of equal length."""
    return lambda share: tell((index + share) / number)


def _time(sessions: list[Session], seconds: float, tell: ShareListener) -> list[float]:
    rounds: list[list[float]] = []
    time_rounds(sessions, rounds, seconds, tell)
    return drift_free_ms(rounds)
