"""Pictures from files and back: upright, and in [0, 1]."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .._checks import check_finite, check_known
from ._data import floating
from ._files import checked_path

_GRAY = ("1", "L", "LA", "La", "I;16", "I;16B", "I;16L", "I;16N", "I", "F")


def read_image(file: str | Path) -> Tensor:
    """A picture from a file, as :class:`relunb.inr.ImageProblem` takes it. Needs Pillow.

    A photograph is turned upright as its camera says. Bytes are divided by 255 and the 16 bits of a gray picture by
    65535; of a colored one Pillow keeps 8 bits. Transparency is left out.

    Args:
        file: in any format that Pillow reads.

    Returns:
        (height, width) for a gray picture, else (height, width, 3), float32 in [0, 1].

    Raises:
        ImportError: Pillow is not installed.
        OSError: the file is not there, or is no picture.
        TypeError: ``file`` is not a path.
        ValueError: its numbers have no largest possible value: floating-point numbers, or integers beyond 16 bits.

    Example:
        >>> import tempfile
        >>> file = tempfile.mkdtemp() + "/small.png"
        >>> write_image(file, torch.eye(2))
        >>> read_image(file).tolist()
        [[1.0, 0.0], [0.0, 1.0]]

    Used in :doc:`/book/inr/image-fitting`.
    """
    image = _pillow()
    with image.open(checked_path("file", file)) as opened:
        upright = _pillow("ImageOps").exif_transpose(opened)
        gray = upright.mode in _GRAY
        own = np.asarray(upright) if upright.mode == "I" else np.zeros(1)
        if upright.mode == "F" or own.min() < 0 or own.max() > 65535:
            raise ValueError(
                f"{file} has no largest possible value: read it as an array and divide it by one of your own."
            )
        if upright.mode.startswith("I"):
            pixels = np.asarray(upright).astype(np.float32) / np.float32(65535)
        else:
            pixels = np.asarray(upright.convert("L" if gray else "RGB")).astype(np.float32) / np.float32(255)
    return torch.from_numpy(np.ascontiguousarray(pixels))


def write_image(file: str | Path, image: Tensor | np.ndarray) -> None:
    """Write a picture to a file, 8 bits a channel; what lies outside [0, 1] is clipped. Needs Pillow.

    Args:
        file: its ending says the format: ``.png`` keeps every pixel.
        image: (height, width), (height, width, 1) or (height, width, 3), floating point, in [0, 1].

    Raises:
        ImportError: Pillow is not installed.
        OSError: the file cannot be written.
        TypeError: ``image`` is not a floating-point tensor or array, or ``file`` not a path.
        ValueError: it has another shape or is not finite, or no format has that ending.

    Example:
        >>> import tempfile
        >>> file = tempfile.mkdtemp() + "/clipped.png"
        >>> write_image(file, torch.tensor([[-0.5, 0.5], [1.0, 2.0]]))
        >>> [round(value, 2) for value in read_image(file).flatten().tolist()]
        [0.0, 0.5, 1.0, 1.0]

    Used in :doc:`/book/inr/image-fitting`.
    """
    pixels = floating("image", image, half=True).detach().float()
    check_known(image=pixels)
    pixels = pixels.cpu()
    if pixels.ndim == 3 and pixels.shape[-1] == 1:
        pixels = pixels.squeeze(-1)
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[-1] != 3) or not pixels.numel():
        raise ValueError(f"image must be (height, width) or (height, width, 3); got {tuple(pixels.shape)}.")
    check_finite("image", pixels)
    path, pillow = checked_path("file", file), _pillow()
    formats = pillow.registered_extensions()
    if path.suffix.lower() not in formats:
        raise ValueError(f"file must end as a picture does, with .png or .jpg for example; got {path.name!r}.")
    pillow.fromarray((pixels.clamp(0, 1) * 255).round().to(torch.uint8).numpy()).save(path)


def _pillow(part: str = "Image") -> Any:
    import importlib

    try:
        return importlib.import_module(f"PIL.{part}")
    except ModuleNotFoundError:
        raise ImportError("pictures in files need Pillow: pip install pillow.") from None
