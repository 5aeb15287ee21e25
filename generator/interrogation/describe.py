"""What every network that describes pictures comes to."""

from collections.abc import Callable

from PIL import Image

from generator.interrogation.requests import InterrogationRequest

Describe = Callable[[Image.Image, InterrogationRequest], str]
"""Words for a picture in RGB."""
