"""The CUDA kernel's arithmetic, run by Triton's interpreter. test_midpoint starts this file in its own process."""

import pytest
import torch

from relunb.ops import _midpoint_triton as kernels
from relunb.ops._midpoint import midpoint_plain, midpoint_tables
from tests.ops.midpoint_bases import fourier, hats, rect

# rows, d, n, M: tiles that are full, ragged in every direction, and of either width; more than one block of rows.
SIZES = [(16, 16, 16, 32), (1, 1, 1, 1), (19, 5, 7, 41), (5, 33, 17, 100), (3, 150, 160, 300)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_values_and_gradients(sizes, dtype):
    rows, d, n, nodes = sizes
    p = fourier(d, nodes) if d < nodes - 1 else torch.ones(d, nodes, dtype=torch.float64)
    q = (hats(n, nodes) if n > 1 else rect(n, nodes)).float()
    tables = midpoint_tables(p.float(), q, fourier=False)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(rows, d, generator=generator).to(dtype).requires_grad_()
    weights = torch.randn(rows, n, generator=generator).to(dtype)
    expected = midpoint_plain(x, tables, torch.relu)
    (expected_grad,) = torch.autograd.grad(expected, x, weights)
    with torch.no_grad():
        got = kernels._launch_forward(kernels._forward_kernel, x, tables.p, tables.q)
        grad = kernels._launch_backward(kernels._backward_kernel, x, weights, tables.p, tables.q)
    assert (got.shape, got.dtype, grad.shape, grad.dtype) == (expected.shape, dtype, x.shape, dtype)
    # The interpreter truncates to bfloat16 where a GPU rounds: one whole eps of the result. float32 sums of up to
    # 300 terms in another order: 30 eps of the largest.
    for result, truth in ((got, expected), (grad, expected_grad)):
        atol = 4e-6 * truth.detach().abs().max().item()
        torch.testing.assert_close(result, truth, rtol=torch.finfo(dtype).eps, atol=atol)


@pytest.mark.filterwarnings("ignore:invalid value encountered in matmul:RuntimeWarning")  # numpy's word on inf * 0
def test_nan_infinity_and_zero():
    tables = midpoint_tables(torch.ones(2, 41), rect(3, 41).float(), fourier=False)
    x = torch.tensor([[float("nan"), 1.0], [float("inf"), 1.0], [0.0, 0.0], [-1.0, 0.5]])
    got = kernels._launch_forward(kernels._forward_kernel, x, tables.p, torch.full_like(tables.q, 1 / 41))
    assert got[0].isnan().all()
    assert (got[1] == float("inf")).all()
    assert torch.count_nonzero(got[2:]) == 0
    grad = kernels._launch_backward(kernels._backward_kernel, x, torch.ones(4, 3), tables.p, tables.q)
    assert torch.count_nonzero(grad[2:]) == 0  # the derivative of ReLU at 0 is 0
