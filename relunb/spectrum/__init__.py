"""The spectrum lens: what ReLU does to the lines of a signal."""

from ._amplitude_spectrum import amplitude_spectrum as amplitude_spectrum
from ._networks import FixedFilter as FixedFilter
from ._networks import averager as averager
from ._networks import differentiator as differentiator
from ._series import abs_series_coefficients as abs_series_coefficients
from ._series import relu_series as relu_series
from ._series import series_sup_error as series_sup_error
from ._series import series_tone_harmonics as series_tone_harmonics
from ._tone import tone_harmonics as tone_harmonics

__all__ = [
    "FixedFilter",
    "abs_series_coefficients",
    "amplitude_spectrum",
    "averager",
    "differentiator",
    "relu_series",
    "series_sup_error",
    "series_tone_harmonics",
    "tone_harmonics",
]
