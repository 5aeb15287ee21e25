"""Devices named that the installed torch cannot use."""

import pytest

from webapp.settings import devices
from webapp.settings.devices import DeviceMissing, check_devices


def test_a_cuda_device_needs_a_torch_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "has_torch_cuda", lambda: False)
    check_devices(("cpu",))
    with pytest.raises(DeviceMissing, match=r"--device cuda:1 .* without CUDA"):
        check_devices(("cuda:1",))
    monkeypatch.setattr(devices, "has_torch_cuda", lambda: True)
    check_devices(("cuda:1",))
