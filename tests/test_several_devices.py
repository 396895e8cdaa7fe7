"""Fine-tuning on two devices takes the steps of one: the same losses, to what float32 can hold."""

import numpy as np
import pytest
import several_devices


def apart(way):
    one, two = several_devices.compare(way)
    assert np.shape(one) == (several_devices.EPOCHS, 2)
    assert len({loss for loss, _ in one}) == several_devices.EPOCHS  # it does learn something
    return np.abs(np.subtract(one, two)).max()


def test_two_devices_of_a_machine():
    assert apart("mirrored") < 1e-5


@pytest.mark.slow  # four imports of JAX, and everything compiled for each length
def test_two_processes_of_the_jax_backend():
    pytest.importorskip("jax")
    assert apart("jax") < 1e-5
