"""Names of the ways to enlarge that need no weights (contract sections 5.1 and 5.8). No torch."""

LATENT_UPSCALERS: tuple[str, ...] = (
    "Latent",
    "Latent (antialiased)",
    "Latent (bicubic)",
    "Latent (bicubic antialiased)",
    "Latent (nearest)",
    "Latent (nearest-exact)",
)
PLAIN_UPSCALERS: tuple[str, ...] = ("None", "Lanczos", "Nearest")
