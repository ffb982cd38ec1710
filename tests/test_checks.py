"""What every public function takes as numbers, and the sentences for the rest."""

import warnings
from fractions import Fraction

import numpy as np
import pytest
import torch

from relunb import iat, inr, ops, spectrum
from relunb._checks import check_count, check_positive, check_real, check_tensor


def arrays_of(values: np.ndarray):
    """The same numbers, in every layout that NumPy has."""
    yield "plain", values
    yield "reversed", values[::-1].copy()[::-1]
    yield "strided", np.repeat(values, 3)[::3]
    yield "big-endian", values.astype(values.dtype.newbyteorder(">"))
    frozen = values.copy()
    frozen.flags.writeable = False
    yield "read-only", frozen
    yield "broadcast", np.broadcast_to(values, (2, 2, len(values)))[0, 1]
    yield "column", np.asfortranarray(np.stack([values, values + 1], -1))[:, 0]


@pytest.mark.parametrize("dtype", ["float64", "float32", "int16", "uint8", "int64", "uint16", "bool"])
def test_arrays_of_every_layout_are_the_same_numbers(dtype):
    values = np.array([1, 0, 1, 1]).astype(dtype)
    for layout, array in arrays_of(values):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            taken = check_real("x", array)
        assert taken.dtype == (torch.float32 if dtype == "float32" else torch.float64), layout
        assert taken.tolist() == [1, 0, 1, 1], layout
        taken[0] = 7.0  # a copy: the user's numbers stay
        assert array[0] == 1


def test_a_list_that_holds_tensors_keeps_their_gradient():
    a, b = torch.tensor(2.0, requires_grad=True), torch.tensor([3.0, 4.0], requires_grad=True)
    taken = check_real("x", [a, 5.0, np.float32(1.5)])
    assert taken.dtype == torch.float64 and taken.tolist() == [2.0, 5.0, 1.5]
    nested = check_real("x", ([a, 1], b), like=torch.zeros(1))
    assert nested.dtype == torch.float32 and nested.tolist() == [[2.0, 1.0], [3.0, 4.0]]
    (taken.square().sum() + nested.square().sum()).backward()
    assert a.grad == 8.0 and b.grad.tolist() == [6.0, 8.0]


def test_numbers_of_any_kind():
    assert check_real("x", Fraction(1, 4)).item() == 0.25
    assert check_real("x", [1, Fraction(1, 4), 2**70]).tolist() == [1.0, 0.25, 2.0**70]
    assert check_real("x", range(3)).tolist() == [0.0, 1.0, 2.0]
    assert check_real("x", [np.array([1, 2]), np.array([3, 4])]).tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert check_real("x", np.float32(0.5)).dtype == torch.float32
    assert (
        check_positive("x", np.float32(0.5))
        == check_positive("x", torch.tensor(0.5))
        == check_positive("x", np.array(0.5))
        == 0.5
    )


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (10**400, ValueError, "x is 1000.*, too large for float64"),
        ([1, 10**400], ValueError, "too large for float64"),
        (10**5000, ValueError, "an integer of 16610 bits"),
        ([1.0, 10**5000], ValueError, "too large for float64: a list"),
        (1j, TypeError, "x must be real"),
        ([1.0, 1j], TypeError, "x must be real"),
        ([torch.tensor(1j), 1.0], TypeError, "x must be real"),
        (np.array([1j]), TypeError, "x must be real; got torch.complex128"),
        ([Fraction(1, 2), 1j], TypeError, "x must be real"),
        ("12", TypeError, "x must be a number, a list of numbers or a tensor; got '12'"),
        (["1", 2], TypeError, "x must be a number"),
        ([[1, 2], [3]], TypeError, "x must be a number"),
        (None, TypeError, "x must be a number"),
        ([1, None], TypeError, "x must be a number"),
        ({1: 2}, TypeError, "x must be a number"),
        (np.array(["2020-01-01"], dtype="datetime64"), TypeError, "x must be a number"),
        (np.zeros(2, dtype=[("a", float)]), TypeError, "x must be a number"),
        ([], ValueError, r"x is empty: its shape is \(0,\)"),
        (np.zeros((2, 0)), ValueError, r"x is empty: its shape is \(2, 0\)"),
        ([1.0, float("nan")], ValueError, r"x has 1 non-finite value; the first is at \(1,\)"),
        (np.ma.masked_array([1.0, 2.0], [False, True]), ValueError, "x has masked values"),
        (np.zeros(2, dtype="float16"), TypeError, r'got torch.float16. Use x.astype\("float32"\)'),
        (torch.zeros(2, dtype=torch.bfloat16), TypeError, r"got torch.bfloat16. Use x.float\(\)"),
        (np.zeros(2, dtype=np.longdouble), TypeError, r'Use x.astype\("float64"\)'),
        (torch.zeros(2).to_sparse(), TypeError, r"dense tensor; got torch.sparse_coo. Use x.to_dense\(\)"),
        ([torch.zeros(2), torch.zeros(3)], ValueError, r"do not stack: their shapes are \[\(2,\), \(3,\)\]"),
    ],
    ids=lambda value: "",  # pytest itself cannot write so large an integer
)
def test_what_is_no_real_number_gets_a_sentence(value, error, words):
    with pytest.raises(error, match=words):
        check_real("x", value)


def test_the_argument_to_blame_is_the_one_that_is_wrong():
    """1e300 is finite: it is the float32 beside it that cannot hold it."""
    with pytest.raises(ValueError, match="bias has 1e\\+300, which torch.float32 cannot hold.*Make that one float64"):
        check_real("bias", 1e300, like=torch.zeros(1))
    assert check_real("bias", 1e300, like=torch.zeros(1, dtype=torch.float64)).item() == 1e300
    with pytest.raises(ValueError, match="x is on the device cpu and the input beside it on meta"):
        check_real("x", torch.zeros(2), like=torch.zeros(2, device="meta"))


def test_counts_and_single_numbers():
    assert check_count("n", np.int8(3), most=3) == 3
    with pytest.raises(ValueError, match="n must be at most 1,000; got 1001"):
        check_count("n", 1001, most=1000)
    with pytest.raises(ValueError, match="n must be at most 10; got an integer of 16610 bits"):
        check_count("n", 10**5000, most=10)
    with pytest.raises(TypeError, match="n must be an integer; got 2.0"):
        check_count("n", 2.0)
    for bad in ([1, 2], "1", 1j, None, torch.ones(2)):
        with pytest.raises(TypeError, match="rate must be a number; got"):
            check_positive("rate", bad)
    for bad in (0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="rate must be positive and finite"):
            check_positive("rate", bad)
    with pytest.raises(ValueError, match="rate is 1000.*too large for float64"):
        check_positive("rate", 10**400)


def test_other_dtypes_pass_where_the_caller_gives_its_own_hint():
    assert check_tensor("x", np.zeros((2, 3), dtype=">i2")[:, ::-1]).dtype == torch.int16
    assert check_tensor("x", torch.zeros(2, dtype=torch.float16)).dtype == torch.float16
    with torch.device("meta"):
        assert check_tensor("x", [1.0, 2.0]).is_meta


# The name of an input that must be a floating-point tensor, and a function of it.
TENSORS = {
    "transform": ("x", lambda x: iat.transform(x, "pwl", "rect")),
    "activation_pattern": ("x", lambda x: iat.activation_pattern(x, "fourier")),
    "a basis": ("s", iat.PWL(3)),
    "ContinuousWidthNetwork": ("x", iat.ContinuousWidthNetwork(3, [4], 1)),
    "LinearSpline": ("x", ops.LinearSpline.named("hat")),
    "FixedFilter": ("x", spectrum.FixedFilter([1, -1])),
    "truncated_means": ("signals", lambda signals: spectrum.truncated_means(signals, 1)),
    "CoordinateNetwork": ("coordinates", inr.CoordinateNetwork(3, 1, 4, 1, "relu")),
    "psnr": ("estimate", lambda estimate: inr.psnr(estimate, torch.zeros(3))),
}


@pytest.mark.parametrize(("name", "function"), TENSORS.values(), ids=TENSORS)
def test_what_is_no_floating_point_tensor_gets_one_sentence(name, function):
    sentence = f"{name} must be a real floating-point tensor; got "
    for wrong, rest in (
        (torch.tensor([True, False, True]), f"torch.bool. Use {name}.float()."),
        (torch.tensor([1j, 0, 0]), "torch.complex64. Use its .real, or the magnitude."),
        (torch.ones(3, dtype=torch.int64), "torch.int64. "),
    ):
        with pytest.raises(TypeError) as told:
            function(wrong)
        assert str(told.value).startswith(sentence + rest)
    with pytest.raises(TypeError, match="must be a dense tensor"):
        function(torch.ones(3).to_sparse())
