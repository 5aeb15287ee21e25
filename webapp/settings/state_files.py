"""Names of the files in a data directory that people edit too."""

OPTIONS_FILE = "config.json"
STYLES_FILE = "styles.csv"
