"""Find, train and ship an image restoration network that fits a budget."""

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from clearer.api import Restorer, load

__all__ = ["Restorer", "__version__", "load"]

__version__: Final = "0.1.0"


def __getattr__(name: str) -> Any:
    """What is for programs, loaded when it is first asked for: the commands start without it."""
    if name in ("Restorer", "load"):
        from clearer import api

        return getattr(api, name)
    raise AttributeError(f"module 'clearer' has no attribute {name!r}")
