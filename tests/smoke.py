"""Run by itself on an installed wheel, with nothing but its dependencies: it imports, computes, trains and is typed."""

import importlib.metadata
import importlib.resources

import torch

import relunb
from relunb import IAT, BWReLU, bw_relu
from relunb.book import studies
from relunb.book.data import photoplethysmogram
from relunb.inr import CoordinateNetwork, ImageProblem, fit
from relunb.spectrum import multitone_dc
from relunb.wavelet import KNOTS, VALUES, conditioning, relu_condition_number

assert relunb.__version__ == importlib.metadata.version("relunb")
assert importlib.resources.files("relunb").joinpath("py.typed").is_file()
knots = torch.tensor([float(k) for k in KNOTS])
assert torch.allclose(bw_relu(knots), torch.tensor([float(v) for v in VALUES]), atol=1e-6)
net = torch.nn.Sequential(torch.nn.Linear(1, 8), BWReLU(2.0, learnable=True), torch.nn.Linear(8, 1))
net(torch.rand(40_000, 1)).square().mean().backward()
assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
assert abs(multitone_dc([1, 0.5]).item() - 0.338536700090028602) < 1e-12
assert abs(relu_condition_number(64) - 67039034.476) < 1e-3
assert conditioning(net, torch.rand(100, 1)).rank >= 1
for layer in (IAT(6), IAT(6, 5, "pwl", "rect"), IAT(6, 4, method="midpoint", activation="tanh")):
    layer(torch.rand(9, 6, requires_grad=True)).sum().backward()
assert photoplethysmogram()[0].shape == (68_476,)
history = fit(CoordinateNetwork(2, hidden_features=8), ImageProblem(torch.rand(9, 9)), steps=5)
assert history.route == "fused" and history.loss[-1] < history.loss[0]
assert studies.load("imaging")["provenance"]["command"] and studies.pictures("imaging")
assert studies.load("features")["provenance"]["command"]
print(f"relunb {relunb.__version__} works with torch {torch.__version__} from {relunb.__file__}")
