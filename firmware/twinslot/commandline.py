"""A command's text as words, as a shell splits it; what only a shell has is refused (docs/protocol.md, "Operations").
Pure."""

_SPACE = " \t"
_SHELL_ONLY = "|&;<>`$*()\n"


def split(text: str) -> "list[str]":
    """The words of `text`: a verb and its arguments. Raises ValueError, which says why, for what is no command."""
    words: "list[str]" = []
    word = ""
    begun = False  # whether `word` is one, which may be empty
    quote = ""
    escaped = False
    for letter in text:
        if escaped:
            if quote and letter not in '"\\':
                word += "\\"
            word, escaped = word + letter, False
        elif letter == "\\" and quote != "'":
            begun = escaped = True
        elif letter == quote:
            quote = ""
        elif quote:
            word += letter
        elif letter in "'\"":
            begun, quote = True, letter
        elif letter in _SPACE:
            if begun:
                words.append(word)
            word, begun = "", False
        elif letter in _SHELL_ONLY:
            raise ValueError("{} outside quotes: there is no shell here".format(repr(letter)))
        else:
            begun, word = True, word + letter
    if quote or escaped:
        raise ValueError("no end to {}".format(quote or "\\"))
    if begun:
        words.append(word)
    if not words:
        raise ValueError("an empty command")
    return words
