"""The backend: the only place that asks which Keras backend runs. Start-up, devices, compiled forward passes."""
