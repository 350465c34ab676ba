"""What makes seeds/reference/bot_user_agents.csv. Reads the published crawler list; no network.

Usage: python seeds/refresh/bot_user_agents.py <folder that holds crawler-user-agents.json>
"""

import csv
import json
import re
import sys
from pathlib import Path
from re import _constants as token
from re import _parser

OWN_FOLDER = Path(__file__).parent / "own"
SEED_FILE = Path(__file__).parents[1] / "reference" / "bot_user_agents.csv"
COLUMNS = (
    "rule_id",
    "pattern",
    "literal",
    "bot_category",
    "category_priority",
    "name",
)

# Where the list gives several tags, the first of these decides: what is about AI comes first.
CATEGORIES = (
    "ai_agent",
    "ai_crawler",
    "search_engine",
    "seo",
    "monitoring",
    "scanner",
    "advertising",
    "social_preview",
    "feed_reader",
    "http_library",
    "archiver",
    "academic",
    "browser_automation",
    "other",
)


def main(lists_folder: Path) -> None:
    """Write the seed from the published list, our corrections to it and our own rules."""
    published = json.loads((lists_folder / "crawler-user-agents.json").read_text("utf-8"))
    rows = published_rules(published, read_rows("bot_corrections.csv")) + own_rules()
    require_unique(rows)
    with SEED_FILE.open("w", encoding="utf-8", newline="") as seed:
        writer = csv.DictWriter(seed, COLUMNS, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(rows, key=lambda row: row["rule_id"]))
    print(f"{SEED_FILE.name}: {len(rows)} rules")


def published_rules(published: list[dict], corrections: list[dict]) -> list[dict]:
    """Return one rule per published pattern, with our corrections applied."""
    corrected: dict[str, list[dict]] = {}
    for correction in corrections:
        corrected.setdefault(correction["published_pattern"], []).append(correction)
    unknown = corrected.keys() - {entry["pattern"] for entry in published}
    if unknown:
        raise SystemExit(
            f"bot_corrections.csv: {sorted(unknown)} found; "
            "expected patterns that crawler-user-agents.json still has"
        )
    rows = []
    for entry in published:
        for correction in corrected.get(entry["pattern"], [{}]):
            if correction.get("action") == "leave_out":
                continue
            pattern = correction.get("pattern", "*")
            category = correction.get("bot_category", "*")
            rows.append(
                rule(
                    "crawler",
                    entry["pattern"] if pattern == "*" else pattern,
                    category_of(entry["tags"]) if category == "*" else category,
                )
            )
    return rows


def own_rules() -> list[dict]:
    """Return the generic rules that are ours, not the list's."""
    return [
        {
            "rule_id": own["rule_id"],
            "pattern": own["pattern"],
            "literal": literal_of(own["pattern"]),
            "bot_category": own["bot_category"],
            "category_priority": category_priority(own["bot_category"], is_generic=True),
            "name": own["name"],
        }
        for own in read_rows("bot_rules.csv")
    ]


def rule(origin: str, pattern: str, category: str) -> dict:
    """Return the seed row of one pattern."""
    name = name_of(pattern)
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return {
        "rule_id": f"{origin}:{slug}",
        "pattern": pattern,
        "literal": literal_of(pattern),
        "bot_category": category,
        "category_priority": category_priority(category, is_generic=False),
        "name": name,
    }


def category_of(tags: list[str]) -> str:
    """Return the first of CATEGORIES that the tags name."""
    named = {tag.replace("-", "_") for tag in tags}
    return next((category for category in CATEGORIES if category in named), "other")


def category_priority(category: str, is_generic: bool) -> int:
    """Return the place of a rule's category among those of all rules that match one user agent.

    A generic rule knows less than one made for the bot, except that it may know an AI agent.
    """
    place = CATEGORIES.index(category) + 1
    return place + len(CATEGORIES) if is_generic and category != "ai_agent" else place


def literal_of(pattern: str) -> str:
    """Return the longest lower-case text that every match contains once in lower case, or `*`."""
    runs = [""]
    for operator, argument in _parser.parse(pattern):
        letters = lowered(operator, argument)
        if letters:
            runs[-1] += letters
        elif operator is not token.AT:  # an anchor takes no character, so the run goes on
            runs.append("")
    longest = max(runs, key=len)
    return longest if len(longest) >= 3 else "*"


def lowered(operator: int, argument: object) -> str:
    """Return the one lower-case character that a pattern element stands for, or an empty text."""
    if operator is token.LITERAL:
        return chr(argument).lower()
    if operator is token.IN and all(kind is token.LITERAL for kind, _ in argument):
        choices = {chr(value).lower() for _, value in argument}
        return choices.pop() if len(choices) == 1 else ""
    return ""


def name_of(pattern: str) -> str:
    """Return the text a person would call the pattern by: its plain characters, in order."""
    name = ""
    for operator, argument in _parser.parse(pattern):
        if operator is token.LITERAL:
            name += chr(argument)
        elif lowered(operator, argument):
            name += max((chr(value) for _, value in argument), key=str.isupper)
        elif operator is token.MAX_REPEAT:
            name += " "
    return name.strip(" /")


def require_unique(rows: list[dict]) -> None:
    """Stop when two rules would carry one id."""
    seen: dict[str, str] = {}
    for row in rows:
        other = seen.setdefault(row["rule_id"], row["pattern"])
        if other is not row["pattern"]:
            raise SystemExit(
                f"rule_id {row['rule_id']!r} found for {other!r} and {row['pattern']!r}; "
                "expected one rule per id: correct one of them in bot_corrections.csv"
            )


def read_rows(file_name: str) -> list[dict]:
    """Return the rows of one of our own files."""
    with (OWN_FOLDER / file_name).open(encoding="utf-8", newline="") as rows:
        return list(csv.DictReader(rows))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
