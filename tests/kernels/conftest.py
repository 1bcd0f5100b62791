"""The device code compiled for the host, to run and test the GPU twins where there is no GPU."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from theorylab.kernels import cuda
from theorylab.kernels.cuda_sources import KERNELS, SOURCE

HERE = Path(__file__).parent
NUMBERS = {np.int32: ctypes.c_int32, np.uint32: ctypes.c_uint32, np.int64: ctypes.c_int64, np.float64: ctypes.c_double}
# Not too many threads for a processor of two cores; the sums fix their own number.
THREADS = 8


def host_source() -> str:
    """The device code between what it needs on a host and one function `on_host_NAME` for each kernel."""
    entries = []
    for name in KERNELS:
        found = re.search(rf'extern "C" __global__ void {name}\((.*?)\) \{{', SOURCE, re.DOTALL)
        assert found is not None, name
        parameters = " ".join(found[1].split())
        names = ", ".join(part.split()[-1].lstrip("*") for part in parameters.split(","))
        entries.append(
            f'extern "C" void on_host_{name}(unsigned grid_x, unsigned grid_y, unsigned threads, {parameters}) {{\n'
            f"    on_host(grid_x, grid_y, threads, [=] {{ {name}({names}); }});\n}}\n"
        )
    return '#include "cuda_on_host.hpp"\n' + SOURCE + "".join(entries)


def compile_on_host(folder: Path, *flags: str) -> Path:
    """Build the host form of the device code."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("g++ is not on the path: it compiles the device code for the host")
    source, library = folder / "kernels.cpp", folder / "kernels.so"
    source.write_text(host_source())
    options = ["-std=c++20", "-O2", "-ffp-contract=off", "-fPIC", "-shared", "-pthread", f"-I{HERE}", *flags]
    subprocess.run([compiler, *options, str(source), "-o", str(library)], check=True, capture_output=True, timeout=300)
    return library


@pytest.fixture(scope="session")
def host_library(tmp_path_factory) -> ctypes.CDLL:
    return ctypes.CDLL(str(compile_on_host(tmp_path_factory.mktemp("cuda"))))


@pytest.fixture
def host_cuda(host_library, monkeypatch):
    """`kernels.cuda` with NumPy in place of CuPy and its kernels on the host."""

    def launch(name, grid, threads, *arguments):
        converted = []
        for argument in arguments:
            if isinstance(argument, np.ndarray):
                assert argument.flags.c_contiguous
                assert argument.dtype in (np.float64, np.float32, np.int64)
                converted.append(ctypes.c_void_p(argument.ctypes.data))
            else:
                converted.append(NUMBERS[type(argument)](argument))
        x, y = (*grid, 1)[:2]
        getattr(host_library, f"on_host_{name}")(x, y, threads, *converted)

    names = ("asarray", "ascontiguousarray", "empty", "flatnonzero", "matmul", "zeros", "float64")
    fake = SimpleNamespace(__name__="numpy", **{name: getattr(np, name) for name in names}, asnumpy=np.asarray)
    monkeypatch.setattr(cuda, "library", lambda: fake)
    monkeypatch.setattr(cuda, "launch", launch)
    monkeypatch.setattr(cuda, "THREADS", THREADS)
    monkeypatch.setattr(cuda, "BLOCKS", 4)
    return cuda
