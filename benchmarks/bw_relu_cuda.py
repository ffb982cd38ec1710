"""Claim: on a GPU, bw_relu reaches 80 % of a device copy's bandwidth, forward and backward.

Bytes counted: forward reads x and writes y (2 tensors); backward reads x and the gradient and writes one (3 tensors).
A copy reads one and writes one. The tensor is several times larger than the last cache.
"""

import torch

from benchmarks.measure import report, side_by_side
from relunb import bw_relu
from relunb.ops import _bw_relu

ELEMENTS = 1 << 28  # 1 GiB in float32


def main() -> None:
    if not torch.cuda.is_available():
        print("bw_relu_cuda: left out, this machine has no CUDA device.")
        return
    kernels = _bw_relu._triton_kernels()
    assert kernels is not None, "Triton must be installed: the claim is about the fused kernel"
    for dtype in (torch.float32, torch.bfloat16):
        x = torch.randn(ELEMENTS, device="cuda", dtype=dtype) * 2
        grad, out = torch.randn_like(x), torch.empty_like(x)
        scale = torch.ones((), device="cuda")
        size = x.numel() * x.element_size()
        rows = side_by_side(
            {
                "copy": lambda x=x, out=out: out.copy_(x),
                "bw_relu forward": lambda x=x: bw_relu(x),
                "bw_relu backward": lambda x=x, grad=grad, scale=scale: kernels.backward(x, grad, scale),
                "torch.relu forward": lambda x=x: torch.relu(x),
            },
            base="copy",
            runs=15,
            repeat=10,
        )
        moved = {"copy": 2, "bw_relu forward": 2, "bw_relu backward": 3, "torch.relu forward": 2}
        for name, row in rows.items():
            row["GB_per_s"] = moved[name] * size / row["median_ms"] / 1e6
            row["share_of_copy"] = row["GB_per_s"] / rows["copy"].get("GB_per_s", row["GB_per_s"])
        report(__file__, f"{ELEMENTS} elements, {dtype}", rows)


if __name__ == "__main__":
    main()
