"""A network is cut to budgets where that changes its output least."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from clearer.costs.budget import Budget
from clearer.costs.cost import FilePrecision, Metric, network_convs, network_cost
from clearer.costs.cost_source import CostSource
from clearer.costs.decision import Decision
from clearer.data.patches import Batch
from clearer.errors import InputError
from clearer.export.to_onnx import file_mb
from clearer.networks.network import RestorationNet
from clearer.operations.layers import batch_norms
from clearer.pruning.channels import Group, layers_of, with_channels
from clearer.pruning.importance import channel_importance
from clearer.pruning.prune import prune
from clearer.space.space import Architecture, SearchSpace
from clearer.training.losses import root_error_loss
from tests.clearer.pruning.test_channels import groups_of, silence, trained

SPACE = SearchSpace(
    width=8,
    columns=(1, 2, 2),
    stem="conv",
    residual=True,
    growth=1.5,
    first_scales=1,
    gates=True,
    operations=("parallel", "swish", "fusion"),
)
"""Of 8, 16 and 16 channels."""
NETWORK = Architecture.from_text("P-[.P][WF]-[PF.][F.P]", SPACE)
SMALL = replace(NETWORK, space=replace(SPACE, width=4, widths=(4, 8, 8)))
LEAST = 1700
"""Parameters that either can be cut to, but hardly less."""
COSTS = CostSource((64, 48), file_mb)


def batches(architecture: Architecture, number: int = 2) -> list[Batch]:
    generator = torch.Generator().manual_seed(1)
    channels = architecture.space.channels
    made = []
    for _ in range(number):
        degraded = torch.rand(2, architecture.space.input_planes, 16, 16, generator=generator)
        made.append(Batch(degraded, degraded[:, :channels] / 2, None))
    return made


def cut_to(
    network: RestorationNet,
    *budgets: Budget,
    precision: FilePrecision = "fp32",
    shares: list[float] | None = None,
) -> tuple[RestorationNet, Decision]:
    told: list[float] = [] if shares is None else shares
    costs = COSTS.in_precision(precision)
    (way,) = prune("mine", network, budgets, costs, batches(network.architecture), told.append)
    return way


def errors(network: RestorationNet, wanted: RestorationNet, data: Sequence[Batch]) -> float:
    with torch.inference_mode():
        pairs = [(network(b.degraded), wanted(b.degraded)) for b in data]
        return sum(float(root_error_loss(one, other)) for one, other in pairs) / len(pairs)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_it_meets_the_size_of_the_real_file(precision: FilePrecision, tmp_path: Path) -> None:
    network = trained(NETWORK)
    limit = 0.8 * file_mb(NETWORK, precision)
    cut, decision = cut_to(network, Budget(metric="mb", limit=limit), precision=precision)
    assert decision.architecture == cut.architecture
    assert decision.precision == precision
    (row,) = decision.budgets
    assert row.measured == file_mb(cut.architecture, precision) <= limit
    assert row.measured > 0.7 * limit  # and is not cut much further than that
    assert not cut.training


def test_it_meets_all_budgets_together() -> None:
    metrics: tuple[Metric, ...] = ("mb", "gmacs", "params")
    budgets = [Budget(metric=m, limit=0.8 * COSTS.estimate(NETWORK, m)) for m in metrics]
    cut, decision = cut_to(trained(NETWORK), *budgets)
    for budget, row in zip(budgets, decision.budgets, strict=True):
        assert row.measured is not None
        assert row.measured <= budget.limit == row.limit
        assert row.metric == budget.metric
    params = sum(parameter.numel() for parameter in cut.parameters())
    assert params == network_cost(cut.architecture, "params") == decision.to_dict()["params"]


def test_a_network_that_meets_the_budgets_is_returned_as_it_is() -> None:
    network = trained(NETWORK)
    cut, decision = cut_to(
        network, Budget(metric="mb", limit=file_mb(NETWORK)), Budget(metric="gmacs", limit=9.0)
    )
    assert cut is network
    assert decision.architecture == NETWORK


def test_it_starts_again_where_the_file_is_larger_than_estimated() -> None:
    """The more of it is cut, the larger is the file than what is foreseen."""

    def measured(architecture: Architecture, precision: FilePrecision) -> float:
        return 0.1 + file_mb(architecture, precision)

    network, limit = trained(NETWORK), 0.1 + 0.8 * file_mb(NETWORK)
    costs = CostSource((64, 48), measured)
    budget = Budget(metric="mb", limit=limit)
    ((cut, decision),) = prune("mine", network, [budget], costs, batches(NETWORK), print)
    assert measured(cut.architecture, "fp32") == decision.budgets[0].measured
    assert measured(cut.architecture, "fp32") <= limit
    assert file_mb(cut.architecture) <= 0.8 * file_mb(NETWORK)


def test_it_is_cut_less_where_the_file_is_smaller_than_estimated() -> None:
    """The more of it is cut, the smaller is the file than what is foreseen."""
    whole = file_mb(NETWORK)

    def measured(architecture: Architecture, precision: FilePrecision) -> float:
        return float(whole * (file_mb(architecture, precision) / whole) ** 2)

    costs, limit = CostSource((64, 48), measured), 0.5 * whole
    budgets = [
        Budget(metric="mb", limit=limit),
        Budget(metric="params", limit=network_cost(NETWORK, "params")),  # met as it is
    ]
    ((cut, _),) = prune("mine", trained(NETWORK), budgets, costs, batches(NETWORK), print)
    assert 0.85 * limit < measured(cut.architecture, "fp32") <= limit


def test_what_is_too_small_is_refused_in_one_line() -> None:
    network = trained(SMALL)
    wanted = [Budget(metric="params", limit=300), Budget(metric="gmacs", limit=5.0)]
    with pytest.raises(InputError) as refused:
        cut_to(network, *wanted)
    text = str(refused.value)
    assert text.startswith("mine cannot be cut to --budget-params 300 and --budget-gmacs 5")
    assert "\n" not in text


def test_bottlenecks_are_refused() -> None:
    architecture = Architecture.from_text("PF", SearchSpace(width=2, columns=(2,)))
    with pytest.raises(InputError, match="mine has the stem bottlenecks"):
        cut_to(trained(architecture), Budget(metric="params", limit=300))


def test_it_ends_at_the_narrowest_widths_with_a_column_in_each_cell() -> None:
    cut, _ = cut_to(trained(SMALL), Budget(metric="params", limit=LEAST))
    assert cut.architecture.space.widths == (4, 4, 4)
    assert cut.architecture.space.columns == (1, 1, 1)
    again, _ = cut_to(cut, Budget(metric="params", limit=LEAST))
    assert again is cut


class Lanes(CostSource):
    """A device that computes 16 channels at once."""

    learnt: Sequence[Architecture] = ()

    def learn(self, architectures: Sequence[Architecture], metric: Metric) -> None:
        assert metric == "ms"
        self.learnt = architectures

    def estimate(self, architecture: Architecture, metric: Metric) -> float:
        macs = (
            replace(conv, inputs=-(-conv.inputs // 16) * 16, outputs=-(-conv.outputs // 16) * 16)
            for conv in network_convs(architecture)
        )
        return sum(conv.macs for conv in macs) / 1000

    def measure(self, architecture: Architecture, metric: Metric) -> float:
        return self.estimate(architecture, metric)


@pytest.mark.parametrize("text", ["W-[.W]", "W-[.W][.W][.W][.W]"])
def test_a_device_is_learnt_and_loses_whole_vectors(text: str) -> None:
    """The second way begins with the finest scale."""
    columns = tuple(cell.count("W") for cell in text.split("-"))
    space = replace(SPACE, width=32, widths=(32, 32), columns=columns)
    whole = Architecture.from_text(text, space)
    costs, shares = Lanes((64, 48), file_mb), list[float]()
    budget = Budget(metric="ms", limit=0.7 * costs.estimate(whole, "ms"))
    ways = prune("mine", trained(whole), [budget], costs, batches(whole), shares.append)
    assert len(ways) == 2
    for cut, decision in ways:
        assert decision.architecture == cut.architecture
        assert (decision.budgets[0].measured or 1e9) <= budget.limit
    assert ways[1][0].architecture.space.widths[0] == 16
    assert ways[1][0].architecture.space.columns == columns
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert whole.space.widths == costs.learnt[0].space.widths
    assert len(set(costs.learnt)) > 5
    for relative in costs.learnt:
        assert relative.choices == whole.choices
        assert network_cost(relative, "params") <= network_cost(whole, "params")


def test_a_finest_scale_that_saves_nothing_is_no_way() -> None:
    whole = replace(NETWORK, space=replace(SPACE, width=16, widths=(16, 32, 32)))
    costs = Lanes((64, 48), file_mb)  # 8 channels take as long as 16
    budget = Budget(metric="ms", limit=0.8 * costs.estimate(whole, "ms"))
    assert len(prune("mine", trained(whole), [budget], costs, batches(whole), print)) == 1


def test_the_same_is_cut_again() -> None:
    budget = Budget(metric="params", limit=0.8 * network_cost(NETWORK, "params"))
    one, other = (cut_to(trained(NETWORK), budget)[0] for _ in range(2))
    assert one.architecture == other.architecture
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name


def test_a_network_is_cut_twice() -> None:
    params = network_cost(NETWORK, "params")
    once, _ = cut_to(trained(NETWORK), Budget(metric="params", limit=0.8 * params))
    twice, decision = cut_to(once, Budget(metric="params", limit=0.6 * params))
    assert (decision.budgets[0].measured or params) <= 0.6 * params
    widths = [net.architecture.space.widths for net in (once, twice)]
    assert all(narrow <= wide for wide, narrow in zip(*widths, strict=True))


def test_it_tells_how_far_it_is() -> None:
    shares: list[float] = []
    cut_to(
        trained(NETWORK),
        Budget(metric="params", limit=0.7 * network_cost(NETWORK, "params")),
        shares=shares,
    )
    assert shares[0] == 0
    assert shares[-1] == 1
    assert all(one < other for one, other in pairwise(shares))


@pytest.mark.parametrize("dead", ["channels", "a column"])
def test_what_does_nothing_goes_first(dead: str) -> None:
    network = trained(NETWORK)
    if dead == "channels":
        for group, width in groups_of(network).items():
            if group.scale == 1:  # 4 of 16
                silence(network, group, torch.arange(width)[1::4])
    else:
        with torch.no_grad():
            for norm in batch_norms(network.cells[1].get_submodule("1")):
                norm.weight.zero_()
                norm.bias.zero_()
    limit = 0.99 * network_cost(NETWORK, "params")
    cut, _ = cut_to(network, Budget(metric="params", limit=limit))
    (batch,) = batches(NETWORK, 1)
    with torch.inference_mode():
        torch.testing.assert_close(
            cut(batch.degraded), network(batch.degraded), rtol=1e-4, atol=1e-4
        )
    if dead == "channels":
        assert cut.architecture.space.widths == (8, 12, 16)
    else:
        assert cut.architecture.space.columns == (1, 1, 2)


def test_importance_orders_channels_by_what_the_loss_loses_with_them() -> None:
    """For scales of which each channel hardly matters, the first order is all."""
    network = trained(replace(NETWORK, space=replace(SPACE, residual=False)))
    group = Group(1)
    gains = torch.logspace(-6, -2.5, 16, dtype=torch.float64).float()
    order = torch.randperm(16, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        for layer in layers_of(network):
            if layer.writes == group:
                for name in ("weight", "bias"):
                    network.get_parameter(f"{layer.norm}.{name}")[order] *= gains
    data = batches(NETWORK, 1)
    importance = channel_importance(network, data)[group]
    (batch,) = data

    def loss(net: RestorationNet) -> float:
        with torch.inference_mode():
            return float(root_error_loss(net.double()(batch.degraded.double()), batch.clean))

    whole = loss(network)
    changes = []
    for channel in range(16):
        without = trained(network.architecture)
        without.load_state_dict({n: t.float() for n, t in network.state_dict().items()})
        silence(without, group, torch.tensor([channel]))
        changes.append(abs(loss(without) - whole))
    assert int(importance.argmin()) == min(range(16), key=lambda channel: changes[channel])
    torch.testing.assert_close(
        importance.sqrt()[order[:12]].double(),
        torch.tensor(changes)[order[:12]].double(),
        rtol=0.05,
        atol=1e-9,
    )


def test_importance_changes_no_network_and_keeps_no_gradient() -> None:
    network = trained(NETWORK)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    importance = channel_importance(network, batches(NETWORK))
    assert {group: len(values) for group, values in importance.items()} == groups_of(network)
    assert all(parameter.grad is None for parameter in network.parameters())
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_the_cheapest_channels_are_better_left_out_than_the_dearest() -> None:
    network, data = trained(NETWORK), batches(NETWORK)
    importance = channel_importance(network, data)
    left = {}
    for largest in (True, False):
        kept = {
            group: values.topk(12, largest=largest).indices.sort().values
            for group, values in importance.items()
            if group.scale == 1
        }
        left[largest] = errors(with_channels(network, kept), network, data)
    assert left[True] < left[False]
