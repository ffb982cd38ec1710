"""The Radon transform and its gradient beside rotating the image with kornia, angle by angle or all angles at once.

Premise, asserted: all three compute the same sinogram.

Floor: a sparse product reads each number of the matrix once, 8 bytes for a weight and its place, about 1.95 of them for
a pixel and an angle: 98 MiB for 256 x 256 and 100 angles, and as much for the adjoint. Rotating touches four neighbours
of every pixel and angle, and writes the rotated images.
"""

import time

import torch
from kornia.geometry.transform import rotate
from torch import Tensor

from relunb.inr import Radon

from .measure import report, side_by_side

ANGLES = torch.arange(100) * 1.8


def one_by_one(image: Tensor) -> Tensor:
    center = torch.full((1, 2), float(image.shape[-1] // 2))
    return torch.stack([rotate(image[None, None], -a[None], center)[0, 0].sum(0) for a in ANGLES], -1)


def at_once(image: Tensor) -> Tensor:
    size = image.shape[-1]
    center = torch.full((len(ANGLES), 2), float(size // 2))
    return rotate(image.expand(len(ANGLES), 1, size, size), -ANGLES, center)[:, 0].sum(1).mT


def main() -> None:
    for size in (128, 256):
        start = time.perf_counter()
        radon = Radon(size, ANGLES, circle=True)
        setup = (time.perf_counter() - start) * 1e3
        image = torch.rand(size, size, generator=torch.Generator().manual_seed(0))
        transforms = {"Radon": radon, "kornia, angle by angle": one_by_one, "kornia, all angles": at_once}
        for name, transform in transforms.items():
            assert (transform(image) - radon(image)).abs().max() < 1e-4 * size, name
        leaf = image.clone().requires_grad_()
        what = f"{size} x {size}, {len(ANGLES)} angles, float32"
        forward = {name: lambda f=f, x=image: f(x) for name, f in transforms.items()}
        rows = side_by_side(forward, base="Radon", runs=9)
        rows["Radon"]["once_ms"] = setup
        report(__file__, f"transform, {what}", rows)
        both = {name: lambda f=f, x=leaf: torch.autograd.grad(f(x).sum(), x) for name, f in transforms.items()}
        report(__file__, f"transform and gradient, {what}", side_by_side(both, base="Radon", runs=9))


if __name__ == "__main__":
    main()
