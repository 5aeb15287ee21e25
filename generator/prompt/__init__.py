"""From prompt text to conditioning: a pure grammar, the tokenizer, and the text encoder."""
