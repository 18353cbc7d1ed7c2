"""The request for a search."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import MISSING, dataclass, field, fields
from os import PathLike
from typing import Final, Literal

from clearer.costs.budget import Budget, given_budgets
from clearer.costs.cost import FilePrecision
from clearer.errors import InputError
from clearer.pictures.images import Color
from clearer.planning.request_checks import check_minutes, check_size
from clearer.runs.settings import Compile, Strategy

__all__ = ["REFREEZABLE", "RESUMABLE", "SearchRequest"]

RESUMABLE: Final = frozenset(
    (
        *("out", "resume", "minutes", "minutes_now", "train", "changed_data"),
        *("checkpoint_seconds", "devices", "nodes"),
    )
)
"""Fields that may be set together with ``resume``."""
REFREEZABLE: Final = frozenset(
    (
        *("source", "budget_mb", "budget_ms", "budget_gmacs", "budget_params"),
        *("budget_precision", "cost", "size"),
        *("out", "train", "minutes", "minutes_now", "checkpoint_seconds", "devices", "nodes"),
    )
)
"""Fields that may be set together with ``source``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchRequest:
    """All settings of ``clearer search``. What is None is chosen automatically.

    Example:
        >>> from clearer import SearchRequest
        >>> request = SearchRequest(budget_mb=1.5, task_options={"sigma": "5:50"})
        >>> [budget.option for budget in request.budgets]
        ['--budget-mb']
    """

    budget_mb: float | None = None
    """Largest ONNX file in MB (10**6 bytes)."""
    budget_ms: float | None = None
    """Limit in milliseconds per image of ``size``, measured here, or by ``cost``."""
    budget_gmacs: float | None = None
    """Limit in 10**9 multiply-accumulates per image of ``size``."""
    budget_params: float | None = None
    """Limit on trained parameters."""
    budget_precision: FilePrecision = "fp32"
    """Precision of the file that limits in MB and milliseconds refer to."""
    cost: str | PathLike[str] | None = None
    """File of a cost table, for ``budget_ms``; it sets the space."""
    size: tuple[int, int] | None = None
    """(height, width) of the timed image in pixels; None: that of ``cost``, else 256x256."""

    data: str | PathLike[str] | None = None
    """Folder of pictures, or a data set; None: built-in photographs and synthetic images."""
    task: str = "denoise"
    """What to undo: one of ``clearer tasks``."""
    task_options: Mapping[str, object] = field(default_factory=dict)
    """Options of the task by name, such as ``{"sigma": "5:50"}``."""
    color: Color = "gray"
    """``gray`` or ``rgb``: what the network restores."""

    preset: Literal["quick", "long", "paper"] = "quick"
    """``quick`` takes about ten minutes on two cores, ``paper`` days."""
    width: int | None = None
    """Channels of the finest scale."""
    unshuffle: int | None = None
    """1, or 2 to work at half resolution."""
    columns: tuple[int, ...] | None = None
    """Columns of each cell."""
    operations: tuple[str, ...] | None = None
    """Names of the operations that a column chooses between; None: parallel, fusion."""
    stem: Literal["bottlenecks", "conv"] | None = None
    """Layers before the first cell."""
    strategy: Strategy | None = None
    """None: a race, or by gradient if a space is given or the preset is ``paper``."""
    gates: bool = False
    """Whether each scale of a column may compute, fuse or pass through."""
    level_map: bool = False
    """Whether the network takes the noise level as a second input."""
    contenders: int | None = None
    """Networks in a race."""
    seeds: int = 1
    """Number of searches by gradient (seeds from ``seed`` on) whose op weights are averaged."""
    source: str | PathLike[str] | None = None
    """Run whose search by gradient is reused to freeze an architecture under other budgets."""

    search_iterations: int | None = None
    """Iterations of the search; of a race, of all its networks in total."""
    iterations: int | None = None
    """Iterations of the training. None: those of the preset; after a race, as many as are the same
    work for the network that won."""
    minutes: float | None = None
    """Train as many iterations as fit into this time."""
    minutes_now: float | None = None
    """Work for this many minutes, then stop at a checkpoint (:class:`clearer.errors.PieceDone`)."""
    validate_every: int | None = None
    """Iterations between validations."""
    batch_size: int | None = None
    """Patches in a batch."""
    patch_size: int | None = None
    """Side of a training patch in pixels, a multiple of 8 (16 if ``unshuffle`` is 2)."""
    reduce: float | None = None
    """Half of the patches come from pictures reduced by a factor from 1 to this, at most 4."""
    learning_rate: float | None = None
    """Peak learning rate of the training."""
    search_learning_rate: float | None = None
    """Peak learning rate of the weights in a search by gradient."""
    lambda_arch: float | None = None
    """Weight of the entropy loss of the choices."""
    lambda_comp: float | None = None
    """Weight of the cost, in millions of parameters; only without a budget."""

    seed: int = 0
    """Seed of all randomness."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Precision of the forward and backward pass; ``auto``: whichever is faster here."""
    compile: Compile = "auto"
    """Whether the loops use ``torch.compile``."""
    tensorboard: bool = False
    """Whether logs are also written for TensorBoard."""
    train: bool | None = None
    """Whether to train the network; None: yes, or with ``resume`` as the run was started."""
    out: str | PathLike[str] | None = None
    """Run folder to make or to resume; None: a new one in ``runs/``, or the newest there."""
    resume: bool = False
    """Resume an interrupted run."""
    changed_data: bool = False
    """With ``resume``: continue although pictures of the run changed."""
    checkpoint_seconds: float = 60.0
    """Seconds between checkpoints, from which ``resume`` continues."""
    devices: int | None = None
    """Processes on this machine, each of which runs this program from its start."""
    nodes: int | None = None
    """Machines."""

    @property
    def budgets(self) -> tuple[Budget, ...]:
        """The limits that are given.

        Raises:
            InputError: If one is not a number above 0.
        """
        return given_budgets(
            mb=self.budget_mb,
            ms=self.budget_ms,
            gmacs=self.budget_gmacs,
            params=self.budget_params,
        )

    def check(self) -> None:
        """Refuse inconsistent settings, as far as they show before anything is read.

        Raises:
            InputError: For the first of them.
        """
        check_minutes(self.minutes, self.iterations, self.validate_every)
        if self.changed_data and not self.resume:
            raise InputError(
                "--changed-data is for --resume: a new run uses the pictures as they are"
            )
        if self.size is not None:
            check_size(self.size)
        budgets = self.budgets
        if self.resume:
            self._refuse_others(RESUMABLE, "--resume continues with the settings of the run")
            return
        if self.source is not None:
            self._refuse_others(REFREEZABLE, "--from keeps the search of that run")
        if self.lambda_comp is not None and budgets:
            raise InputError("--lambda-comp is for a search without budget: a budget sets its own")
        if self.cost is not None and self.budget_ms is None:
            raise InputError("--cost is for --budget-ms: give a limit in milliseconds")

    def _refuse_others(self, allowed: Collection[str], reason: str) -> None:
        for own in fields(self):
            default = {} if own.default is MISSING else own.default
            if own.name not in allowed and getattr(self, own.name) != default:
                name = "from" if own.name == "source" else own.name.replace("_", "-")
                raise InputError(f"{reason}: leave out --{name}")
