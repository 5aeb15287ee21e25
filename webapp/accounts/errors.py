"""What goes wrong with accounts. The page knows the classes by name and has words for each."""

from webapp.errors import Conflict, NamedRefusal, WrongCredential


class AccountsUnusable(Exception):
    """The accounts' database cannot be used; the text says why and holds no secret."""


class WrongOldPassword(NamedRefusal, WrongCredential):
    """Who changes the password does not know the old one."""


class WrongPasswordLength(NamedRefusal):
    """A new password is too short or too long."""


class UntypablePassword(NamedRefusal):
    """A new password holds characters that no keyboard has."""


class GuessablePassword(NamedRefusal):
    """A new password is among the first that anybody tries."""


class BadUserName(NamedRefusal):
    """No user may have such a name."""


class UserNameTaken(NamedRefusal, Conflict):
    """A user, a token of the flags or the service itself has this name, or had it."""


class OnlyAdmin(NamedRefusal, Conflict):
    """No admin would be left."""
