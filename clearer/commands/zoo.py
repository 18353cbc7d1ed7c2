"""``clearer zoo``."""

from __future__ import annotations

import json

from clearer import tables
from clearer.commands.options import AsJson, Debug


def zoo(as_json: AsJson = False, debug: Debug = False) -> None:
    """List the networks that come with clearer, with their figures."""
    from clearer.zoo import zoo_names, zoo_network

    cards = [zoo_network(name).card for name in zoo_names()]
    if as_json:
        print(json.dumps(cards, indent=2))
    else:
        tables.print_zoo(cards)
