"""Text from outside as it is, and nothing that a terminal or a spreadsheet would follow."""


def plain(text: object) -> str:
    r"""Return a text in one line, in which what cannot be printed stands as an escape, as in \x1b.

    Control characters, line breaks, marks that turn the direction of writing and half characters
    reach no terminal, file or figure so.
    """
    return "".join(
        letter if letter.isprintable() or _is_space(letter) else _escape(letter)
        for letter in str(text)
    )


def one_line(text: object) -> str:
    """Return a text with a space for each of its line breaks, tabs and runs of spaces, `plain`."""
    return plain(" ".join(str(text).split()))


def _is_space(letter: str) -> bool:
    """Return whether a letter is a space of some width, such as that between thousands."""
    return letter in "\xa0\u2009\u202f"


def _escape(letter: str) -> str:
    return letter.encode("unicode_escape").decode()
