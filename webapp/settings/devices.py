"""Lists devices without importing torch, which takes seconds."""

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

DRIVER_FOLDER = Path("/proc/driver/nvidia/gpus")
GPU_LIBRARIES = ("libtorch_cuda.so", "libtorch_hip.so")


class DeviceMissing(Exception):
    """A device that was named cannot be used; the text says why."""


def resolve_devices(wanted: str, environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """One name for each worker: ``auto`` is every CUDA device, or the CPU where there is none."""
    if wanted != "auto":
        return tuple(dict.fromkeys(name.strip() for name in wanted.split(",") if name.strip()))
    count = cuda_count(environment) if has_torch_cuda() else 0
    return tuple(f"cuda:{number}" for number in range(count)) or ("cpu",)


def check_devices(wanted: Sequence[str]) -> None:
    """See that the installed torch can use the devices. Raises :class:`DeviceMissing`."""
    if any(name.startswith("cuda") for name in wanted) and not has_torch_cuda():
        raise DeviceMissing(
            f"--device {','.join(wanted)} was asked for, but the installed torch is built without "
            "CUDA. Start with --device cpu or auto, or install a torch build for CUDA."
        )


def cuda_count(environment: Mapping[str, str]) -> int:
    """CUDA devices that this process may use."""
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return driver_count()
    visible_names = [name.strip() for name in visible.split(",")]
    usable = visible_names[: visible_names.index("-1")] if "-1" in visible_names else visible_names
    return min(len([name for name in usable if name]), driver_count())


def driver_count(driver: Path = DRIVER_FOLDER) -> int:
    """CUDA devices that the driver lists; ``nvidia-smi`` is asked where /proc does not tell."""
    if driver.is_dir():
        return len(list(driver.iterdir()))
    program = shutil.which("nvidia-smi")
    if program is None:
        return 0
    try:
        output = subprocess.run([program, "-L"], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return 0
    return sum(line.startswith("GPU ") for line in output.stdout.splitlines())


def has_torch_cuda() -> bool:
    """True if the installed torch is a build for CUDA."""
    spec = importlib.util.find_spec("torch")
    places = (spec.submodule_search_locations or []) if spec else []
    return any((Path(place) / "lib" / name).exists() for place in places for name in GPU_LIBRARIES)
