"""What goes wrong with accounts. The page knows the classes by name and has words for each."""

from webapp.errors import Conflict, Refused, WrongCredential


class AccountsUnusable(Exception):
    """The accounts' database cannot be used; the text says why and holds no secret."""


class WrongOldPassword(WrongCredential):
    """Who changes the password does not know the old one."""


class WrongPasswordLength(Refused):
    """A new password is too short or too long."""


class UntypablePassword(Refused):
    """A new password holds characters that no keyboard has."""


class GuessablePassword(Refused):
    """A new password is among the first that anybody tries."""


class BadUserName(Refused):
    """No user may have such a name."""


class UserNameTaken(Conflict):
    """A user, a token of the flags or the service itself has this name, or had it."""


class OnlyAdmin(Conflict):
    """No admin would be left."""
