"""Freed memory is reused in training, and the defaults come back afterwards."""

import ctypes
import types

import pytest

from bertedu.backend import memory


@pytest.fixture
def calls(monkeypatch):
    monkeypatch.setattr(memory, "_blocks", 0)
    made = []
    libc = types.SimpleNamespace(
        mallopt=lambda parameter, value: made.append((parameter, value)), malloc_trim=lambda pad: made.append("trim")
    )
    monkeypatch.setattr(ctypes, "CDLL", lambda name: libc)
    return made


@pytest.mark.parametrize("fails", [False, True])
def test_defaults_return_after_the_block(calls, fails, monkeypatch):
    monkeypatch.setattr(memory.platform, "libc_ver", lambda: ("glibc", "2.36"))
    try:
        with memory.reused():
            assert calls == list(memory.REUSE.items())
            assert not fails or 1 // 0
    except ZeroDivisionError:
        assert fails
    assert calls[len(memory.REUSE) :] == [*memory.DEFAULTS.items(), "trim"]
    assert set(memory.DEFAULTS) == set(memory.REUSE)


def test_only_the_outermost_block_counts(calls, monkeypatch):
    monkeypatch.setattr(memory.platform, "libc_ver", lambda: ("glibc", "2.36"))
    with memory.reused():
        with memory.reused():
            pass
        assert calls == list(memory.REUSE.items())
    assert calls[-1] == "trim" and len(calls) == 2 * len(memory.REUSE) + 1


@pytest.mark.parametrize("name", ["", "musl"])
def test_other_c_libraries_are_left_alone(calls, name, monkeypatch):
    monkeypatch.setattr(memory.platform, "libc_ver", lambda: (name, ""))
    with memory.reused():
        pass
    assert calls == []


def test_one_batch_changes_nothing(calls, monkeypatch):
    monkeypatch.setattr(memory.platform, "libc_ver", lambda: ("glibc", "2.36"))
    with memory.reused(useful=False):
        pass
    assert calls == []
