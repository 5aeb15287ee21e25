"""BeautifulPrompt: a few words become a fuller prompt."""
