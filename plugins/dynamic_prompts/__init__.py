"""Dynamic prompts: {red|blue} and __wildcards__ in prompts."""
