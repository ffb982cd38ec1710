"""Old names of public modules, functions and classes: they work for this version, and say the new ones."""

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import CodeType, ModuleType
from typing import Any

_FIGURES = """
activation_pattern continuous_width coverage decoupling features heart_rate introduction many_tones networks one_tone
power_series smoothness spectral_bias super_resolution tomography transform variation_norm which_basis zero_training
""".split()
_NAMES = {
    "relunb.data": "relunb.book.data",
    "relunb.results": "relunb.book.studies",
    **{f"relunb.plot.{name}": f"relunb.book.figures.{name}" for name in _FIGURES},
    "relunb.plot.gershgorin": "relunb.book.figures.wavelet_features",
    "relunb.plot.ill_conditioned": "relunb.book.figures.relu_features",
    "relunb.plot.low_norm": "relunb.book.figures.scale_selection",
    "relunb.plot.photograph": "relunb.book.figures.image_fitting",
    "relunb.plot.seven_relus": "relunb.book.figures.wavelet_activation",
    "relunb.iat.most_regions": "relunb.iat.max_linear_regions",
    "relunb.ops.BlockedNetwork": "relunb.ops.FusedMLP",
    "relunb.spectrum.averager": "relunb.spectrum.moving_average_network",
    "relunb.spectrum.differentiator": "relunb.spectrum.difference_network",
    "relunb.spectrum.shortened_means": "relunb.spectrum.truncated_means",
    "relunb.spectrum.train_together": "relunb.spectrum.train_ensemble",
}


def new_name(old: str) -> str | None:
    """The new name of what was ``old``, or stood in a package that was renamed; None where ``old`` is no old name."""
    package, _, name = old.rpartition(".")
    return _NAMES.get(old) or (f"{_NAMES[package]}.{name}" if package in _NAMES else None)


def warn(old: str) -> None:
    """Say the new name, as from the line that uses the old one: the caller's caller."""
    warnings.warn(_words(old), DeprecationWarning, 3)


def _words(old: str) -> str:
    return f"{old} is now {new_name(old)}; the old name goes with the next version."


class OldModules:
    """Finds a module under its old name, and gives the one of the new name: there is no second copy of it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        new = new_name(fullname)
        found = find_spec(new) if new else None
        loader: Any = self  # Its base class is left out: importing that takes longer than all of ``import relunb``.
        return found and ModuleSpec(fullname, loader, is_package=found.submodule_search_locations is not None)

    def create_module(self, spec: ModuleSpec) -> None:
        """A plain one, which is thrown away."""

    def exec_module(self, module: ModuleType) -> None:
        old = module.__name__
        warn(old)
        sys.modules[old] = import_module(str(new_name(old)))

    def get_code(self, fullname: str) -> CodeType:
        """What ``python -m`` runs: the module of the new name, after a warning that is shown."""
        words = _words(fullname.removesuffix(".__main__"))
        lines = (
            "import runpy, warnings",
            f"warnings.warn({words!r}, DeprecationWarning)",
            f"runpy.run_module({new_name(fullname)!r}, run_name='__main__', alter_sys=True)",
        )
        return compile("\n".join(lines), fullname, "exec")


sys.meta_path.insert(0, OldModules())  # the first: another finds the files of relunb.results a second time
