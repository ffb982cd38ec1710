"""The CUDA kernel's arithmetic, run in Triton's interpreter. test_relu_cell_means starts this file in a new process."""

import pytest
import torch

from relunb.ops import _relu_cell_means_triton as kernels
from relunb.ops._relu_cell_means import relu_cell_means_plain
from tests.tolerance import DTYPES


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(1, 2), (1024,), (3, 42, 17)], ids=str)
def test_values_and_gradient(shape, dtype):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(shape, dtype=torch.float64, generator=generator).to(dtype).requires_grad_()
    expected = relu_cell_means_plain(x)
    weights = torch.randn(expected.shape, dtype=torch.float64, generator=generator).to(dtype)
    (expected_grad,) = torch.autograd.grad(expected, x, weights)
    with torch.no_grad():
        got = kernels._launch_forward(kernels._forward_kernel, x)
        grad = kernels._launch_backward(kernels._backward_kernel, x, weights)
    # The interpreter truncates to bfloat16 where a GPU rounds: one whole eps. The two cells of a node add and cancel: a
    # few roundings of numbers below 3 in the precision of the computation.
    eps, tiny = torch.finfo(dtype).eps, torch.finfo(dtype).tiny
    wide = torch.finfo(torch.float64 if dtype == torch.float64 else torch.float32).eps
    torch.testing.assert_close(got, expected, rtol=3 * eps, atol=eps * tiny)
    torch.testing.assert_close(grad, expected_grad, rtol=2 * eps, atol=10 * wide)


def test_zeros_extremes_and_the_rows_that_see_a_nan():
    nan = float("nan")
    x = torch.tensor([[0.0, 0.0, -2.0], [1e30, 1e30, -1e30], [1e-30, -1e-30, 3e38], [nan, 1.0, 1.0], [1.0, 1.0, nan]])
    ones = torch.ones(5, 2)
    got = kernels._launch_forward(kernels._forward_kernel, x)
    grad = kernels._launch_backward(kernels._backward_kernel, x, ones)
    torch.testing.assert_close(got, relu_cell_means_plain(x), equal_nan=True, rtol=1e-6, atol=0)
    assert grad[0].tolist() == [0.0, 0.0, 0.0]
    assert grad[3].isnan().tolist() == [True, True, False]
    assert grad[4].isnan().tolist() == [False, True, True]
