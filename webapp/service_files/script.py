"""A container's command line as flags: words as a shell reads them, without a shell."""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from webapp.service_files.errors import BadServiceFile, quote
from webapp.settings.flags import FLAGS, Flag

SHELLS = frozenset({"bash", "sh"})
PYTHONS = frozenset({"python", "python3"})
PROGRAMS = frozenset({"webui.sh", "webui.py", "launch.py"})
BARE_SIGNS = "`$;|&<>()*?[]{}\n\r"
"""What a shell acts on outside quotes; between double quotes it acts on ` and $."""

QUOTED_SIGNS = "`$"
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
NUMBER = re.compile(r"-\d+(\.\d*)?")
MAX_WORDS = 1000


@dataclass(frozen=True, slots=True)
class TypedFlag:
    """A flag as it was typed; ``flag`` is None for one that no table holds, with its words."""

    flag: Flag | None
    words: tuple[str, ...]

    @property
    def value(self) -> str:
        """What it takes, "" for a switch."""
        if len(self.words) > 1:
            return self.words[1]
        return self.words[0].partition("=")[2]

    def replace(self, value: str) -> "TypedFlag":
        """The same with another value."""
        assert self.flag is not None
        return TypedFlag(self.flag, (f"--{self.flag.name}", value))


def split_script(script: str) -> list[str]:
    """The words of a command line. Raises :class:`BadServiceFile` where a shell would do more."""
    script = script.strip().replace("\\\n", " ")
    refuse_shell_signs(script)
    try:
        words = shlex.split(script)
    except ValueError as error:
        raise BadServiceFile(f"{error}; close what was opened") from None
    if len(words) > MAX_WORDS:
        raise BadServiceFile(f"{len(words)} words, more than {MAX_WORDS}")
    return words


def refuse_unprintable(words: Sequence[str]) -> None:
    """Raise for words that could not be shown as they are."""
    for word in words:
        if not word.isprintable():
            raise BadServiceFile(f"{quote(word)} has signs that are not printable; take them out")


def refuse_shell_signs(script: str) -> None:
    """Raise for signs that only a shell gives a meaning: substitutions, pipes, patterns, ..."""
    quote, escaped, start = "", False, True
    for sign in script:
        if escaped:
            if quote and sign in QUOTED_SIGNS:  # which the reader of words would not unescape
                raise BadServiceFile(_shell_message(sign))
            escaped = False
        elif sign == "\\" and quote != "'":
            escaped = True
        elif quote:
            if quote == '"' and sign in QUOTED_SIGNS:
                raise BadServiceFile(_shell_message(sign))
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        elif sign in BARE_SIGNS or (start and sign in "#~"):
            raise BadServiceFile(_shell_message(sign))
        start = sign in " \t=" and not quote


def _shell_message(sign: str) -> str:
    return (
        f"it holds {quote(sign)}, which is for a shell, and none reads it. Write one command, "
        "./webui.sh with its flags, and quote a value that has such a sign ('...')"
    )


def flag_words(words: Sequence[str]) -> list[str]:
    """The flags behind the program of a command line. Raises :class:`BadServiceFile`."""
    rest = list(words)
    if rest and ASSIGNMENT.match(rest[0]):
        raise BadServiceFile("it sets a variable; name COMMANDLINE_ARGS in containers[0].env")
    if rest and PurePosixPath(rest[0]).name in SHELLS | PYTHONS:
        rest = rest[2:] if rest[1:2] == ["-u"] else rest[1:]
    if not rest or PurePosixPath(rest[0]).name not in PROGRAMS:
        raise BadServiceFile(
            f"it runs {quote(' '.join(words[:2]))}; only the web UI is run: ./webui.sh with its "
            "flags"
        )
    return rest[1:]


def pair_flags(words: Sequence[str]) -> Iterator[TypedFlag]:
    """Each flag with its value."""
    known = {
        f"-{name}" if len(name) == 1 else f"--{name}": flag
        for flag in FLAGS
        for name in (flag.name, *flag.aliases)
    }
    rest = list(words)
    while rest:
        word = rest.pop(0)
        flag = known.get(word.partition("=")[0])
        if flag is None or flag.kind == "switch" or "=" in word or not _has_value(rest):
            yield TypedFlag(flag, (word,))
        else:
            yield TypedFlag(flag, (word, rest.pop(0)))


def _has_value(rest: Sequence[str]) -> bool:
    """Whether the next word is a value: no flag, as which a number below zero does not count."""
    return bool(rest) and (not rest[0].startswith("-") or NUMBER.fullmatch(rest[0]) is not None)
