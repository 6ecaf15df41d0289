"""A reader of PromQL that knows as much of the language as our files use, and refuses the rest."""

import re

FUNCTIONS = {"rate", "increase", "histogram_quantile", "avg_over_time", "time"}
AGGREGATIONS = {"sum", "max", "avg"}
WORDS = {"by", "and", "offset"}
TOKEN = re.compile(
    r"""\s*(?:(?P<name>[a-zA-Z_:][\w:]*)|(?P<labels>\{[^{}]*\})|(?P<range>\[\d+[smhd]\])
    |(?P<duration>\d+[smhd]\b)|(?P<number>\d+(?:\.\d+)?)|(?P<sign>==|!=|>=|<=|[-+*/<>(),]))""",
    re.VERBOSE,
)
MATCHER = re.compile(r'\s*[a-zA-Z_]\w*\s*(=~|!~|!=|=)\s*"[^"]*"\s*')


def metrics_of(expression: str) -> set[str]:
    """Return the metrics that an expression reads.

    Raises:
        ValueError: It is not written as PromQL is.
    """
    tokens: list[tuple[str, str]] = []
    place = 0
    while place < len(expression.rstrip()):
        found = TOKEN.match(expression, place)
        if not found:
            raise ValueError(f"cannot read {expression[place:]!r}")
        tokens.append((found.lastgroup, found[0].strip()))
        place = found.end()
    depth, grouping, names = 0, None, set()
    for index, (kind, text) in enumerate(tokens):
        before = tokens[index - 1] if index else ("sign", "(")
        after = tokens[index + 1][1] if index + 1 < len(tokens) else ""
        depth += (text == "(") - (text == ")")
        if depth < 0:
            raise ValueError(f"a bracket too many in {expression!r}")
        if text == "(" and before[1] == "by":
            grouping = depth
        elif text == ")" and grouping is not None and depth < grouping:
            grouping = None
        elif kind == "labels":
            if before[0] != "name" or not all(map(MATCHER.fullmatch, text[1:-1].split(","))):
                raise ValueError(f"{text} selects nothing in {expression!r}")
        elif kind == "range" and before[0] not in ("name", "labels"):
            raise ValueError(f"{text} stands behind no metric in {expression!r}")
        elif kind == "name" and grouping is None and text not in WORDS:
            if after == "(" or after == "by":
                if text not in (AGGREGATIONS if after == "by" else FUNCTIONS | AGGREGATIONS):
                    raise ValueError(f"{text} is no function that we know")
            else:
                names.add(text)
    if depth or tokens[-1][0] == "sign" and tokens[-1][1] != ")":
        raise ValueError(f"{expression!r} does not end")
    return names
