"""A graphics card for tests, without one."""

from generator.models.weight_sizes import bytes_of, tensors_of


class Card:
    """A device that holds ``size`` bytes and counts those that move."""

    def __init__(self, size: int) -> None:
        self.size, self.brought, self.sent = size, 0, 0

    def headroom(self, held: int) -> int:
        return self.size - held

    def bring(self, value: object) -> None:
        self.brought += bytes_of(value)

    def send_away(self, value: object) -> None:
        for tensor in tensors_of(value):
            tensor.data = tensor.data.clone()  # as a graphics card changes it, in its place
        self.sent += bytes_of(value)

    def trim(self) -> None:
        pass
