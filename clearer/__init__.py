"""Find, train and ship an image restoration network that fits a budget."""

from typing import Final

__all__ = ["__version__"]

__version__: Final = "0.1.0"
