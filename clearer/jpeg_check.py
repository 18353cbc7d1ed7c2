"""Whether JPEG data are whole: Pillow and the decoders of TIFF hide what libjpeg warns of."""

from __future__ import annotations

import importlib.util
from typing import Final

__all__ = ["check_jpeg"]

# How libjpeg's warnings of lost pixels begin (jerror.h). Others are of no harm to them.
_DAMAGE: Final = ("Corrupt JPEG data", "Premature end", "Inconsistent progression")


def check_jpeg(data: bytes, mode: str = "RGB") -> str | None:
    """Decode JPEG data strictly, and throw the pixels away.

    Args:
        data: One file; what follows its end does not matter.
        mode: Pillow's name for its colours.

    Returns:
        What else there is to say, if anything: that it could not be done, in a source tree without
        an installation, or what the decoder warns of.

    Raises:
        ValueError: If pixels are damaged or missing. Where nothing can be decoded at all, nothing
            is raised: the next decoder says so.
    """
    if importlib.util.find_spec("simplejpeg") is None:
        return "not checked for damage: simplejpeg is not installed"
    import simplejpeg

    colorspace = {"L": "GRAY", "CMYK": "CMYK"}.get(mode, "RGB")
    try:
        simplejpeg.decode_jpeg(data, colorspace=colorspace, strict=True)
    except ValueError as error:
        if str(error).startswith(_DAMAGE):
            raise
        return f"the decoder warns: {error}"
    return None
