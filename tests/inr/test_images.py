"""Pictures in files: upright, all their bits, and the same numbers back."""

import numpy as np
import pytest
import torch
from PIL import Image

from relunb.inr import ImageProblem, read_image, write_image

PIXELS = np.arange(24, dtype=np.uint8).reshape(4, 6) * 10


def test_gray_color_and_transparency(tmp_path):
    file = tmp_path / "it.png"
    Image.fromarray(PIXELS).save(file)
    assert torch.equal(read_image(file), torch.from_numpy(PIXELS) / 255)
    color = np.stack([PIXELS, PIXELS + 1, PIXELS + 2], -1)
    Image.fromarray(color).save(file)
    assert torch.equal(read_image(str(file)), torch.from_numpy(color) / 255)
    Image.fromarray(np.concatenate([color, color[..., :1]], -1)).save(file)
    assert torch.equal(read_image(file), torch.from_numpy(color) / 255)
    Image.fromarray(PIXELS).convert("LA").save(file)
    assert read_image(file).shape == (4, 6)
    Image.fromarray(color).convert("P", palette=Image.Palette.ADAPTIVE, colors=256).save(file)
    assert read_image(file).shape == (4, 6, 3)
    Image.fromarray(PIXELS > 100).save(file)
    assert torch.equal(read_image(file), torch.from_numpy((PIXELS > 100).astype(np.float32)))
    ImageProblem(read_image(file))


def test_sixteen_bits_stay(tmp_path):
    wide = np.arange(12, dtype=np.uint16).reshape(3, 4) * 5461 + 17
    for name in ("it.png", "it.tif"):
        Image.fromarray(wide).save(tmp_path / name)
        found = read_image(tmp_path / name)
        assert torch.equal((found * 65535).round(), torch.from_numpy(wide.astype(np.float32)))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_stands_upright(orientation, tmp_path):
    """A camera stores what its sensor sees, and a word that says how it was held."""
    upright = np.kron(np.array([[250, 10, 10], [10, 10, 120]], dtype=np.uint8), np.ones((16, 16), dtype=np.uint8))
    undone = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.T,
        6: lambda a: np.rot90(a, 1),
        7: lambda a: a[::-1, ::-1].T,
        8: lambda a: np.rot90(a, -1),
    }[orientation]
    image = Image.fromarray(np.ascontiguousarray(undone(upright)))
    exif = image.getexif()
    exif[274] = orientation
    image.save(tmp_path / "it.jpg", exif=exif, quality=95)
    found = read_image(tmp_path / "it.jpg")
    assert found.shape == upright.shape
    assert (found - torch.from_numpy(upright) / 255).abs().mean() < 0.01


def test_what_is_written_is_read(tmp_path):
    for shape in ((3, 5), (3, 5, 3)):
        image = torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0)) / 255
        write_image(tmp_path / "it.png", image)
        assert torch.equal(read_image(tmp_path / "it.png"), image)
    write_image(tmp_path / "it.png", image[..., :1].double().numpy())
    assert torch.equal(read_image(tmp_path / "it.png"), image[..., 0])


def test_mistakes_get_a_sentence(tmp_path, monkeypatch):
    file = tmp_path / "it.tif"
    Image.fromarray(np.array([[0.5, 7e9]], dtype=np.float32)).save(file)
    with pytest.raises(ValueError, match="no largest possible value"):
        read_image(file)
    for beyond in (70_000, -1):
        Image.fromarray(np.array([[5, beyond]], dtype=np.int32)).save(file)
        with pytest.raises(ValueError, match="no largest possible value"):
            read_image(file)
    with pytest.raises(FileNotFoundError):
        read_image(tmp_path / "none.png")
    with pytest.raises(TypeError, match="file must be a path"):
        read_image(torch.zeros(3, 3))
    with pytest.raises(ValueError, match=r"\(3, 4, 2\)"):
        write_image(file, torch.zeros(3, 4, 2))
    with pytest.raises(ValueError, match="finite"):
        write_image(file, torch.full((2, 2), torch.nan))
    with pytest.raises(TypeError, match="255"):
        write_image(file, torch.zeros(2, 2, dtype=torch.uint8))
    for name in ("it", "it.pt"):
        with pytest.raises(ValueError, match="file must end as a picture does"):
            write_image(tmp_path / name, torch.zeros(2, 2))
    with pytest.raises(ValueError, match="meta"):
        write_image(file, torch.zeros(2, 2, device="meta"))
    monkeypatch.setitem(__import__("sys").modules, "PIL.Image", None)
    with pytest.raises(ImportError, match="pip install pillow"):
        read_image(file)
