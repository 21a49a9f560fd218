"""Slice sheets: all slices of an image side by side in one WebP, small enough for a page.

A display copy with 8 bits and loss: for looking, never for measuring. A small script draws it on a
canvas, which asks no graphics card: viewers that need WebGL stay blank on many hospital desktops.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

COLUMNS = 8
QUALITIES = ((82, 240), (70, 240), (55, 200), (40, 160), (25, 120))
"""Of WebP (1 to 100), and the longest edge of a slice in pixels, from the best down."""
ORANGE = np.array([224, 122, 20], np.uint8)
BLUE = np.array([64, 132, 214], np.uint8)
"""Of values above and below 0; told apart by people who see no red or green."""

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Sheet:
    """Slices in one picture.

    Parameters
    ----------
    data : bytes
        WebP.
    width, height : int
        Of one slice, pixels.
    """

    data: bytes
    width: int
    height: int

    @property
    def url(self) -> str:
        """The picture as an address that holds it."""
        return "data:image/webp;base64," + b64encode(self.data).decode()


def grey(array: NDArray[np.float32], low: float, high: float) -> Bytes:
    """Values as grey levels, black at ``low`` and below, white at ``high`` and above.

    Examples
    --------
    >>> grey(np.array([-1.0, 0.0, 5.0, 10.0]), 0, 10).tolist()
    [0, 0, 128, 255]
    """
    share = (np.nan_to_num(array, nan=low) - low) / max(high - low, 1e-12)
    return np.asarray(np.clip(share * 255 + 0.5, 0, 255).astype(np.uint8))


def coloured(array: NDArray[np.float32], most: float) -> Bytes:
    """Signed values as colours with opacity: orange above 0, blue below, nothing at 0.

    Parameters
    ----------
    array : ndarray of shape (z, y, x)
        Values.
    most : float
        From where on the colour is full.

    Returns
    -------
    ndarray of shape (z, y, x, 4)
        Red, green, blue, opacity.
    """
    values = np.nan_to_num(array)
    share = np.clip(np.abs(values) / max(most, 1e-12), 0, 1)
    colour = np.where((values > 0)[..., None], ORANGE, BLUE)
    # The square root keeps what is weak in sight.
    return np.concatenate([colour, grey(np.sqrt(share), 0, 1)[..., None]], axis=-1)


def encode(slices: Sequence[Bytes], quality: int, most_pixels: int) -> Sheet:
    """Slices of one shape, (y, x) or (y, x, 4), as a sheet of eight columns.

    A slice whose longer edge has more pixels than allowed is made smaller.
    """
    images = [_small(Image.fromarray(one), most_pixels) for one in slices]
    width, height = images[0].size
    rows = -(-len(images) // COLUMNS)
    sheet = Image.new(images[0].mode, (width * min(COLUMNS, len(images)), height * rows))
    for number, image in enumerate(images):
        row, column = divmod(number, COLUMNS)
        sheet.paste(image, (column * width, row * height))
    return Sheet(_webp(sheet, quality), width, height)


def encode_within(
    stacks: Mapping[str, Sequence[Bytes]], most_bytes: int
) -> tuple[dict[str, Sheet], int]:
    """Sheets that stay below a size together, at the best quality that allows it.

    Parameters
    ----------
    stacks : mapping of str to sequence of ndarray
        Slices by name.
    most_bytes : int
        For all of them. The lowest quality is taken where none fits.

    Returns
    -------
    dict of str to Sheet, int
        The sheets, and their quality (1 to 100).
    """
    sheets: dict[str, Sheet] = {}
    for quality, most_pixels in QUALITIES:
        sheets = {name: encode(slices, quality, most_pixels) for name, slices in stacks.items()}
        if sum(len(sheet.data) for sheet in sheets.values()) <= most_bytes:
            break
    return sheets, quality


def mosaic(panels: Sequence[Bytes], edge: int = 180) -> str:
    """One picture of a few slices in a row, as an address that holds it.

    For readers without scripts. Each panel is (y, x) or (y, x, 3) and is made ``edge`` pixels wide.
    """
    row = Image.new("RGB", (edge * len(panels), edge))
    for number, panel in enumerate(panels):
        image = Image.fromarray(panel).convert("RGB")
        factor = edge / max(image.size)
        size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
        image = image.resize(size, Image.Resampling.BILINEAR)
        row.paste(image, (number * edge + (edge - size[0]) // 2, (edge - size[1]) // 2))
    return "data:image/webp;base64," + b64encode(_webp(row, QUALITIES[1][0])).decode()


def _small(image: Image.Image, most_pixels: int) -> Image.Image:
    factor = most_pixels / max(image.size)
    if factor >= 1:
        return image
    size = tuple(max(1, round(edge * factor)) for edge in image.size)
    return image.resize((size[0], size[1]), Image.Resampling.LANCZOS)


def _webp(image: Image.Image, quality: int) -> bytes:
    buffer = BytesIO()
    image.save(buffer, "WEBP", quality=quality, alpha_quality=quality, method=2)
    return buffer.getvalue()
