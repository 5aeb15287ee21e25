"""Modes of choosing, and their limits."""

RANDOM, COMBINATORIAL = "random", "combinatorial"
MODES = (RANDOM, COMBINATORIAL)
MAX_COMBINATIONS = 1000
FOLDER = "wildcards"  # in the data directory
TEMPLATE_MARKS = ("{", "__", "${", "%{")
"""What a prompt without any of these is left as it is."""

SCRIPT = "Every combination"  # in the script selector
MAX_ON_A_SHEET = 256
