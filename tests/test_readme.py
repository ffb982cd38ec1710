"""The README's picture is the one the code draws, and its lines of Python run."""

import re
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib import pyplot as plt

from relunb import plot
from tests.cells import shown

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "book" / "_static" / "three-lenses.png"
README = (ROOT / "README.md").read_text(encoding="utf8")


def test_the_picture_is_the_one_the_code_draws(tmp_path, pytestconfig):
    """`make golden` draws it again."""
    drawn = PICTURE if pytestconfig.getoption("golden_update") else tmp_path / "drawn.png"
    matplotlib.use("agg")
    with matplotlib.rc_context():
        plot.style()
        figure = shown("intro", "fig-three-lenses")
        figure.savefig(drawn, dpi=110, facecolor="white", metadata={"Software": None})
        plt.close(figure)
    stored, now = plt.imread(PICTURE), plt.imread(drawn)
    assert stored.shape == now.shape, "run make golden and look at the picture"
    assert np.sqrt(np.mean((stored - now) ** 2)) < 0.02, "run make golden and look at the picture"
    assert str(PICTURE.relative_to(ROOT)) in README


def test_the_lines_of_python_run_and_train():
    training, value, condition, picture, smooth = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    names: dict[str, object] = {}
    exec(training, names)
    assert all(p.grad is not None for p in names["net"].parameters())
    exec(value, names)
    printed = float(re.search(r"# ([\d.]+)", value)[1])
    assert abs(names["multitone_dc"]([1, 0.5]).item() - printed) < 1e-15
    exec(condition.replace("conditioning(net", "rate = conditioning(net"), names)
    assert 0 < names["rate"] < 1
    short = picture.replace("steps=300", "steps=3, progress=False")
    assert short != picture
    exec(short, names)
    assert names["history"].route == "fused" and len(names["history"].loss) == 4
    exec(smooth.replace("torch.func.hessian", "hessian = torch.func.hessian").replace(".shape", ""), names)
    assert names["hessian"].shape == (1, 2, 2)
    assert names["hessian"].abs().max() > 1e-6, "ReLU itself has none"


def test_the_two_commands_come_first():
    assert README.index("make book") < README.index("make test") < README.index("![") < README.index("```python")
