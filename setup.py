"""The compiled kernels. Without a C compiler the install goes on, and torch does their work: see relunb/ops/_native.py.

They run on the threads of torch's OpenMP, which are found on Linux only; elsewhere nothing is compiled.
"""

import hashlib
import sys
from pathlib import Path

from setuptools import Extension, setup

PARTS = (".c", "_of_type.h", "_of_activations.h", "_of_panels.h", "_of_lanes.h")
SOURCES = [f"relunb/ops/_kernels{part}" for part in PARTS]
built_from = hashlib.sha256(b"".join((Path(__file__).parent / file).read_bytes() for file in SOURCES)).hexdigest()
kernels = Extension(
    "relunb.ops._kernels",
    SOURCES[:1],
    depends=SOURCES[1:],
    define_macros=[("RELUNB_SOURCES", f'"{built_from}"')],
    # No fused multiply-add: an input would lie beside its knot. No symbol of ours is seen but the exported ones.
    extra_compile_args=["-O3", "-g0", "-std=gnu11", "-ffp-contract=off", "-fno-trapping-math", "-fvisibility=hidden"],
    libraries=["m"],
    optional=True,
)
setup(ext_modules=[kernels] if sys.platform == "linux" else [])
