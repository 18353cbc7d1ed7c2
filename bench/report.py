"""The report of a benchmark: one HTML file that loads nothing from the network."""

from __future__ import annotations

import base64
import hashlib
import json
import shlex
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from clearer.bench.report_architecture import draw_architecture
from clearer.bench.report_colours import operation_style
from clearer.bench.report_pictures import embed_strips
from clearer.bench.report_race import draw_race
from clearer.bench.report_record import BenchReport
from clearer.bench.report_rows import per_picture, table
from clearer.bench.report_scatter import predictions, scatter
from clearer.bench.report_series import (
    op_weight_tiles,
    search_charts,
    train_charts,
)
from clearer.bench.report_verdict import verdict
from clearer.costs.budget import Budget
from clearer.errors import InputError, require
from clearer.operations.registry import OPERATIONS
from clearer.runs.run import Run
from clearer.runs.run_records import BudgetRecord, ConfigRecord
from clearer.searching.race import read_race
from clearer.searching.standing import ranked
from clearer.support.files import read_jsonl, read_record, write_atomic

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["write_report"]

_ASSETS: Final = Path(__file__).with_name("report_assets")
_CHARTS: Final = "chart-4.6.1.umd.min.js"


def write_report(path: Path, report: BenchReport, run: Run | None) -> None:
    """Write the report beside the ``bench.json`` that it shows.

    Texts may come from untrusted files: all of them are escaped, and the page has a content
    security policy that allows only its own scripts, and loads nothing.

    Args:
        path: The HTML file; the paths of the strips are relative to its folder.
        report: Content of ``bench.json``.
        run: Gives architecture, logs and settings; what it lacks is left out.

    Raises:
        InputError: If a file of the run is damaged.
        ClearerError: If jinja2 is not installed.
        OSError: If the report cannot be written.
    """
    environment, safe = _environment(), require("markupsafe", extra="bench").Markup
    script, style = _asset("report.js"), _asset("report.css") + operation_style()
    charts = _asset(_CHARTS).rsplit("\n//# sourceMappingURL", 1)[0]
    html = environment.get_template("report.html.j2").render(
        report=report,
        verdict=verdict(report),
        table=table(report),
        pictures=per_picture(report["rows"]),
        strips=embed_strips(report["strips"], path.parent),
        data={"scatter": scatter(report), "predicted": predictions(report), **_charts(run)},
        run=_run_context(report, run),
        command=shlex.join(report["command"]),
        style=safe(style),
        scripts=[safe(charts), safe(script)],
        policy=_policy([charts, script], style),
    )
    write_atomic(path, html.encode())


def _charts(run: Run | None) -> dict[str, Any]:
    if run is None:
        return {"search": [], "train": []}
    return {
        "search": search_charts(read_jsonl(run.search_log), run.settings()),
        "train": train_charts(read_jsonl(run.train_log)),
    }


_OF_ARCHITECTURE: Final = ("architecture", "operations", "drawing", "race", "race_drawing", "tiles")


def _run_context(report: BenchReport, run: Run | None) -> dict[str, Any] | None:
    """What the template shows of the run itself."""
    if run is None:
        return None
    config = read_record(run.config, ConfigRecord)
    if not run.architecture.exists():
        return {"config": config, **dict.fromkeys(_OF_ARCHITECTURE)}
    architecture, about = run.read_architecture(), run.read_decision()
    try:
        op_weights = run.log_op_weights()
    except InputError:  # a race or a random architecture has no op weights
        op_weights = None
    rows = ranked(read_race(run))
    return {
        "config": config,
        "architecture": architecture,
        "params": about.get("params"),
        "macs_per_pixel": about.get("macs_per_pixel"),
        "budgets": [
            _budget(check, about.get("budget_precision")) for check in about.get("budgets", [])
        ],
        "operations": [OPERATIONS[name] for name in architecture.space.operations],
        "drawing": draw_architecture(architecture, op_weights, report["timed_shape"][2:]),
        "race": rows,
        "race_drawing": draw_race(rows),
        "tiles": op_weight_tiles(read_jsonl(run.search_log), run.settings(), architecture),
    }


def _budget(check: BudgetRecord, precision: str | None) -> str:
    """How the network meets a budget, in words."""
    budget = Budget(metric=check["metric"], limit=check["limit"])
    file = f" ({precision} file)" if precision and budget.is_of_file else ""
    text = f"Budget {budget.text(budget.limit)}{file}: predicted {budget.text(check['predicted'])}"
    if check["measured"] is None:
        return text
    return f"{text}, measured {budget.text(check['measured'])}"


@cache
def _environment() -> Environment:
    jinja2 = require("jinja2", extra="bench")
    environment: Environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_ASSETS),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["pretty"] = lambda value: json.dumps(value, indent=2)
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}
    return environment


@cache
def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")


def _policy(scripts: list[str], style: str) -> str:
    """Content security policy: these scripts and this style by their hashes, embedded pictures."""
    allowed = " ".join(f"'{_digest(script)}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {allowed}; style-src '{_digest(style)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
