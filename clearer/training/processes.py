"""Training with one process or several: how the loops communicate.

Every process runs the same command. The batch size is that of the whole step, whatever the number
of processes: each takes its share, and normalisation, gradients and losses are those of the whole
batch. So a run gives the same result, up to rounding, on one device and on eight.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor, nn

from clearer.errors import ClearerError, InputError, OtherProcessFailed, require
from clearer.training.sync_norm import SyncBatchNorm

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["Processes", "launch"]

_FIRST: Final = (None, "0")


class Processes:
    """This process among those that train together.

    Args:
        fabric: A launched one; None for a single process.
    """

    def __init__(self, fabric: Fabric | None = None) -> None:
        self._fabric = fabric
        self.num_processes = 1 if fabric is None else fabric.world_size
        self.rank = 0 if fabric is None else fabric.global_rank

    @property
    def is_first(self) -> bool:
        """Whether this process writes the files and talks to the user."""
        return self.rank == 0

    def share(self, batch_size: int) -> slice:
        """The part of a batch that this process computes.

        Raises:
            InputError: If the batch cannot be shared evenly.
        """
        if batch_size % self.num_processes:
            raise InputError(
                f"--batch-size {batch_size} cannot be shared evenly by {self.num_processes} "
                "processes: give a multiple of that"
            )
        size = batch_size // self.num_processes
        return slice(self.rank * size, (self.rank + 1) * size)

    def prepare(self, network: nn.Module) -> None:
        """Let batch normalisation use the statistics of the whole batch."""
        if self._fabric is None:
            return
        if self._fabric.device.type == "cuda":
            nn.SyncBatchNorm.convert_sync_batchnorm(network)  # in place: no layer is the network
        else:
            SyncBatchNorm.convert(network, self.sum)

    def sum(self, tensor: Tensor) -> Tensor:
        """Sum over the processes; no gradient passes."""
        if self._fabric is None:
            return tensor
        with _lost_connections(is_first=self.is_first):
            total = self._fabric.all_reduce(tensor.detach().clone(), reduce_op="sum")
        assert isinstance(total, Tensor)
        return total

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor with its mean over the processes, in one message for all."""
        if self._fabric is None:
            return
        flat = torch.cat([tensor.detach().reshape(-1).float() for tensor in tensors])
        means = (self.sum(flat) / self.num_processes).split([t.numel() for t in tensors])
        with torch.no_grad():
            for tensor, mean in zip(tensors, means, strict=True):
                tensor.copy_(mean.view_as(tensor))

    def any(self, value: bool) -> bool:
        """Whether ``value`` is true in any process."""
        if self._fabric is None:
            return value
        return bool(self.sum(torch.tensor(float(value), device=self._fabric.device)))

    def barrier(self) -> None:
        """Wait for all processes."""
        if self._fabric is not None:
            with _lost_connections(is_first=self.is_first):
                self._fabric.barrier()

    def on_first(self, work: Callable[[], Any]) -> Any:
        """Do ``work`` in the first process only, and return its result (plain data) in all.

        Raises:
            OtherProcessFailed: In the others, if it fails; the first raises the original error.
        """
        if self._fabric is None:
            return work()
        if not self.is_first:
            return self._receive()
        try:
            result = work()
        except BaseException:
            with contextlib.suppress(ClearerError):  # the same Ctrl-C may have ended the others
                self._send({"failed": True})
            raise
        self._send({"result": result})
        return result

    def _send(self, message: dict[str, Any]) -> None:
        assert self._fabric is not None
        data = torch.tensor(list(json.dumps(message).encode()), device=self._fabric.device)
        self.sum(torch.tensor(len(data), device=self._fabric.device))
        self.sum(data)

    def _receive(self) -> Any:
        assert self._fabric is not None
        length = int(self.sum(torch.tensor(0, device=self._fabric.device)))
        data = self.sum(torch.zeros(length, dtype=torch.int64, device=self._fabric.device))
        message = json.loads(bytes(data.tolist()))
        if "failed" in message:
            raise OtherProcessFailed
        return message["result"]


def launch(device: str, num_devices: int | None, num_nodes: int | None) -> Processes:
    """Start or join the processes that train together.

    Under torchrun or srun each process joins the others. Otherwise the first starts the others on
    this machine with its own command line.

    Args:
        device: ``cpu`` or ``cuda``.
        num_devices: Processes per machine; None for the launcher's number, or one.
        num_nodes: Machines; None for the launcher's number, or one.

    Raises:
        InputError: If they differ from what the launcher started, or there are too few GPUs.
    """
    launched_devices, launched_nodes = _launched()
    devices, nodes = num_devices or launched_devices or 1, num_nodes or launched_nodes or 1
    if launched_devices and (devices, nodes) != (launched_devices, launched_nodes):
        raise InputError(
            f"--devices {devices} --nodes {nodes}: the launcher started {launched_devices} "
            f"processes on each of {launched_nodes} nodes; leave both out"
        )
    if device == "cuda" and devices > torch.cuda.device_count():
        raise InputError(f"--devices {devices}: torch finds {torch.cuda.device_count()} here")
    if devices * nodes == 1:
        return Processes()
    # Slow to import, and not needed for one process.
    fabric = require("lightning_fabric", extra="distributed").Fabric(
        accelerator=device, devices=devices, num_nodes=nodes, strategy="ddp"
    )
    # A launcher sets the rank of the processes that it starts.
    with _lost_connections(is_first=os.environ.get("RANK", os.environ.get("LOCAL_RANK")) in _FIRST):
        fabric.launch()
    # Without this, the group's threads would outlive a command that fails, and abort.
    atexit.register(_leave)
    return Processes(fabric)


@contextlib.contextmanager
def _lost_connections(*, is_first: bool) -> Iterator[None]:
    """Wrap code that waits for the other processes, any of which may have ended."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        if not is_first:
            raise OtherProcessFailed from error
        reason = (str(error).splitlines() or [""])[0]
        raise ClearerError(f"another process of this run has ended ({reason})") from error


def _leave() -> None:
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _launched() -> tuple[int, int]:
    """Processes per machine, and machines, as torchrun or srun started them; zeros without them."""
    if torch.distributed.is_torchelastic_launched():
        per_node = int(os.environ["LOCAL_WORLD_SIZE"])
        return per_node, int(os.environ["WORLD_SIZE"]) // per_node
    if "SLURM_STEP_ID" in os.environ and "SLURM_NTASKS_PER_NODE" in os.environ:
        nodes = os.environ.get("SLURM_STEP_NUM_NODES", os.environ.get("SLURM_NNODES", "1"))
        return int(os.environ["SLURM_NTASKS_PER_NODE"]), int(nodes)
    return 0, 0
