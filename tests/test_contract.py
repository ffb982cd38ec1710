"""What has no gradient keeps two promises of test_promises.py: of a first call, and of the device meta."""

import contextlib

import pytest
import torch

from relunb import inr, wavelet
from relunb._tables import forget_tables
from tests.promises import rows
from tests.test_promises import FIRST, REFUSALS

WITHOUT_GRADIENT = {
    "ssim": (lambda x: x * inr.ssim(x.detach(), x.detach().flip(0), data_range=2), (7, 8)),
    "conditioning": (lambda x: x * wavelet.conditioning(torch.relu, x.detach()).condition_number, (3, 4)),
}


@pytest.mark.parametrize("first", FIRST, ids=lambda f: f.__name__)
@pytest.mark.parametrize("name", WITHOUT_GRADIENT)
def test_what_a_first_call_leaves_behind_does_no_harm_to_the_next(name, first):
    f, shape = WITHOUT_GRADIENT[name]
    x = rows(shape)
    forget_tables()
    wanted = f(x)
    forget_tables()
    with contextlib.suppress(*REFUSALS):  # what cannot be done there is the business of other tests
        first(f, (x,))
    assert torch.equal(f(x), wanted)


@pytest.mark.parametrize("name", WITHOUT_GRADIENT)
def test_the_device_meta_gets_a_sentence_and_changes_nothing_beside_real_numbers(name):
    f, shape = WITHOUT_GRADIENT[name]
    x = rows(shape)
    wanted = f(x)
    with torch.device("meta"):
        assert torch.equal(f(x), wanted)
    with pytest.raises(ValueError, match="shape and no (numbers|values)"):
        f(x.to("meta"))
