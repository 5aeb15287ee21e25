"""ControlNet: conditions the U-Net on pictures (Zhang et al. 2023; contract section 10)."""
