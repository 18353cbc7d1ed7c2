"""Which networks are timed to learn what each module of a space costs on a device."""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, Final, Literal, TypedDict

from clearer.bench.device_timer import PLAN_FILE, SCHEMA_VERSION
from clearer.cost import cost_table
from clearer.errors import InputError
from clearer.export.graph import module_graph, module_shapes, network_graph, write_weights
from clearer.files import read_json, write_json
from clearer.schema import Side, checked
from clearer.space import CHOICES, Architecture, Choice, SearchSpace

__all__ = ["Entry", "Plan", "check_architectures", "read_plan", "write_plan"]

_NUM_MIXED: Final = 6
_GROUP: Final = 16
"""Networks that are loaded at a time."""
_SEED: Final = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One network to time."""

    kind: Literal["network", "module"]
    architecture: Architecture
    """Of a module: any of its space."""
    choice: Choice | None = None
    num_scales: int | None = None
    """Of a module."""

    @property
    def name(self) -> str:
        """Unique within a plan."""
        if self.kind == "network":
            return f"network-{self.architecture.text}"
        return f"module-{self.choice}-{self.num_scales}"

    def inputs(self, height: int, width: int) -> list[list[int]]:
        """Shapes of the inputs for an image of one size."""
        space = self.architecture.space
        if self.kind == "network":
            return [[1, space.channels, height, width]]
        assert self.num_scales is not None
        return module_shapes(space, self.num_scales, height, width)

    def graph(self, height: int, width: int) -> bytes:
        """The ONNX file; it needs the weights of its folder."""
        if self.kind == "network":
            return network_graph(self.architecture)
        assert self.choice is not None
        assert self.num_scales is not None
        return module_graph(self.architecture.space, self.choice, self.num_scales, height, width)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What is timed, in groups: the first is what the cost table is fitted to, the others check it.

    The first network of every group is the same, so that groups that were timed one after the
    other can be compared.
    """

    space: SearchSpace
    height: int
    width: int
    groups: tuple[tuple[Entry, ...], ...]

    @classmethod
    def make(
        cls, space: SearchSpace, height: int, width: int, check: Sequence[Architecture] = ()
    ) -> Plan:
        """The networks that a table needs, and further ones that check it."""
        fit = [*_networks(space), *_modules(space)]
        groups = [tuple(fit)]
        num_groups = math.ceil(len(check) / (_GROUP - 1))
        for start in range(num_groups):
            # Every group spans the whole range: what disturbs one of them bends no end of the plot.
            part = [_network(a) for a in check[start::num_groups]]
            groups.append((fit[0], *part))
        return cls(space=space, height=height, width=width, groups=tuple(groups))


def _networks(space: SearchSpace) -> list[Entry]:
    """Networks that tell all modules apart.

    The extremes, one cell of fusions at a time, and mixed ones, since a module's time depends a
    little on its neighbours. All of them have the same number of columns in each cell: only
    networks with one column less tell the columns' common part from the fixed part.
    """
    counts = space.columns
    texts = ["-".join("P" * n for n in counts), "-".join("F" * n for n in counts)]
    for cell in range(len(counts)):
        texts.append("-".join(("F" if i == cell else "P") * n for i, n in enumerate(counts)))
    rng = random.Random(_SEED)
    for index in range(_NUM_MIXED):
        # Every second one has few fusions or few parallels, alternately.
        share = (0.5, 0.25, 0.75)[index % 3]
        cells = ["".join("F" if rng.random() < share else "P" for _ in range(n)) for n in counts]
        texts.append("-".join(cells))
    entries = [_network(Architecture.from_text(text, space)) for text in dict.fromkeys(texts)]
    for cell, count in enumerate(counts):
        step = -1 if count > 1 else 1
        columns = tuple(n + step * (i == cell) for i, n in enumerate(counts))
        other = replace(space, columns=columns)
        entries.append(_network(Architecture.from_text("-".join("P" * n for n in columns), other)))
    return entries


def _modules(space: SearchSpace) -> list[Entry]:
    """Every distinct module alone."""
    some = Architecture.uniform(space, "parallel")
    return [
        Entry(kind="module", architecture=some, choice=choice, num_scales=num_scales)
        for num_scales in sorted(set(space.column_scales()))
        for choice in CHOICES
    ]


def _network(architecture: Architecture) -> Entry:
    return Entry(kind="network", architecture=architecture)


def check_architectures(space: SearchSpace, number: int | None) -> list[Architecture]:
    """Random architectures, drawn evenly over the range of MACs.

    Columns of one cell cost the same in an additive table, so that it knows few different networks.

    Args:
        space: Where they come from.
        number: How many; None for one of each kind that a table tells apart.
    """
    rng = random.Random(_SEED + 1)
    drawn = []
    for counts in product(*(range(n + 1) for n in space.columns)):
        choices: list[Choice] = []
        for fusions, num_columns in zip(counts, space.columns, strict=True):
            cell = [CHOICES[index < fusions] for index in range(num_columns)]
            choices += rng.sample(cell, num_columns)
        drawn.append(Architecture(space=space, choices=tuple(choices)))
    macs = cost_table(space, "macs")
    drawn.sort(key=macs.cost)
    if number is None:
        return drawn
    if number > len(drawn):
        raise InputError(f"--check {number}: a table tells {len(drawn)} networks apart; use 'all'")
    low, high = macs.cost(drawn[0]), macs.cost(drawn[-1])
    chosen: list[Architecture] = []
    for index in range(number):
        wanted = low + (high - low) * (index + 0.5) / number
        left = [a for a in drawn if a not in chosen]
        chosen.append(min(left, key=lambda a: abs(macs.cost(a) - wanted)))
    return chosen


def write_plan(folder: Path, plan: Plan) -> None:
    """Write the networks, their weights and ``plan.json`` into a folder.

    Raises:
        OSError: If it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_weights(folder, plan.space)
    entries = {entry.name: entry for group in plan.groups for entry in group}
    files = {}
    for name, entry in entries.items():
        data = entry.graph(plan.height, plan.width)
        files[name] = f"{name}.onnx"
        (folder / files[name]).write_bytes(data)

    def describe(entry: Entry) -> dict[str, Any]:
        return {
            "file": files[entry.name],
            "kind": entry.kind,
            "architecture": entry.architecture.to_dict(),
            "choice": entry.choice,
            "num_scales": entry.num_scales,
            "inputs": entry.inputs(plan.height, plan.width),
        }

    write_json(
        folder / PLAN_FILE,
        {
            "schema_version": SCHEMA_VERSION,
            "space": plan.space.to_dict(),
            "height": plan.height,
            "width": plan.width,
            "groups": [[describe(entry) for entry in group] for group in plan.groups],
        },
    )


def read_plan(folder: Path) -> tuple[Plan, str]:
    """Read ``plan.json``; also its SHA-256, by which a result names the plan that it followed.

    Raises:
        InputError: If it is missing or damaged.
    """
    path = folder / PLAN_FILE
    plain = read_json(path)
    data = checked(plain, _PlanRecord, path, advice="make the folder anew")
    groups = tuple(tuple(_read_entry(entry) for entry in group) for group in data["groups"])
    space = SearchSpace.from_dict(data["space"])
    if not groups or not groups[0]:
        raise InputError(f"{path} names no networks: make the folder anew")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return Plan(space=space, height=data["height"], width=data["width"], groups=groups), sha256


def _read_entry(data: _EntryRecord) -> Entry:
    return Entry(
        kind=data["kind"],
        architecture=Architecture.from_dict(data["architecture"]),
        choice=data["choice"],
        num_scales=data["num_scales"],
    )


class _EntryRecord(TypedDict):
    file: str
    kind: Literal["network", "module"]
    architecture: dict[str, Any]
    choice: Choice | None
    num_scales: int | None
    inputs: list[list[int]]


class _PlanRecord(TypedDict):
    """``plan.json``."""

    schema_version: Literal[1]
    space: dict[str, Any]
    height: Side
    width: Side
    groups: list[list[_EntryRecord]]
