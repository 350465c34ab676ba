"""How a path is written into SQL. Imports nothing: what is measured starts with no more."""


def literal(path: object) -> str:
    """Return the path as a SQL string literal."""
    return "'" + str(path).replace("'", "''") + "'"
