"""Stored results: made by the code as it stands, and made again where that is quick."""

import pytest
import torch

from relunb import results
from relunb.results.features import VARIANTS, experiment


@pytest.mark.parametrize("name", results.SOURCES)
def test_the_code_that_made_a_result_has_not_changed_since(name):
    provenance = results.load(name)["provenance"]
    assert provenance["fingerprint"] == results.fingerprint(name), (
        f"the code behind {name}.json has changed. Make it again: {provenance['command']}"
    )
    assert {"command", "date", "device", "seconds", "torch", "python", "seeds"} <= set(provenance)


def test_a_fingerprint_sees_what_computes_and_nothing_else(tmp_path, monkeypatch):
    (tmp_path / "results").mkdir()
    source = tmp_path / "code.py"
    monkeypatch.setattr(results, "HERE", tmp_path / "results")
    monkeypatch.setitem(results.SOURCES, "probe", ("code.py",))

    def of(text):
        source.write_text(text)
        return results.fingerprint("probe")

    first = of('def f(x):\n    """Doc."""\n    if x < 0:\n        raise ValueError("no")\n    return 2 * x\n')
    assert first == of(
        'def f(x):  # why\n    """Other."""\n\n    if x < 0:\n        raise TypeError("n")\n    return 2*x\n'
    )
    assert first != of('def f(x):\n    """Doc."""\n    if x < 0:\n        raise ValueError("no")\n    return 3 * x\n')
    assert first != of('def f(x):\n    """Doc."""\n    return 2 * x\n')
    assert of("from ._a import f\n") == of("from .._a import f\n") != of("from ._b import f\n")
    assert of("from ._a import f\n") != of("from _a import f\n"), "a package that is not ours"


def test_an_unknown_result_is_refused():
    with pytest.raises(ValueError, match="'features'; got 'feature'"):
        results.load("feature")


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_first_epochs_come_out_again(variant):
    epochs = 1 if variant == "relu" else 5
    stored = results.load("features")
    row, kept = stored["variants"][variant], stored["kept_epochs"]
    again = experiment(variant, range(7, 8), epochs=epochs)
    column = kept.index(epochs)
    assert again.loss[0, epochs - 1].item() == pytest.approx(row["loss"]["repetitions"][7][column], rel=2e-3)
    for name, distance in again.distances.items():
        assert distance[0, epochs - 1].item() == pytest.approx(row[name]["repetitions"][7][column], rel=2e-3)


def test_every_repetition_is_there_and_finite():
    stored = results.load("features")
    count, epochs = stored["provenance"]["repetitions"], stored["provenance"]["epochs"]
    assert set(stored["variants"]) == set(VARIANTS)
    for row in stored["variants"].values():
        assert len(row["epoch_reached"]) == count
        for quantity in ("loss", "accuracy", "first", "second"):
            assert len(row[quantity]["mean"]) == epochs
            numbers = torch.tensor(row[quantity]["repetitions"])
            assert numbers.shape == (count, len(stored["kept_epochs"])) and numbers.isfinite().all()
            assert numbers.mean(0)[-1].item() == pytest.approx(row[quantity]["mean"][-1], rel=1e-3)
