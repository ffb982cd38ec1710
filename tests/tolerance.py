"""How far a result may be from the truth, by dtype, and why."""

import torch

# A value of psi is computed in float64 or float32 with a few roundings at magnitude <= 23/6 and rounded once to its
# dtype: 4 eps(float64, float32) covers the first, half an eps (rounded up to 1) of the result the second.
VALUE = {torch.float64: 1e-15, torch.float32: 5e-7, torch.bfloat16: 4e-3, torch.float16: 5e-4}
# A derivative is |slope| <= 8/3 times the scale: the same roundings, three times as large.
SLOPE = {torch.float64: 4e-15, torch.float32: 2e-6, torch.bfloat16: 1.2e-2, torch.float16: 1.5e-3}

DTYPES = tuple(VALUE)
DEVICES = ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)
# A sum over points, taken whole or block by block: the two orders differ by roundings of the parts, which for sums of
# 576 terms of both signs are up to 30 eps of the largest gradient; in float32 psi's slopes add a factor of ten.
BLOCKS = {torch.float64: 1e-12, torch.float32: 2e-5}
# The DC and its gradient, two orders of the same sums: values differ by a few roundings, a gradient by those of terms
# that cancel, which are a hundred times larger where two tones differ by 1e-5 of their size.
DC_VALUE, DC_GRADIENT = 5e-15, 1e-12
# A root that two ways find: each knows it to the rounding of the state, some 1e-14 of its terms, over its slope there.
ROOT = 1e-12
