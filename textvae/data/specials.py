"""The four token ids that every tokenizer shares."""

from typing import NamedTuple


class Specials(NamedTuple):
    """Ids of <pad>, <s>, </s> and <unk>; <unk> is an ordinary word, the others never stand for text."""

    pad: int = 0
    bos: int = 1
    eos: int = 2
    unk: int = 3


SPECIALS = Specials()
SPECIAL_WORDS = ("<pad>", "<s>", "</s>", "<unk>")
