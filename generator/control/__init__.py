"""ControlNet: pictures that steer the U-Net (Zhang et al. 2023; contract section 10)."""
