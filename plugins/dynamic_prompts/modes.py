"""How choices are taken, and how many at most."""

RANDOM, EVERY = "random", "combinatorial"
MODES = (RANDOM, EVERY)
MOST = 1000
FOLDER = "wildcards"  # in the data directory
SIGNS = ("{", "__", "${", "%{")
"""What a prompt without any of these is left as it is."""

SCRIPT = "Every combination"  # in the script selector
MOST_ON_A_SHEET = 256
