"""A small photograph, a mask, and a small network, for tests of training."""

import torch

from relunb.book.data import photograph
from relunb.inr import CoordinateNetwork

PHOTO = photograph("camera", window=(0, 64, 384), shrink=16)  # 24 x 24
POINTS = PHOTO.numel()
MASK = torch.arange(POINTS).reshape(24, 24) % 3 > 0


def network(activation="siren", seed=0, **options):
    torch.manual_seed(seed)
    return CoordinateNetwork(2, hidden_features=12, hidden_layers=2, activation=activation, **options)
