"""What goes wrong with accounts, for those who start the service or type a command."""


class AccountsUnusable(Exception):
    """The accounts' database cannot be used; the text says why and holds no secret."""
