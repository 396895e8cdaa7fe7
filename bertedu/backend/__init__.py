"""Code that depends on the Keras backend: start-up, devices, compiled forward passes, weights from files."""
