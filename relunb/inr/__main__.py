"""A picture as a network, and back, from the command line::

    python -m relunb.inr fit photo.png                            makes photo.pt, and photo.fit.png to look at
    python -m relunb.inr render photo.pt --size 2048 --out big.png

Needs Pillow. Ctrl-C loses nothing: the same command goes on.
"""

import argparse
import sys
from pathlib import Path

import torch

from ._fit import fit
from ._images import read_image, write_image
from ._network import CoordinateNetwork
from ._presets import METHODS, preset
from ._problems import ImageProblem
from ._psnr import psnr
from ._render import render
from ._saved import load, save


def main(words: list[str] | None = None) -> int:
    options = _parser().parse_args(words)
    try:
        torch.zeros((), device=options.device)
    except (RuntimeError, AssertionError) as error:
        print(f"relunb.inr: --device {options.device} is not there: {str(error).splitlines()[0]}", file=sys.stderr)
        return 1
    try:
        return _fit(options) if options.command == "fit" else _render(options)
    except KeyboardInterrupt:
        left = options.command == "fit" and _run(options).exists()
        kept = f" {_run(options)} keeps the run: the same command goes on." if left else ""
        print(f"\nStopped.{kept}", file=sys.stderr)
        return 130
    except (OSError, ValueError, TypeError, ImportError, FloatingPointError) as error:
        print(f"relunb.inr {options.command}: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m relunb.inr", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("fit", help="train a network on a picture", description="Train a network on a picture.")
    one.add_argument("image", help="a picture in a file")
    one.add_argument("--activation", choices=METHODS, default="bw_relu", help="default: bw_relu")
    one.add_argument("--largest", type=int, default=256, help="shrink to so many pixels a side at most (default: 256)")
    one.add_argument("--steps", type=int, help="default: the paper's, 1000")
    one.add_argument("--lr", type=float, help="the first learning rate (default: the paper's)")
    one.add_argument("--scale", type=float, help="of the activation (default: the paper's)")
    one.add_argument("--width", type=int, help="neurons a layer (default: the paper's, 300)")
    one.add_argument("--layers", type=int, default=3, help="hidden layers (default: 3)")
    one.add_argument("--seed", type=int, default=0, help="of the first weights (default: 0)")
    one.add_argument("--device", default="cpu", help="cpu, cuda, ... (default: cpu)")
    one.add_argument("--out", help="where the network goes (default: beside the picture, with the ending .pt)")
    two = commands.add_parser("render", help="a network as a picture", description="A network as a picture.")
    two.add_argument("network", help="what fit made")
    two.add_argument("--size", default="512", help="pixels: HEIGHTxWIDTH, or one number for both (default: 512)")
    two.add_argument("--device", default="cpu", help="cpu, cuda, ... (default: cpu)")
    two.add_argument("--out", help="where the picture goes (default: beside the network, as photo-512x512.png)")
    return parser


def _out(options: argparse.Namespace) -> Path:
    return Path(options.out) if options.out else Path(options.image).with_suffix(".pt")


def _run(options: argparse.Namespace) -> Path:
    """Where a training run is kept until it is finished."""
    return _out(options).with_suffix(".run")


def _fit(options: argparse.Namespace) -> int:
    image, out, run = read_image(options.image), _out(options), _run(options)
    picture = out.with_suffix(".fit.png")
    if Path(options.image).resolve() in {path.resolve() for path in (out, run, picture)}:
        raise ValueError(f"--out {out} would write over the picture: give the network another name.")
    small = _shrunk(image, options.largest)
    settings = preset("image", options.activation)
    network, training = dict(settings.network), dict(settings.training)
    for name, value in (("scale", options.scale), ("hidden_features", options.width)):
        if value is not None:
            network[name] = value
    for name, value in (("lr", options.lr), ("steps", options.steps)):
        if value is not None:
            training[name] = value
    problem = ImageProblem(small).to(options.device)
    torch.manual_seed(options.seed)
    network |= {"out_features": problem.out_features, "hidden_layers": options.layers}
    trained = CoordinateNetwork(2, **network).to(options.device)
    sizes = " x ".join(map(str, small.shape[:2]))
    said = "" if small is image else f", shrunk from {' x '.join(map(str, image.shape[:2]))} (--largest)"
    weights = sum(p.numel() for p in trained.parameters())
    print(f"{options.image}: {sizes} pixels{said}; {options.activation}, {weights:,} weights")
    fit(trained, problem, checkpoint=run, **training)
    fitted = problem.estimate(trained)
    save(trained, out)
    run.unlink(missing_ok=True)
    write_image(picture, fitted)
    print(f"PSNR {psnr(fitted.cpu(), small).item():.2f} dB. Network: {out}. Picture: {picture}")
    return 0


def _render(options: argparse.Namespace) -> int:
    words = options.size.lower().split("x")
    if len(words) > 2 or not all(word.strip().isdigit() for word in words):
        raise ValueError(f"--size must be HEIGHTxWIDTH or a number, as 512x768; got {options.size!r}.")
    height, width = (int(word) for word in (words * 2)[:2])
    network = Path(options.network)
    out = Path(options.out) if options.out else network.with_name(f"{network.stem}-{height}x{width}.png")
    write_image(out, render(load(options.network, options.device), (height, width), progress=True))
    print(f"Picture: {out}")
    return 0


def _shrunk(image: torch.Tensor, largest: int) -> torch.Tensor:
    """The picture with no side above that: means over areas."""
    if largest < 2:
        raise ValueError(f"--largest must be at least 2; got {largest}.")
    height, width = image.shape[:2]
    if max(height, width) <= largest:
        return image
    sides = [max(2, round(side * largest / max(height, width))) for side in (height, width)]
    channels = image.reshape(height, width, -1).permute(2, 0, 1)[None]
    small = torch.nn.functional.interpolate(channels, sides, mode="area")[0].permute(1, 2, 0)
    return small.reshape(*sides, *image.shape[2:]).contiguous()


if __name__ == "__main__":
    sys.exit(main())
