"""The backend: the only place that asks which Keras backend runs. Start-up noise, compiled forward passes."""
