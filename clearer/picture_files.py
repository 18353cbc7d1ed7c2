"""Reading pictures whole: all their bits, transparency, colour profile and EXIF data."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image
from PIL.PpmImagePlugin import PpmImageFile

from clearer import png_chunks
from clearer.errors import ClearerError, InputError, require
from clearer.images import open_image

__all__ = ["EXIF_PREFIX", "MAX_PIXELS", "Pixels", "StoredPicture", "read_picture"]

Pixels = NDArray[np.uint8] | NDArray[np.uint16]

MAX_PIXELS: Final = 2 * 89_478_485
"""Pillow's bound against files that are small and decode to more than memory holds."""

EXIF_PREFIX: Final = b"Exif\0\0"
"""What EXIF data begin with in JPEG and WebP."""
_ORIENTATION: Final = 0x0112
# What TIFF stores beside EXIF data in the same list: layout of pixels, XMP, IPTC, ICC profile. It
# would be wrong in another file.
_LAYOUT_TAGS: Final = frozenset(
    {*range(254, 267), 273, *range(277, 282), 284, 292, 293, 297, 301, *range(317, 348)}
    | {*range(512, 533), 700, 33723, 34377, 34675, 40965, _ORIENTATION}
)


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredPicture:
    """A picture as its file holds it, turned upright."""

    pixels: Pixels
    """``(H, W, 1)`` or ``(H, W, 3)``."""
    alpha: Pixels | None = None
    """``(H, W)``, of the same type."""
    icc: bytes | None = None
    exif: bytes | None = None
    """As a TIFF file without pixels; without an orientation, since the pixels are upright."""
    dpi: tuple[float, float] | None = None
    color_chunks: bytes = b""
    """Of a PNG file: what its colours mean, other than by a profile."""
    notes: tuple[str, ...] = ()
    """What could not be kept as it was."""

    @property
    def bits(self) -> int:
        """Per sample: 8 or 16."""
        return 8 * self.pixels.dtype.itemsize


def read_picture(path: Path) -> StoredPicture:
    """Read a picture with all that belongs to it.

    A palette becomes RGB, one bit becomes 8. The picture is turned as its EXIF data say.

    Raises:
        InputError: If the file cannot be decoded, has several pages, more than ``MAX_PIXELS``,
            floating-point or CMYK pixels, or anything else that would not come out as it went in.
    """
    try:
        with path.open("rb") as file:
            is_tiff = file.read(4) in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
        with warnings.catch_warnings():
            # Of damaged EXIF data and the like: notes say it where it matters.
            warnings.simplefilter("ignore")
            return (_deep_tiff(path) if is_tiff else None) or _read_by_pillow(path)
    except (ClearerError, MemoryError):
        raise
    except Exception as error:  # decoders raise many types for damaged files
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path} cannot be read as an image ({reason})") from error


def _read_by_pillow(path: Path) -> StoredPicture:
    with open_image(path, MAX_PIXELS) as file:
        notes: list[str] = []
        chunks = b""
        # Before the pixels are decoded: some decoders close the file then.
        exif, orientation = _read_exif(file.getexif, notes)
        if file.format == "PNG":
            data = path.read_bytes()
            is_deep = png_chunks.bit_depth(data) == 16
            chunks = png_chunks.color_chunks(data)
            pixels, alpha = _deep_png(path, file, data) if is_deep else _decode(path, file, notes)
        else:
            pixels, alpha = _decode(path, file, notes)
        icc, dpi = file.info.get("icc_profile"), file.info.get("dpi")
        return _upright(
            StoredPicture(
                pixels=pixels,
                alpha=alpha,
                icc=icc or None,
                exif=exif,
                dpi=(float(dpi[0]), float(dpi[1])) if dpi else None,
                color_chunks=chunks,
                notes=tuple(notes),
            ),
            orientation,
        )


def _decode(path: Path, file: Image.Image, notes: list[str]) -> tuple[Pixels, Pixels | None]:
    """Pixels and alpha of what Pillow decodes without loss."""
    mode = file.mode
    if mode == "CMYK":
        raise InputError(
            f"{path} is CMYK: convert it to RGB, with its colour profile, in a program for print"
        )
    if mode == "F":
        raise InputError(f"{path} has floating-point pixels: convert it to 8 or 16 bits")
    if isinstance(file, PpmImageFile) and mode == "RGB" and file.tile[0].codec_name == "ppm":
        raise InputError(f"{path} has not 8 bits: convert it to PNG or TIFF")
    if mode.startswith("I"):
        if file.format != "PPM" and not mode.startswith("I;16"):
            raise InputError(f"{path} has pixels of 32 bits: convert it to 8 or 16 bits")
        return np.asarray(file).astype(np.uint16)[..., None], None
    if mode not in ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "YCbCr"):
        raise InputError(f"{path} has pixels of mode {mode}: convert it to RGB")
    if file.format == "MPO" and getattr(file, "n_frames", 1) > 1:
        notes.append("previews inside the file were left out")
    if mode == "1":
        notes.append("1 bit became 8")
    if mode in ("P", "PA"):
        notes.append("the palette became RGB")
    is_gray = mode in ("1", "L", "LA")
    has_alpha = mode in ("LA", "PA", "RGBA") or "transparency" in file.info
    samples = np.asarray(file.convert(("L" if is_gray else "RGB") + ("A" if has_alpha else "")))
    return _split(samples, has_alpha)


def _split(samples: Any, has_alpha: bool) -> tuple[Pixels, Pixels | None]:
    """``(H, W)`` or ``(H, W, S)`` to pixels and alpha."""
    if samples.ndim == 2:
        samples = samples[..., None]
    if not has_alpha:
        return samples, None
    return np.ascontiguousarray(samples[..., :-1]), np.ascontiguousarray(samples[..., -1])


def _deep_png(path: Path, file: Image.Image, data: bytes) -> tuple[Pixels, Pixels | None]:
    """16 bits, of which Pillow would keep 8."""
    if "transparency" in file.info:
        raise InputError(f"{path} has a transparent colour and 16 bits: give it an alpha channel")
    samples: NDArray[np.uint16] = require("imagecodecs").png_decode(data)
    return _split(samples, samples.ndim == 3 and samples.shape[2] in (2, 4))


def _deep_tiff(path: Path) -> StoredPicture | None:
    """A TIFF file of 16 bits; None where 8 bits or fewer are better left to Pillow."""
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages.first
        if page.dtype in (np.dtype(np.uint8), np.dtype(bool)):
            return None
        if page.dtype != np.uint16:
            what = "floating-point pixels" if page.dtype and page.dtype.kind == "f" else "pixels"
            raise InputError(
                f"{path} has {what} of type {page.dtype}: convert it to 8 or 16 bits, unsigned"
            )
        if len(tiff.pages) > 1:
            raise InputError(f"{path} is animated, or has several pages: keep one picture")
        if page.imagewidth * page.imagelength > MAX_PIXELS:
            raise InputError(
                f"{path} has more than {MAX_PIXELS / 1e6:.0f} megapixels: cut it into pieces"
            )
        pixels, alpha = _tiff_samples(path, page)
        profile = page.tags.valueof(34675)
        has_dpi = 282 in page.tags and page.resolutionunit != tifffile.RESUNIT.NONE
        dpi = page.get_resolution(tifffile.RESUNIT.INCH) if has_dpi else None
    notes: list[str] = []
    with path.open("rb") as file:

        def load() -> Image.Exif:
            data = Image.Exif()
            data.load_from_fp(file)
            return data

        exif, orientation = _read_exif(load, notes)
    picture = StoredPicture(
        pixels=pixels,
        alpha=alpha,
        icc=None if profile is None else bytes(profile),
        exif=exif,
        dpi=dpi,
        notes=tuple(notes),
    )
    return _upright(picture, orientation)


def _tiff_samples(path: Path, page: tifffile.TiffPage) -> tuple[Pixels, Pixels | None]:
    """Pixels and alpha of a page of 16 bits."""
    names = {tifffile.PHOTOMETRIC.RGB: 3, tifffile.PHOTOMETRIC.MINISBLACK: 1}
    names[tifffile.PHOTOMETRIC.MINISWHITE] = 1
    colors = names.get(tifffile.PHOTOMETRIC(page.photometric))
    extra = page.samplesperpixel - (colors or 0)
    if colors is None or extra not in (0, 1) or page.imagedepth > 1:
        kind = tifffile.PHOTOMETRIC(page.photometric).name
        raise InputError(
            f"{path} has {page.samplesperpixel} samples a pixel, {kind}: convert it to RGB or gray"
        )
    if extra and page.extrasamples[0] == tifffile.EXTRASAMPLE.ASSOCALPHA:
        raise InputError(f"{path} has colours multiplied by alpha: save it with plain alpha")
    samples: NDArray[np.uint16] = page.asarray()
    if page.samplesperpixel > 1 and page.planarconfig == tifffile.PLANARCONFIG.SEPARATE:
        samples = np.moveaxis(samples, 0, -1)
    pixels, alpha = _split(samples, extra == 1)
    if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
        pixels = np.iinfo(np.uint16).max - pixels
    return pixels, alpha


def _read_exif(load: Callable[[], Image.Exif], notes: list[str]) -> tuple[bytes | None, int]:
    """EXIF data without what concerns the layout of pixels, and the orientation."""
    orientation = 1
    try:
        exif = load()
        orientation = exif.get(_ORIENTATION, 1)
        for tag in _LAYOUT_TAGS & set(exif):
            del exif[tag]
        data = exif.tobytes()[len(EXIF_PREFIX) :] if len(exif) else None
    except Exception:  # damaged data raise many types, and are no reason to leave a picture out
        notes.append("damaged EXIF data were left out")
        data = None
    return data, orientation if orientation in _UPRIGHT else 1


_UPRIGHT: Final[dict[int, Callable[[Any], Any]]] = {
    1: lambda pixels: pixels,
    2: np.fliplr,
    3: lambda pixels: np.rot90(pixels, 2),
    4: np.flipud,
    5: lambda pixels: np.swapaxes(pixels, 0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: np.swapaxes(np.rot90(pixels, 2), 0, 1),
    8: np.rot90,
}
"""EXIF's orientations: what turns stored pixels into those to be seen."""


def _upright(picture: StoredPicture, orientation: int) -> StoredPicture:
    """The picture turned; what is kept of it is written so that nothing need turn it again."""
    turn = _UPRIGHT[orientation]
    dpi = picture.dpi[::-1] if picture.dpi and orientation >= 5 else picture.dpi
    return replace(
        picture,
        pixels=np.ascontiguousarray(turn(picture.pixels)),
        alpha=None if picture.alpha is None else np.ascontiguousarray(turn(picture.alpha)),
        dpi=dpi,
    )
