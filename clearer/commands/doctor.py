"""``clearer doctor``."""

from dataclasses import asdict

import typer

from clearer.support.json_text import to_json
from clearer.terminal import console, live
from clearer.terminal.options import AsJson, Debug


def doctor(as_json: AsJson = False, debug: Debug = False) -> None:
    """Show what this machine can do, and how to get what is missing.

    Exits with 1 if something that is installed does not work.
    """
    with live.status("loading"):
        from clearer.bench.doctor import examine
        from clearer.terminal import tables

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
