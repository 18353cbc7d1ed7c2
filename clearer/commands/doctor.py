"""``clearer doctor``."""

from __future__ import annotations

from dataclasses import asdict

import typer

from clearer import console, live, tables
from clearer.commands.options import AsJson, Debug
from clearer.json_text import to_json


def doctor(as_json: AsJson = False, debug: Debug = False) -> None:
    """Say what this machine can do: runtimes, devices, and what would bring the missing ones.

    Exits with 1 where something that is installed cannot work.
    """
    from clearer.bench.doctor import examine

    with live.status("looking at this machine"):
        findings = [asdict(finding) for finding in examine()]
    if as_json:
        print(to_json(findings))
    else:
        tables.print_findings(findings)
    broken = [finding["part"] for finding in findings if finding["state"] == "broken"]
    if broken:
        console.warn(f"broken: {', '.join(broken)}")
        raise typer.Exit(1)
