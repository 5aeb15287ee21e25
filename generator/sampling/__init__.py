"""Noise, schedules, samplers and the denoiser they call."""
