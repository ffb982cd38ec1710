"""A network in a file: it comes back with every value, and a file of something else is refused."""

import copy

import pytest
import torch
from torch import nn

from relunb.inr import CoordinateNetwork, load, pixel_grid, save

KINDS = [
    {"activation": "bw_relu", "scale": 9.0},
    {"activation": "bw_relu", "learnable_scale": True, "skip": True},
    {"activation": "siren", "octaves": 3, "out_features": 3},
    *({"activation": "wire", "sigma": 4.0, "hidden_features": width} for width in (1, 2, 36, 37, 38, 39)),
    {"activation": "wire", "learnable_scale": True},
    {"activation": "gauss", "hidden_layers": 1},
    {"activation": "relu", "skip": True},
]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("settings", KINDS, ids=str)
def test_every_kind_comes_back(settings, dtype, tmp_path):
    network = CoordinateNetwork(2, **{"hidden_features": 12, **settings}).to(dtype)
    save(network, tmp_path / "it.pt")
    again = load(str(tmp_path / "it.pt"))
    assert str(again) == str(network) and again.is_as_made() and again.training
    points = pixel_grid(5, 6, dtype)
    assert torch.equal(again(points), network(points))
    assert [p.requires_grad for p in again.parameters()] == [True] * len(list(network.parameters()))


def test_scales_that_were_changed_and_frozen_parts(tmp_path):
    network = CoordinateNetwork(2, hidden_features=8)
    network.layers[3].scale = 5.5
    network.layers[0].weight.requires_grad_(False)
    save(network, tmp_path / "it.pt")
    assert not network.layers[0].weight.requires_grad  # it is left as it was
    again = load(tmp_path / "it.pt")
    assert [layer.scale for layer in again.layers[1::2]] == [3.0, 5.5, 3.0]


def test_a_network_with_other_parts_is_refused(tmp_path):
    network = CoordinateNetwork(2, hidden_features=8)
    other = copy.deepcopy(network)
    other.layers[1] = nn.Tanh()
    hooked = copy.deepcopy(network)
    hooked.register_forward_hook(lambda *_: None)
    for changed in (other, hooked):
        with pytest.raises(ValueError, match="state_dict"):
            save(changed, tmp_path / "it.pt")
    with pytest.raises(TypeError, match="CoordinateNetwork"):
        save(nn.Linear(2, 1), tmp_path / "it.pt")
    assert not list(tmp_path.iterdir())


def test_what_is_no_such_file_is_refused(tmp_path):
    network, file = CoordinateNetwork(2, hidden_features=8), tmp_path / "it.pt"
    save(network, file)
    whole = file.read_bytes()
    for spoiled in (whole[:-100], b"", b"PNG"):
        file.write_bytes(spoiled)
        with pytest.raises(ValueError, match="damaged"):
            load(file)
    torch.save(network.state_dict(), file)
    with pytest.raises(ValueError, match="damaged"):
        load(file)
    torch.save(network, file)  # a pickle with code, which is not run
    with pytest.raises(ValueError, match="damaged"):
        load(file)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none.pt")
    with pytest.raises(TypeError, match="file must be a path"):
        load(3)
    with pytest.raises(TypeError, match="file must be a path"):
        save(network, None)
    with pytest.raises(ValueError, match="the folder of the file, .*, does not exist: make it first"):
        save(network, tmp_path / "none" / "it.pt")
    with pytest.raises(IsADirectoryError, match="file must name a file"):
        save(network, tmp_path)
    with pytest.raises(ValueError, match="meta"):
        save(CoordinateNetwork(2, hidden_features=8).to("meta"), file)


def test_a_link_stays_a_link(tmp_path):
    save(CoordinateNetwork(2, hidden_features=8), tmp_path / "it.pt")
    (tmp_path / "link.pt").symlink_to(tmp_path / "it.pt")
    save(CoordinateNetwork(2, hidden_features=9), tmp_path / "link.pt")
    assert (tmp_path / "link.pt").is_symlink() and len(load(tmp_path / "it.pt").layers[0].bias) == 9


def test_a_file_that_cannot_be_written_leaves_the_one_before(tmp_path, monkeypatch):
    file = tmp_path / "it.pt"
    save(CoordinateNetwork(2, hidden_features=8), file)
    before = file.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        save(CoordinateNetwork(2, hidden_features=9), file)
    assert file.read_bytes() == before and list(tmp_path.iterdir()) == [file]
