"""The spectrum lens: what ReLU does to the lines of a signal."""

from ._amplitude_spectrum import amplitude_spectrum as amplitude_spectrum
from ._classifiers import ToneClassifier as ToneClassifier
from ._classifiers import shortened_means as shortened_means
from ._commensurate import commensurate_dc as commensurate_dc
from ._heart_rate import HeartRateCNN as HeartRateCNN
from ._heart_rate import remove_motion as remove_motion
from ._intermodulation import intermodulation as intermodulation
from ._multitone import multitone_dc as multitone_dc
from ._networks import FixedFilter as FixedFilter
from ._networks import averager as averager
from ._networks import differentiator as differentiator
from ._one_filter import OneFilterNetwork as OneFilterNetwork
from ._one_filter import filtered_dc as filtered_dc
from ._one_filter import threshold_accuracy as threshold_accuracy
from ._repetitions import Histories as Histories
from ._repetitions import train_together as train_together
from ._series import abs_series_coefficients as abs_series_coefficients
from ._series import relu_series as relu_series
from ._series import series_sup_error as series_sup_error
from ._series import series_tone_harmonics as series_tone_harmonics
from ._tone import tone_harmonics as tone_harmonics
from ._tone_classes import ToneClasses as ToneClasses
from ._tone_classes import class_constant as class_constant
from ._tone_classes import tone_classes as tone_classes

__all__ = [
    "FixedFilter",
    "HeartRateCNN",
    "Histories",
    "OneFilterNetwork",
    "ToneClasses",
    "ToneClassifier",
    "abs_series_coefficients",
    "amplitude_spectrum",
    "averager",
    "class_constant",
    "commensurate_dc",
    "differentiator",
    "filtered_dc",
    "intermodulation",
    "multitone_dc",
    "relu_series",
    "remove_motion",
    "series_sup_error",
    "series_tone_harmonics",
    "shortened_means",
    "threshold_accuracy",
    "tone_classes",
    "tone_harmonics",
    "train_together",
]
