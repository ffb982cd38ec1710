"""The spectrum lens: what ReLU does to the lines of a signal.

=========================================  =============================================================
Lines of ReLU, exactly
=========================================  =============================================================
``tone_harmonics``                         all lines of one tone with a bias; of a sampled one too
``multitone_dc``                           the DC of many tones of independent frequencies
``intermodulation``                        a line of many tones, at a combination of their frequencies
``commensurate_dc``                        the DC of tones with a common period, where phases matter
``amplitude_spectrum``                     the spectrum of samples, whose heights are amplitudes
=========================================  =============================================================

=========================================  =============================================================
Any activation
=========================================  =============================================================
``activation_harmonics``                   all lines of one tone
``activation_dc``                          the DC of many tones of independent frequencies
``activation_line``                        a line of many tones
=========================================  =============================================================

=========================================  =============================================================
The paper's power series
=========================================  =============================================================
``abs_series_coefficients``                the binomials of one half
``relu_series``                            ReLU by the series, cut
``series_sup_error``                       how wrong it is, at most
``series_tone_harmonics``                  the lines it gives a tone
=========================================  =============================================================

=========================================  =============================================================
Networks
=========================================  =============================================================
``FixedFilter``                            a filter whose taps never change
``difference_network``                     ReLU and differences, in turn
``moving_average_network``                 ReLU and moving averages, in turn
``filtered_dc``                            the DC after a filter and a ReLU
``OneFilterNetwork``                       that, as a layer with one trainable filter
``threshold_accuracy``                     what thresholds on one number can tell apart
``ToneClassifier``                         two convolutions and two dense layers
``truncated_means``                        all that a linear network of the kind sees
``tone_classes``                           tones of three frequencies, with labels
``ToneClasses``                            what it returns
``class_constant``                         the constant that the paper adds to each class
``train_ensemble``                         many repetitions of one training, at once
``Histories``                              what it returns
``HeartRateCNN``                           heart rate from a photoplethysmogram
``remove_motion``                          a linear filter of the acceleration, taken from it
=========================================  =============================================================
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._activation_lines import activation_dc as activation_dc
    from ._activation_lines import activation_harmonics as activation_harmonics
    from ._activation_lines import activation_line as activation_line
    from ._amplitude_spectrum import amplitude_spectrum as amplitude_spectrum
    from ._classifiers import ToneClassifier as ToneClassifier
    from ._classifiers import truncated_means as truncated_means
    from ._commensurate import commensurate_dc as commensurate_dc
    from ._heart_rate import HeartRateCNN as HeartRateCNN
    from ._heart_rate import remove_motion as remove_motion
    from ._intermodulation import intermodulation as intermodulation
    from ._multitone import multitone_dc as multitone_dc
    from ._networks import FixedFilter as FixedFilter
    from ._networks import difference_network as difference_network
    from ._networks import moving_average_network as moving_average_network
    from ._one_filter import OneFilterNetwork as OneFilterNetwork
    from ._one_filter import filtered_dc as filtered_dc
    from ._one_filter import threshold_accuracy as threshold_accuracy
    from ._repetitions import Histories as Histories
    from ._repetitions import train_ensemble as train_ensemble
    from ._series import abs_series_coefficients as abs_series_coefficients
    from ._series import relu_series as relu_series
    from ._series import series_sup_error as series_sup_error
    from ._series import series_tone_harmonics as series_tone_harmonics
    from ._tone import tone_harmonics as tone_harmonics
    from ._tone_classes import ToneClasses as ToneClasses
    from ._tone_classes import class_constant as class_constant
    from ._tone_classes import tone_classes as tone_classes
else:  # The rest of Python sees these names, and loads each when it is first used.
    from .._lazy import lazy

    __getattr__, __dir__, __all__ = lazy(__name__)
