"""The networks to time, to find out what each module of a space costs on a device."""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain, combinations_with_replacement, product
from pathlib import Path
from typing import Any, Final, Literal, TypedDict

from clearer.bench.device_timer import PLAN_FILE
from clearer.costs.cost import Module, cost_table, modules
from clearer.errors import InputError
from clearer.export.graph import module_graph, module_shapes, network_graph, write_weights
from clearer.export.network_io import network_inputs
from clearer.operations.identity import IDENTITY
from clearer.operations.registry import OPERATIONS
from clearer.space.space import Architecture, Choice, SearchSpace
from clearer.support.files import read_json, write_json
from clearer.support.schema import Side, checked

__all__ = ["Entry", "Plan", "check_architectures", "read_plan", "write_plan"]

_SCHEMA_VERSION: Final = 3
_NUM_MIXED: Final = 6
_NUM_CHECKS: Final = 100
_GROUP: Final = 16
"""Number of networks loaded at a time."""
_SEED: Final = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One network to time."""

    architecture: Architecture
    """For a module, any architecture of its space."""
    module: Module | None = None
    """The module; None for a whole network."""

    @property
    def name(self) -> str:
        """Name, unique within a plan."""
        if self.module is None:
            return f"network-{self.architecture.text}"
        choice, num_scales, scales = self.module
        return f"module-{choice}-{num_scales}-{''.join(map(str, scales))}"

    def inputs(self, height: int, width: int) -> list[list[int]]:
        """Shapes of the inputs for an image of one size."""
        space = self.architecture.space
        if self.module is None:
            return network_inputs(space, height, width)
        return module_shapes(space, self.module.num_scales, height, width)

    def graph(self, height: int, width: int) -> bytes:
        """The ONNX file; it needs the weights file in its folder."""
        if self.module is None:
            return network_graph(self.architecture)
        return module_graph(self.architecture.space, *self.module, height, width)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Networks to time, in groups: the cost table is fitted to the first, the others check it.

    The first network of every group is the same, so that groups timed one after another can be
    compared.
    """

    space: SearchSpace
    height: int
    width: int
    groups: tuple[tuple[Entry, ...], ...]

    @classmethod
    def make(
        cls, space: SearchSpace, height: int, width: int, check: Sequence[Architecture] = ()
    ) -> Plan:
        """Make a plan of the networks that a table needs, and further ones that check it."""
        fit = [*_networks(space), *_modules(space)]
        groups = [tuple(fit)]
        num_groups = math.ceil(len(check) / (_GROUP - 1))
        for start in range(num_groups):
            # Every group spans the whole range, so that a disturbance of one does not bias one end.
            part = [_network(a) for a in check[start::num_groups]]
            groups.append((fit[0], *part))
        return cls(space=space, height=height, width=width, groups=tuple(groups))


def _networks(space: SearchSpace) -> list[Entry]:
    """Networks from which the times of all modules can be determined.

    Extremes and mixed ones, since a module's time depends a little on its neighbours.
    """
    rng = random.Random(_SEED)
    found = _with_gates(space, rng) if space.gates else _without_gates(space, rng)
    return [_network(architecture) for architecture in dict.fromkeys(found)]


def _without_gates(space: SearchSpace, rng: random.Random) -> list[Architecture]:
    """The extremes, each other candidate in one cell at a time, mixed ones, one column less.

    All but the last have the same number of columns in each cell: only networks with one column
    less separate the columns' common part from the fixed part.
    """
    counts, (first, *others) = space.columns, space.operations
    found = [Architecture.uniform(space, choice) for choice in space.operations]
    for cell, choice in product(range(len(counts)), others):
        wanted = [[choice if i == cell else first] * n for i, n in enumerate(counts)]
        found.append(Architecture.nearest(space, list(chain(*wanted))))
    for index in range(_NUM_MIXED):
        # Two in three have mostly the first candidate, or mostly others.
        share = (0.5, 0.25, 0.75)[index % 3]
        drawn = [rng.random() / share for _ in range(space.num_columns)]
        mixed = [others[int(place * len(others))] if place < 1 else first for place in drawn]
        found.append(Architecture.nearest(space, mixed))
    for cell, count in enumerate(counts):
        step = -1 if count > 1 else 1
        columns = tuple(n + step * (i == cell) for i, n in enumerate(counts))
        found.append(Architecture.uniform(replace(space, columns=columns), first))
    return found


def _with_gates(space: SearchSpace, rng: random.Random) -> list[Architecture]:
    """The extremes, each operation alone in the places where it costs the same, and mixed ones."""
    found = [Architecture.uniform(space, choice) for choice in space.candidates]
    places = space.choice_scales()
    for choice in space.operations:
        known = OPERATIONS[choice]
        groups = [s[0] for _, s in places] if known.is_local else [n for n, _ in places]
        for group in range(0 if known.is_local else known.smallest_column, max(groups) + 1):
            wanted = [choice if own == group else IDENTITY.name for own in groups]
            found.append(Architecture.nearest(space, wanted))
    found += [_drawn(space, rng, index) for index in range(2 * _NUM_MIXED)]
    return found


def _drawn(space: SearchSpace, rng: random.Random, index: int) -> Architecture:
    """A random network with gates; every third one works on one scale at a time, as a U does."""
    first, others, nothing = ((0.4, 0.3, 0.3), (0.2, 0.2, 0.6), (0.7, 0.3, 0.0))[index % 3]
    number = len(space.operations) - 1
    shares = (first, *[others / number] * number, nothing)
    if index % 3:
        wanted = rng.choices(space.candidates, shares, k=space.num_choices)
        return Architecture.nearest(space, wanted)
    choices: list[Choice] = []
    for scales in space.column_scales():
        column = [IDENTITY.name] * scales
        column[rng.randrange(scales)] = rng.choices(space.candidates, shares)[0]
        choices += column
    return Architecture.nearest(space, choices)


def _modules(space: SearchSpace) -> list[Entry]:
    """Every distinct module, alone."""
    some = Architecture.uniform(space, space.operations[0])
    distinct = dict.fromkeys(module for row in modules(space) for module in row if module)
    return [Entry(architecture=some, module=module) for module in distinct]


def _network(architecture: Architecture) -> Entry:
    return Entry(architecture=architecture)


def check_architectures(space: SearchSpace, number: int | None) -> list[Architecture]:
    """Random architectures, spread evenly over the range of MACs.

    Without gates, columns of one cell cost the same in an additive table, so that its predictions
    differ for few networks.

    Args:
        space: Where they come from.
        number: How many; None for one of each kind for which predictions differ or, with gates,
            where there are too many, a hundred.
    """
    rng = random.Random(_SEED + 1)
    drawn = _gated_sample(space, rng) if space.gates else _one_of_each(space, rng)
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


def _gated_sample(space: SearchSpace, rng: random.Random) -> list[Architecture]:
    found = dict.fromkeys(_drawn(space, rng, index) for index in range(_NUM_CHECKS))
    return list(found)


def _one_of_each(space: SearchSpace, rng: random.Random) -> list[Architecture]:
    drawn = []
    mixtures = (combinations_with_replacement(space.operations, n) for n in space.columns)
    for cells in product(*mixtures):
        choices = chain(*(rng.sample(cell[::-1], len(cell)) for cell in cells))
        drawn.append(Architecture.nearest(space, list(choices)))
    return drawn


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
            "architecture": entry.architecture.to_dict(),
            "module": entry.module,
            "inputs": entry.inputs(plan.height, plan.width),
        }

    write_json(
        folder / PLAN_FILE,
        {
            "schema_version": _SCHEMA_VERSION,
            "space": plan.space.to_dict(),
            "height": plan.height,
            "width": plan.width,
            "groups": [[describe(entry) for entry in group] for group in plan.groups],
        },
    )


def read_plan(folder: Path) -> tuple[Plan, str]:
    """Read ``plan.json`` and its SHA-256, by which a result refers to its plan.

    Raises:
        InputError: If it is missing or damaged.
    """
    path = folder / PLAN_FILE
    plain = read_json(path)
    data = checked(plain, _PlanRecord, path, advice="make the folder again")
    groups = tuple(tuple(_read_entry(entry) for entry in group) for group in data["groups"])
    space = SearchSpace.from_dict(data["space"])
    if not groups or not groups[0]:
        raise InputError(f"{path} names no networks: make the folder again")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return Plan(space=space, height=data["height"], width=data["width"], groups=groups), sha256


def _read_entry(data: _EntryRecord) -> Entry:
    return Entry(
        architecture=Architecture.from_dict(data["architecture"]),
        module=data["module"],
    )


class _EntryRecord(TypedDict):
    file: str
    architecture: dict[str, Any]
    module: Module | None
    inputs: list[list[int]]


class _PlanRecord(TypedDict):
    """``plan.json``."""

    schema_version: Literal[2, 3]
    space: dict[str, Any]
    height: Side
    width: Side
    groups: list[list[_EntryRecord]]
