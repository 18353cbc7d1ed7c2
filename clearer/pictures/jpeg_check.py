"""Whether JPEG data are intact: Pillow and TIFF decoders hide libjpeg's warnings."""

from __future__ import annotations

from typing import Final

from clearer.errors import ClearerError, require

__all__ = ["check_jpeg"]

# How libjpeg's warnings of lost pixels begin (jerror.h). Others do no harm to pixels.
_DAMAGE: Final = ("Corrupt JPEG data", "Premature end", "Inconsistent progression")


def check_jpeg(data: bytes, mode: str = "RGB") -> str | None:
    """Decode JPEG data strictly, and discard the pixels.

    Args:
        data: One file; bytes after its end are ignored.
        mode: Pillow's name for its colours.

    Returns:
        A note on any other warning of the decoder, or that the data were not checked.

    Raises:
        ValueError: If pixels are damaged or missing. Where nothing can be decoded at all, nothing
            is raised: the next decoder says so.
    """
    colorspace = {"L": "GRAY", "CMYK": "CMYK"}.get(mode, "RGB")
    try:
        simplejpeg = require("simplejpeg")
    except ClearerError:  # in a source tree that is not installed
        return "its data were not checked for damage: pip install simplejpeg"
    try:
        simplejpeg.decode_jpeg(data, colorspace=colorspace, strict=True)
    except ValueError as error:
        if str(error).startswith(_DAMAGE):
            raise
        return f"the decoder says: {error}"
    return None
