"""Where the book derives each line of a card."""

CHAPTERS = {
    "together/tones": "Harmonics of every activation",
    "together/overlap": "Conditioning of shifted activations",
    "together/sums-of-kinks": "Linear splines as sums of ReLUs",
    "wavelet/coverage": "Coverage of the domain",
    "wavelet/variation-norm": "The variation norm",
    "together/which-activation": "Choosing an activation",
}
