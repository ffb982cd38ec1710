"""The problem of a shape: its signed distance function, from points of its surface and the normals there."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .._checks import check_count, check_finite, check_positive, check_same_place, check_single, check_tensor, shown
from ._data import Data, floating
from ._problem import Problem

_PAIRS = 1 << 24  # of points, whose distances are found together: 64 MB in float32


class ShapeProblem(Problem):
    """A shape as the zero set of a network, whose values are distances: negative inside, positive outside.

    The loss asks for the value zero and the gradient ``normals`` on the surface, everywhere for a gradient of length
    one, which is the eikonal equation of a distance, and in space for the distance d to the nearest of the points::

        weights[0] * mean(f**2) + weights[1] * mean(|grad f - normals|**2)
            + weights[2] * mean((|grad f| - 1)**2) + weights[3] * mean((f - d)**2)

    Without the last part a function that is folded, and falls again far from the shape, is as good a solution.
    Activations that die out, as the wavelet does, find it: on a circle their mean error is 0.37 without that part and
    0.09 with it, and ReLU's is 0.02 either way.

    Gradients are central differences of the network's values. So they are found by the fused step and in blocks, and
    for networks with kinks they are exact but where a kink lies within ``step``.

    Args:
        points: (points, 2) or (points, 3), of the surface, within [-1, 1]; floating point. They lie closer together
            than what is to be seen of it: the distance to the nearest one is taken for that to the surface.
        normals: the same shape, the directions that point outwards, of any length but zero.
        space: how many points of [-1, 1]^n the eikonal equation is asked at beside the surface. Default: as many as
            ``points``.
        step: of the differences; points lie ``step`` to both sides along each coordinate.
        weights: of the four parts of the loss; zero leaves one out.
        seed: of the points in space.

    Raises:
        TypeError: ``points`` or ``normals`` is not a tensor or array of float32 or float64, or a number is not one.
        ValueError: they have another shape, are not finite or reach beyond [-1, 1], a normal is zero, or a number is
            out of range.

    Example:
        >>> angle = torch.linspace(0, 6.2, 100)
        >>> circle = torch.stack([angle.sin(), angle.cos()], 1)
        >>> problem = ShapeProblem(circle / 2, circle)
        >>> round(problem.loss(problem.coordinates.norm(dim=1, keepdim=True) - 0.5).item(), 3)
        0.0

    Source: the loss of Gropp et al. (2020), with squares, and the last part. :func:`relunb.inr.render` makes a picture
    or a volume of a network, whose zero set is the surface. See :doc:`/book/together/smooth-wavelet`.
    """

    normals: Tensor
    distance: Tensor

    def __init__(
        self,
        points: Data,
        normals: Data,
        space: int | None = None,
        step: float = 0.005,
        weights: Sequence[float] = (100.0, 1.0, 1.0, 10.0),
        seed: int = 0,
    ) -> None:
        points, normals = floating("points", points, divide=False), floating("normals", normals, divide=False)
        if points.ndim != 2 or points.shape[1] not in (2, 3) or not len(points):
            raise ValueError(f"points must be (points, 2) or (points, 3); got {tuple(points.shape)}.")
        if normals.shape != points.shape:
            raise ValueError(f"normals must be {tuple(points.shape)} as the points are; got {tuple(normals.shape)}.")
        check_finite("points", points)
        check_finite("normals", normals)
        check_same_place(points=points, normals=normals)
        if (reach := float(points.abs().max())) > 1:
            raise ValueError(f"points reach {reach:.4g}, and a shape lies in [-1, 1]: shift and scale it.")
        lengths = normals.norm(dim=1, keepdim=True)
        if not (lengths > 0).all():
            raise ValueError(f"{int((lengths == 0).sum())} of the normals have no direction: their length is zero.")
        if not isinstance(weights, Sequence):
            raise TypeError(f"weights must be four numbers, one for each part of the loss; got {shown(weights)}.")
        parts = [check_single("a weight", weight) for weight in weights]
        if len(parts) != 4 or not all(0 <= part < math.inf for part in parts):
            raise ValueError(f"weights must be four numbers, none negative, one for each part; got {shown(weights)}.")
        points, normals = points.detach(), (normals / lengths).detach().to(points)
        space = len(points) if space is None else check_count("space", space)
        step = check_positive("step", step)
        generator = torch.Generator().manual_seed(check_count("seed", seed, least=0))
        dimensions = points.shape[1]
        around = torch.rand(space, dimensions, generator=generator, dtype=torch.float64).to(points) * 2 - 1
        centers = torch.cat([points, around])
        steps = step * torch.eye(dimensions, dtype=points.dtype, device=points.device)
        beside = [centers + sign * side for side in steps for sign in (1, -1)]
        super().__init__(torch.cat([points, *beside]))
        self.step, self.weights = step, tuple(parts)
        self._keep(normals=normals, distance=_distance(around, points, normals))

    @classmethod
    def from_mesh(cls, vertices: Data, faces: Any, points: int = 10_000, seed: int = 0, **more: Any) -> "ShapeProblem":
        """The problem of a closed surface of triangles: points drawn evenly from it, with the normals there.

        Args:
            vertices: (vertices, 3), within [-1, 1].
            faces: (faces, 3), integers: the vertices of a triangle, counterclockwise as seen from outside.
            points: how many are drawn.
            seed: of the points, on the surface and in space.
            more: other arguments of :class:`ShapeProblem`.

        Raises:
            TypeError: ``faces`` are no integers.
            ValueError: a shape is another one, a face has a vertex that is not there, or no face has an area.
        """
        vertices, count = floating("vertices", vertices, divide=False), check_count("points", points)
        triangles = check_tensor("faces", faces).to(vertices.device)
        if triangles.is_floating_point() and not hasattr(faces, "dtype"):
            triangles = triangles.long() if bool((triangles == triangles.round()).all()) else triangles
        if triangles.is_floating_point() or triangles.is_complex() or triangles.dtype == torch.bool:
            raise TypeError(f"faces must be integers, three vertices each; got {triangles.dtype}.")
        if vertices.ndim != 2 or vertices.shape[1] != 3 or triangles.ndim != 2 or triangles.shape[1] != 3:
            raise ValueError(
                "vertices must be (vertices, 3) and faces (faces, 3); got "
                f"{tuple(vertices.shape)} and {tuple(triangles.shape)}."
            )
        if not len(triangles) or int(triangles.min()) < 0 or int(triangles.max()) >= len(vertices):
            raise ValueError(f"faces must name the {len(vertices)} vertices, 0 to {len(vertices) - 1}.")
        corners = vertices[triangles.long()].double().cpu()
        sides = corners[:, 1:] - corners[:, :1]
        normals = torch.linalg.cross(sides[:, 0], sides[:, 1])
        areas = normals.norm(dim=1)
        if not bool(areas.sum() > 0):
            raise ValueError("no face has an area: the vertices of each lie on a line.")
        generator = torch.Generator().manual_seed(check_count("seed", seed, least=0))
        face = torch.multinomial(areas, count, replacement=True, generator=generator)
        part = torch.rand(count, 2, generator=generator, dtype=torch.float64)
        part = torch.where(part.sum(1, keepdim=True) > 1, 1 - part, part)  # the other half of a parallelogram
        drawn = corners[face, 0] + (part[:, :, None] * sides[face]).sum(1)
        return cls(drawn.to(vertices), normals[face].to(vertices), seed=seed, **more)

    def gradients(self, values: Tensor) -> Tensor:
        """Of a network's values at the problem's points: (points of the surface and in space, coordinates)."""
        dimensions = self.coordinates.shape[1]
        ahead, behind = values[len(self.normals) :].reshape(dimensions, 2, -1).unbind(1)
        return ((ahead - behind) / (2 * self.step)).T

    def loss(self, values: Tensor) -> Tensor:
        found, surface, dimensions = self.gradients(values), len(self.normals), self.coordinates.shape[1]
        # In the middle of what lies around a point, to the second order of the step.
        inside = values[surface:].reshape(2 * dimensions, -1)[:, surface:].mean(0)
        level, normal, eikonal, far = self.weights
        return (
            level * values[:surface].square().mean()
            + normal * (found[:surface] - self.normals).square().sum(1).mean()
            + eikonal * (found.norm(dim=1) - 1).square().mean()
            + far * (inside - self.distance).square().mean()
        )


def _distance(around: Tensor, points: Tensor, normals: Tensor) -> Tensor:
    """To the nearest of the points, negative where its normal points away, some at a time."""
    found = []
    for part in around.split(max(_PAIRS // len(points), 1)):
        length, nearest = torch.cdist(part, points).min(1)
        side = ((part - points[nearest]) * normals[nearest]).sum(1)
        found.append(torch.where(side < 0, -length, length))
    return torch.cat(found)
