"""The network and its positive picture, made once."""

import pytest
from PIL import Image

from plugins.nsfw_censor.network import Network, load_network
from tests.plugins.nsfw_censor.censor_pictures import abstract_pattern


@pytest.fixture(scope="session")
def network() -> Network:
    return load_network()


@pytest.fixture(scope="session")
def flagged_picture(network: Network) -> Image.Image:
    return abstract_pattern(network)
