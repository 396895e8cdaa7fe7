"""Devices: whether they are made for bfloat16, from what /proc/cpuinfo says of real processors."""

import keras
import pytest

from bertedu.backend import devices

X86 = """processor\t: {number}
vendor_id\t: {vendor}
cpu family\t: 25
model name\t: {name}
cache size\t: 1024 KB
flags\t\t: fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat fma sse4_2 avx f16c avx2 {flags}
bugs\t\t: sysret_ss_attrs spectre_v1 spectre_v2 spec_store_bypass avx512_bf16_of_no_importance
bogomips\t: 4890.84
power management:

"""
ARM = """processor\t: 0
BogoMIPS\t: 2100.00
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm sve svebf16 i8mm bf16 dgh rng
CPU implementer\t: 0x41
CPU architecture: 8
CPU part\t: 0xd40

"""


def x86(vendor, name, flags):
    return "".join(X86.format(number=i, vendor=vendor, name=name, flags=flags) for i in range(2))


PROCESSORS = {
    "EPYC 9004": (x86("AuthenticAMD", "AMD EPYC 9R14", "avx512f avx512bw avx512vl avx512_bf16 avx512_vnni"), True),
    "Sapphire Rapids": (x86("GenuineIntel", "Intel(R) Xeon(R) Platinum 8481C", "avx512f amx_bf16 amx_tile"), True),
    "Skylake": (x86("GenuineIntel", "Intel(R) Xeon(R) Gold 6154", "avx512f avx512dq avx512bw avx512vl"), False),
    "EPYC 7003": (x86("AuthenticAMD", "AMD EPYC 7R13", "sha_ni vaes vpclmulqdq rdpid fsrm"), False),
    "Neoverse V1": (ARM, False),
    "empty": ("", False),
}


@pytest.fixture
def no_accelerator(monkeypatch):
    monkeypatch.setattr(devices, "has_accelerator", lambda: False)
    monkeypatch.setattr(devices, "backend", lambda: "tensorflow")
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)


def processor(name, tmp_path, monkeypatch):
    (tmp_path / "cpuinfo").write_text(PROCESSORS[name][0], encoding="utf-8")
    monkeypatch.setattr(devices, "CPUINFO", tmp_path / "cpuinfo")


@pytest.mark.parametrize("name", PROCESSORS)
def test_a_cpu_is_made_for_bfloat16_if_it_has_the_instructions(name, tmp_path, monkeypatch, no_accelerator):
    processor(name, tmp_path, monkeypatch)
    assert devices.has_bfloat16() is PROCESSORS[name][1]


def test_flags_of_both_architectures_are_read(tmp_path, monkeypatch):
    processor("EPYC 7003", tmp_path, monkeypatch)
    assert {"fpu", "avx2", "vpclmulqdq", "fsrm"} <= devices.cpu_flags() and "spectre_v1" not in devices.cpu_flags()
    processor("Neoverse V1", tmp_path, monkeypatch)
    assert {"fp", "svebf16", "bf16", "rng"} <= devices.cpu_flags() and "0x41" not in devices.cpu_flags()


def test_a_system_without_the_file_has_no_flags(tmp_path, monkeypatch, no_accelerator):
    monkeypatch.setattr(devices, "CPUINFO", tmp_path / "missing")
    assert devices.cpu_flags() == set() and not devices.has_bfloat16()


def test_other_backends_and_a_tensorflow_without_onednn_stay_in_float32(monkeypatch, no_accelerator):
    monkeypatch.setattr(devices, "cpu_flags", lambda: {"avx512_bf16"})
    assert devices.has_bfloat16()
    for name in ("jax", "torch"):
        with monkeypatch.context() as patch:
            patch.setattr(devices, "backend", lambda name=name: name)
            assert not devices.has_bfloat16()
            patch.setattr(devices, "has_accelerator", lambda: True)
            assert devices.has_bfloat16()
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    assert not devices.has_bfloat16()


def test_this_machine_s_backend_is_asked():
    assert devices.backend() == keras.backend.backend() and devices.has_accelerator() in (False, True)
