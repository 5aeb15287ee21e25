"""Numbers of the TIFF tags that tell how pixels are kept, and of their values."""

BITS, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339
WHITE_IS_ZERO = 0  # of PHOTOMETRIC
UNSIGNED = 1  # of SAMPLE_FORMAT
