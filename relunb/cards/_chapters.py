"""Where the book derives each line of a card."""

CHAPTERS = {
    "together/harmonics": "Harmonics of every activation",
    "together/shifted-activations": "Conditioning of shifted activations",
    "together/sums-of-relus": "Linear splines as sums of ReLUs",
    "wavelet/coverage": "Coverage of the domain",
    "wavelet/variation-norm": "The variation norm",
    "together/which-activation": "Choosing an activation",
}
