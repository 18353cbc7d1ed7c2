"""``clearer zoo``."""

from clearer.support.json_text import to_json
from clearer.terminal import live
from clearer.terminal.options import AsJson, Debug


def zoo(as_json: AsJson = False, debug: Debug = False) -> None:
    """List the networks that come with clearer, with their figures."""
    with live.status("loading"):
        from clearer.terminal import tables
        from clearer.zoo.catalogue import zoo_cards

    cards = zoo_cards()
    if as_json:
        print(to_json(cards))
    else:
        tables.print_zoo(cards)
