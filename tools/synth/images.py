"""A CT-like image of a head with one round lesion of a given diameter and side, and the lesion of an image.

The head is the phantom of Shepp and Logan. The lesion is drawn into it, the image is projected along 120 directions,
noise is added, and it is reconstructed by filtered back projection: so edges are blurred and noise runs in streaks, as
in computed tomography. The patient's left is on the right of the image, as radiologists look at it. The mark is inside
(a tEXt chunk of the PNG) and on it.

The lesion is what is bright inside the skull; its diameter is that of a circle of equal area. It is read from images of
this kind alone. It is for programs and lessons: no diagnosis can be read from it, and no other organ, density or shape
is made.

Sources: Shepp and Logan, IEEE Trans Nucl Sci 1974;21:21-43, https://doi.org/10.1109/TNS.1974.6499235; phantom,
projection, reconstruction and regions: scikit-image, van der Walt et al., PeerJ 2014;2:e453,
https://doi.org/10.7717/peerj.453
"""

from __future__ import annotations

import base64
import importlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from counterproof.provenance.errors import UsageError
from counterproof.tools.synth.documents import Image, Shown, Value
from counterproof.tools.twin import MARK

Side = Literal["left", "right"]
DIAMETERS_MM = (8.0, 40.0)
"""Smallest and largest lesion: a smaller one is lost in the noise, a larger one does not fit."""
TOLERANCE_MM = 1.5
"""As far off may a measured diameter be; 1.0 mm is the most that was seen of 300 images, each with its side right."""
_PIXELS = 200
_MM = 1.0
_ANGLES = 120
_NOISE = 0.006
_BRIGHT = 0.9
_BRIGHTER = 0.5
_CENTRE_MM = (35.0, 12.0)
"""Of a lesion: so far beside the midline, and at most so far above or below the middle."""
_INSIDE_MM = (62.0, 82.0)
"""Half axes of what lies inside the skull."""
_STAMP = "SYNTHETIC"
_STAMPED = (4, _PIXELS - 14, 84, _PIXELS)
"""Where the mark is, with room to spare: left, top, right, bottom."""
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Lesion:
    """What an image shows.

    Attributes:
        diameter_mm: of a circle of equal area.
        side: of the patient.
    """

    diameter_mm: float
    side: Side


def head_image(diameter_mm: float, side: str, *, seed: int, noise: bool = True) -> Image:
    """Return an image with a lesion.

    Args:
        diameter_mm: 8 to 40.
        side: of the patient, `left` or `right`.
        seed: of place and noise.
        noise: whether it is projected, made noisy and reconstructed; else it is as it was drawn.

    Raises:
        UsageError: diameter or side can't be drawn, or scikit-image is not installed.
    """
    low, high = DIAMETERS_MM
    if not low <= diameter_mm <= high or side.lower() not in ("left", "right"):
        raise UsageError(
            f"A lesion of {diameter_mm:g} mm on the side {side!r} can't be drawn.",
            allowed=f"{low:g} to {high:g} mm, left or right.",
            advice="Give the columns other values, or leave `image` out of the specification.",
        )
    random = np.random.default_rng(seed)
    away, up = _CENTRE_MM
    x, y = away * (1 if side.lower() == "left" else -1), random.uniform(-up, up)
    columns, rows = _grid()
    picture: Floats = _skimage("transform").resize(
        _skimage("data").shepp_logan_phantom(), (_PIXELS, _PIXELS), anti_aliasing=True
    )
    picture[(columns - x) ** 2 + (rows - y) ** 2 <= (diameter_mm / 2) ** 2] = _BRIGHT
    return _png(_scanned(picture, random) if noise else picture)


def image_of(attributes: Mapping[str, Value], names: Shown | None, *, seed: int, noise: bool = True) -> Image | None:
    """Return the image of a patient; None where none is asked for, or the patient lacks a value for it.

    Raises:
        UsageError: as for `head_image`.
    """
    if names is None or not {names.diameter, names.side} <= set(attributes):
        return None
    try:
        diameter = float(attributes[names.diameter])
    except ValueError as error:
        raise UsageError(
            f"{names.diameter} is {attributes[names.diameter]!r}, and an image shows a diameter in millimetres.",
            allowed=f"{DIAMETERS_MM[0]:g} to {DIAMETERS_MM[1]:g}.",
        ) from error
    return head_image(diameter, str(attributes[names.side]), seed=seed, noise=noise)


def lesion_of(image: Image) -> Lesion | None:
    """Return the lesion that an image shows; None where it shows none.

    Raises:
        UsageError: the image can't be read, or scikit-image is not installed.
    """
    columns, rows = _grid()
    across, down = _INSIDE_MM
    smooth = _skimage("filters").gaussian(_pixels(image), sigma=1.0)
    bright = (smooth > _BRIGHTER) & ((columns / across) ** 2 + (rows / down) ** 2 < 1)
    measure = _skimage("measure")
    regions = measure.regionprops(measure.label(bright))
    if not regions:
        return None
    largest = max(regions, key=lambda region: region.area)
    middle = float(largest.centroid[1]) - (_PIXELS - 1) / 2
    return Lesion(
        diameter_mm=float(largest.equivalent_diameter_area) * image.mm_per_pixel, side="left" if middle > 0 else "right"
    )


def is_marked(image: Image) -> bool:
    """Say whether an image carries the mark inside."""
    return bool(_opened(image).text.get(MARK) == "1")


def without_mark(image: Image) -> Image:
    """Return an image in which nothing says whether it is synthetic: the place of the mark is black in any image.

    Raises:
        UsageError: the image can't be read, or scikit-image is not installed.
    """
    opened = _opened(image)
    opened.paste(0, _STAMPED)
    bare = _pillow().fromarray(np.asarray(opened))
    return image.model_copy(update={"png": _written(bare)})


def _scanned(picture: Floats, random: np.random.Generator) -> Floats:
    transform = _skimage("transform")
    angles = np.linspace(0, 180, _ANGLES, endpoint=False)
    seen = transform.radon(picture, theta=angles)
    seen = seen + random.normal(0, _NOISE * float(seen.max()), seen.shape)
    return cast(Floats, transform.iradon(seen, theta=angles, filter_name="hann"))


def _grid() -> tuple[Floats, Floats]:
    """Return how far right of and below the middle each pixel is, in millimetres."""
    places = (np.arange(_PIXELS) - (_PIXELS - 1) / 2) * _MM
    columns, rows = np.meshgrid(places, places)
    return columns, rows


def _png(picture: Floats) -> Image:
    from PIL import ImageDraw, PngImagePlugin  # extra: images

    drawn = _pillow().fromarray((np.clip(picture, 0, 1) * 255).round().astype(np.uint8))
    ImageDraw.Draw(drawn).text(_STAMPED[:2], _STAMP, fill=255)
    inside = PngImagePlugin.PngInfo()
    inside.add_text(MARK, "1")
    return Image(png=_written(drawn, pnginfo=inside), mm_per_pixel=_MM)


def _written(drawn: Any, **inside: Any) -> str:
    file = io.BytesIO()
    drawn.save(file, format="PNG", **inside)
    return base64.b64encode(file.getvalue()).decode()


def _pillow() -> Any:
    from PIL import Image as pillow  # extra: images

    return pillow


def _opened(image: Image) -> Any:
    _skimage("measure")  # Pillow comes with it; without, the error names the extra
    try:
        opened = _pillow().open(io.BytesIO(base64.b64decode(image.png, validate=True)), formats=["PNG"])
        if opened.size != (_PIXELS, _PIXELS) or opened.mode != "L":
            raise ValueError(f"it is {opened.size[0]} x {opened.size[1]}, mode {opened.mode}")
        opened.load()
    except (ValueError, OSError) as error:
        raise UsageError(
            f"An image can't be read: {error}.", allowed=f"PNG as base64, {_PIXELS} x {_PIXELS}, grey of 8 bits."
        ) from error
    return opened


def _pixels(image: Image) -> Floats:
    return np.asarray(_opened(image), dtype=np.float64) / 255


def _skimage(part: str) -> Any:
    try:
        return importlib.import_module(f"skimage.{part}")  # extra: images
    except ImportError as error:
        raise UsageError(
            "The specification asks for images, and scikit-image is not installed.",
            advice="Install it: `pip install 'counterproof[images]'`. Or leave `image` out.",
        ) from error
