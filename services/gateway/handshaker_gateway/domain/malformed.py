"""The one error of the pure rules: a request that is not of its form."""


class Malformed(Exception):
    """`sentence` says what is wrong and names the field; it never repeats what was sent."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence
