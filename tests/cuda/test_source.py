"""The kernels' source: what is read, that every architecture's compiler takes it, and what its threads cost."""

import re
import shutil
import subprocess
import sys

import pytest

from limner.cuda import source

NVCC = shutil.which("nvcc")
ARCHITECTURES = ("80", "86", "89", "90")         # A100; RTX 30; RTX 40; H100 and H200
# Registers per thread that the occupancy notes in the files rest on.
REGISTERS = {"affine": 40, "blend": 80, "colour": 48, "correlation": 64, "raster": 40, "warp": 80}
ENTRY = re.compile(r"Compiling entry function '(\w+)' for '(sm_\d+)'")
COST = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")


def kernels_of(name):
    """Names as the preprocessor leaves them: the macros that make a kernel take its name first."""
    text = source.read(name)
    plain = re.findall(r'extern "C" __global__ void __launch_bounds__\([\d, ]+\)\s+([a-z]\w+)\(', text)
    made = re.findall(r"^(?:WARP|WARP_RGBA|AFFINE|CORRELATION)\((\w+), ", text, re.MULTILINE)
    pairs = [f"blend_{part}_{kind}" for kind in re.findall(r"^BLEND\((\w+), ", text, re.MULTILINE) for part in ("coarse", "paste")]
    return {kernel for kernel in plain if not kernel.endswith("_")} | set(made) | set(pairs)


def test_every_file_is_known():
    assert sorted(path.stem for path in source.FOLDER.glob("*.cu")) == sorted(source.NAMES)


@pytest.mark.parametrize("name", source.NAMES)
def test_source_stands_alone(name):
    """Includes are pasted in, and nothing of the toolkit is asked for: a driver is enough at run time."""
    text = source.read(name)
    assert "#include" not in text and "half_to_float" in text


@pytest.mark.skipif(NVCC is None, reason="no nvcc")
@pytest.mark.parametrize("name", source.NAMES)
def test_compiles_for_every_architecture_without_spilling(name, tmp_path):
    (tmp_path / "kernel.cu").write_text(source.read(name))
    targets = [f"-gencode=arch=compute_{a},code=sm_{a}" for a in ARCHITECTURES]
    command = [NVCC, "-fatbin", *targets, *source.options(name), "-Xptxas", "-v", "-Werror", "all-warnings",
               "-o", tmp_path / "kernel.fatbin", tmp_path / "kernel.cu"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    used = [int(n) for n in re.findall(r"Used (\d+) registers", done.stderr)]
    entries = ENTRY.findall(done.stderr)
    assert {kernel for kernel, _ in entries} == kernels_of(name)
    assert {target for _, target in entries} == {f"sm_{a}" for a in ARCHITECTURES}
    assert len(used) == len(entries) and max(used) <= REGISTERS[name]
    assert all(set(cost) == {"0"} for cost in COST.findall(done.stderr)), done.stderr


@pytest.mark.parametrize("name", source.NAMES)
def test_compiles_as_it_does_at_run_time(name):
    """Through NVRTC as CuPy ships it, to device code: neither a device nor a driver is needed for that."""
    nvrtc = pytest.importorskip("cupy").cuda.nvrtc
    try:
        program = nvrtc.createProgram(source.read(name), f"{name}.cu", (), ())
    except (RuntimeError, OSError) as error:
        pytest.skip(f"NVRTC's library is not here: {error}")
    for architecture in ARCHITECTURES:
        try:
            nvrtc.compileProgram(program, (f"--gpu-architecture=sm_{architecture}", *source.options(name)))
        except nvrtc.NVRTCError:
            pytest.fail(nvrtc.getProgramLog(program))
        assert nvrtc.getCUBIN(program)[:4] == b"\x7fELF"


def test_missing_cupy_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    source._cupy.cache_clear()
    with pytest.raises(ImportError, match=r"pip install 'limner\[cuda12\]' or 'limner\[cuda13\]'"):
        source.Device().empty((1,), "f4")
    source._cupy.cache_clear()
