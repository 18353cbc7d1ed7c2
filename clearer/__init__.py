"""Find, train and ship an image restoration network that fits a budget.

Each function does what the command of that name does. ``export``, ``bench`` and ``zoo`` are
packages, so their functions are ``export_network``, ``benchmark`` and ``zoo_cards``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from clearer.api.benchmark import benchmark
    from clearer.api.export import export_network
    from clearer.api.limits import Limits
    from clearer.api.profile import profile
    from clearer.api.restore import restore
    from clearer.api.restorer import Restorer, load
    from clearer.api.search import search
    from clearer.api.search_request import SearchRequest
    from clearer.api.train import train
    from clearer.zoo.catalogue import zoo_cards

__all__ = [
    "Limits",
    "Restorer",
    "SearchRequest",
    "__version__",
    "benchmark",
    "export_network",
    "load",
    "profile",
    "restore",
    "search",
    "train",
    "zoo_cards",
]

__version__: Final = "0.1.0"

_PLACES: Final = {
    "Limits": "api.limits",
    "Restorer": "api.restorer",
    "SearchRequest": "api.search_request",
    "benchmark": "api.benchmark",
    "export_network": "api.export",
    "load": "api.restorer",
    "profile": "api.profile",
    "restore": "api.restore",
    "search": "api.search",
    "train": "api.train",
    "zoo_cards": "zoo.catalogue",
}


def __getattr__(name: str) -> Any:
    """Load the library's names on first use, so that the commands start without them."""
    if name not in _PLACES:
        raise AttributeError(f"module 'clearer' has no attribute {name!r}")
    return getattr(import_module(f"clearer.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES})
