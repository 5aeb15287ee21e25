"""BeautifulPrompt: expands a short prompt with a language model or an embedded phrase table."""
