"""The CUDA kernel's arithmetic, run by Triton's interpreter. test_triton_kernel starts this file in its own process."""

import pytest
import torch

from relunb.ops import _bw_relu_triton as kernels
from relunb.ops import bw_relu_plain
from tests.tolerance import DTYPES, SLOPE, VALUE


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(1,), (1023,), (3, 42, 61)], ids=str)
def test_values_and_every_gradient(shape, dtype):
    generator = torch.Generator().manual_seed(0)
    x = (torch.randn(shape, dtype=torch.float64, generator=generator) * 2 + 1.5).to(dtype).requires_grad_()
    weights = torch.randn(shape, dtype=torch.float64, generator=generator).to(dtype)
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    scale = torch.tensor(1.3, dtype=wide, requires_grad=True)
    expected = bw_relu_plain(x, scale)
    expected_grad, expected_scale = torch.autograd.grad((expected * weights).to(wide).sum(), (x, scale))
    with torch.no_grad():
        got = kernels._launch_forward(kernels._forward_kernel, x, scale)
        grad, grad_scale = kernels._launch_backward(kernels._backward_kernel, x, weights, scale)
    assert ((got - expected).abs().double() <= VALUE[dtype]).all()
    # The interpreter truncates to bfloat16 where a GPU rounds: one whole eps of the result.
    torch.testing.assert_close(grad, expected_grad, rtol=torch.finfo(dtype).eps, atol=2e-6)
    size = (weights * x).abs().double().sum().item()
    assert abs(grad_scale.item() - expected_scale.item()) <= SLOPE[dtype] * max(1.0, size)


def test_zero_off_the_support_nan_inside_and_a_bad_scale():
    one = torch.tensor(1.0)
    x = torch.tensor([-1.0, -1e-30, 0.0, 3.0, 3.0000002, 1e30, float("inf"), float("-inf")])
    assert torch.count_nonzero(kernels._launch_forward(kernels._forward_kernel, x, one)) == 0
    nan = torch.tensor([float("nan")])
    assert kernels._launch_forward(kernels._forward_kernel, nan, one).isnan().all()
    assert kernels._launch_forward(kernels._forward_kernel, x, -one).isnan().all()
