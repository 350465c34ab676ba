"""What the seeds of the world and the channel rules promise. Reads the CSV files with DuckDB."""

import csv
import gzip
import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import duckdb
import pytest
import yaml

REPOSITORY = Path(__file__).parents[2]
REFERENCE = REPOSITORY / "seeds" / "reference"
DEFINITIONS = REPOSITORY / "seeds" / "definitions"
EXPORTS = REPOSITORY / "seeds" / "exports"
LISTS = REPOSITORY.parent / "shared" / "data" / "lists"

KEYS = {
    REFERENCE / "bot_user_agents.csv": ["rule_id"],
    REFERENCE / "click_id_parameters.csv": ["parameter"],
    REFERENCE / "currency_rates.csv": ["currency", "rate_date"],
    REFERENCE / "ignored_referrer_hosts.csv": ["host"],
    REFERENCE / "referrer_hosts.csv": ["host"],
    REFERENCE / "source_categories.csv": ["source"],
    REFERENCE / "user_agent_labels.csv": ["attribute", "priority"],
    DEFINITIONS / "channel_rules.csv": ["rule_id"],
}
PATTERN_COLUMNS = {
    REFERENCE / "bot_user_agents.csv": ["pattern"],
    REFERENCE / "user_agent_labels.csv": ["pattern"],
    DEFINITIONS / "channel_rules.csv": ["source_pattern", "medium_pattern", "campaign_pattern"],
    DEFINITIONS / "planned_properties.csv": ["value_pattern"],
}

GA4_CHANNELS_IN_ORDER = [
    "Direct",
    "Cross-network",
    "Paid Shopping",
    "Paid Search",
    "Paid Social",
    "Paid Video",
    "Display",
    "Paid Other",
    "Organic Shopping",
    "Organic Social",
    "Organic Video",
    "Organic Search",
    "Referral",
    "Email",
    "Affiliates",
    "Audio",
    "SMS",
    "Mobile Push Notifications",
    "Unassigned",
]

# isbot's file of browsers holds these although they say what they are: a screenshot service, two
# speed testers, a search engine and an assistant.
BOTS_AMONG_ISBOTS_BROWSERS = {
    "crawler:amzn-user",
    "crawler:gtmetrix",
    "crawler:miniature-io",
    "crawler:slurp",
    "crawler:ylt-chrome",
}
# Measured 2026-06 with isbot @ 344052da: 341 of 626 by the published patterns, the rest by ours.
ISBOT_CRAWLERS_FOUND = 468

needs_lists = pytest.mark.skipif(not LISTS.is_dir(), reason="the published lists are absent")


def rows_of(seed: Path) -> list[dict]:
    with seed.open(encoding="utf-8", newline="") as rows:
        return list(csv.DictReader(rows))


def medium_of_referrer(host: str) -> str:
    """Return the medium of the longest listed host that `host` is, or lies below."""
    listed = {row["host"]: row["medium"] for row in rows_of(REFERENCE / "referrer_hosts.csv")}
    parts = host.split(".")
    suffixes = (".".join(parts[start:]) for start in range(len(parts)))
    return next((listed[suffix] for suffix in suffixes if suffix in listed), "none")


def channel_of(source="(not set)", medium="(not set)", campaign="(not set)", category="none"):
    """Return the id of the first channel rule that matches."""
    for rule in sorted(
        rows_of(DEFINITIONS / "channel_rules.csv"), key=lambda rule: int(rule["priority"])
    ):
        if rule["source_category"] in ("*", category) and all(
            pattern == "*" or re.search(pattern, value)
            for pattern, value in (
                (rule["source_pattern"], source),
                (rule["medium_pattern"], medium),
                (rule["campaign_pattern"], campaign),
            )
        ):
            return rule["rule_id"]
    return None


def bot_rules_of(user_agents: list[str]) -> dict[str, set[str]]:
    """Return the ids of the bot rules that match each user agent, in DuckDB as in the models."""
    connection = duckdb.connect()
    connection.execute("create table user_agents (user_agent varchar)")
    connection.executemany(
        "insert into user_agents values (?)", [[agent] for agent in dict.fromkeys(user_agents)]
    )
    matches = connection.execute(
        f"""
        select user_agents.user_agent, rules.rule_id
        from user_agents
        inner join read_csv('{REFERENCE / "bot_user_agents.csv"}', all_varchar = true) as rules
            on case
                when rules.literal = '*' or contains(lower(user_agents.user_agent), rules.literal)
                    then regexp_matches(user_agents.user_agent, rules.pattern)
                else false
            end
        """
    ).fetchall()
    found: dict[str, set[str]] = {agent: set() for agent in user_agents}
    for agent, rule_id in matches:
        found[agent].add(rule_id)
    return found


def labels_of(user_agent: str) -> dict[str, str]:
    """Return the label of each attribute that a user agent tells, in DuckDB as in the models."""
    seed = REFERENCE / "user_agent_labels.csv"
    return dict(
        duckdb.execute(
            f"""
            select attribute, arg_min(label, priority)
            from read_csv('{seed}', types = {{'priority': 'integer'}})
            where regexp_matches(?, pattern)
            group by attribute
            """,
            [user_agent],
        ).fetchall()
    )


def isbot_samples(file_name: str) -> list[str]:
    groups = yaml.safe_load((LISTS / "isbot" / file_name).read_text("utf-8"))
    return [agent for agents in groups.values() for agent in agents]


@pytest.fixture(scope="module")
def refresh() -> ModuleType:
    """Return the script that makes the seed of bots."""
    path = REPOSITORY / "seeds" / "refresh" / "bot_user_agents.py"
    spec = importlib.util.spec_from_file_location("refresh_bot_user_agents", path)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


@pytest.fixture(scope="module")
def published_crawlers() -> list[dict]:
    return json.loads((LISTS / "crawler-user-agents.json").read_text("utf-8"))


@pytest.mark.parametrize("seed", KEYS, ids=lambda seed: seed.stem)
def test_keys_are_unique(seed):
    keys = [tuple(row[column] for column in KEYS[seed]) for row in rows_of(seed)]

    assert keys
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("seed", KEYS, ids=lambda seed: seed.stem)
def test_no_cell_is_empty(seed):
    empty = [
        (number, column)
        for number, row in enumerate(rows_of(seed), start=2)
        for column, cell in row.items()
        if cell is None or cell.strip() == ""
    ]

    assert empty == []


@pytest.mark.parametrize("seed", KEYS, ids=lambda seed: seed.stem)
def test_every_column_is_described_and_typed_in_the_twin(seed):
    twin = yaml.safe_load(seed.with_suffix(".yml").read_text("utf-8"))["seeds"][0]
    columns = list(rows_of(seed)[0])

    assert twin["name"] == seed.stem
    assert twin["description"].startswith("One row per ")
    assert list(twin["config"]["column_types"]) == columns
    assert [column["name"] for column in twin["columns"]] == columns
    assert all(column["description"].strip() for column in twin["columns"])


@pytest.mark.parametrize("seed", PATTERN_COLUMNS, ids=lambda seed: seed.stem)
def test_every_pattern_compiles_in_duckdb(seed):
    connection = duckdb.connect()
    broken = []
    for row in rows_of(seed):
        for column in PATTERN_COLUMNS[seed]:
            if row[column] == "*":
                continue
            try:
                connection.execute("select regexp_matches('x', ?)", [row[column]])
            except duckdb.Error as error:
                broken.append((row, column, str(error)))

    assert broken == []


def test_hosts_sources_and_parameters_are_lower_case_and_plain():
    hosts = [
        row["host"]
        for seed in ("referrer_hosts", "ignored_referrer_hosts")
        for row in rows_of(REFERENCE / f"{seed}.csv")
    ]
    sources = [row["source"] for row in rows_of(REFERENCE / "source_categories.csv")]
    parameters = [row["parameter"] for row in rows_of(REFERENCE / "click_id_parameters.csv")]

    assert [host for host in hosts if not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", host)] == []
    assert [host for host in hosts if host.startswith("www.")] == []
    assert [text for text in sources + parameters if text != text.lower()] == []


def test_every_bot_rule_has_a_literal_in_lower_case():
    literals = [row["literal"] for row in rows_of(REFERENCE / "bot_user_agents.csv")]

    assert [text for text in literals if len(text) < 3 or text != text.lower()] == []


def test_every_literal_of_a_bot_rule_is_in_all_that_its_pattern_matches(refresh):
    rules = rows_of(REFERENCE / "bot_user_agents.csv")

    assert [
        rule["rule_id"] for rule in rules if rule["literal"] != refresh.literal_of(rule["pattern"])
    ] == []


def test_the_bot_rules_hold_every_rule_and_correction_of_ours(refresh):
    rules = rows_of(REFERENCE / "bot_user_agents.csv")
    corrections = refresh.read_rows("bot_corrections.csv")
    patterns = {rule["pattern"] for rule in rules}

    assert [rule for rule in rules if rule["rule_id"].startswith("generic:")] == [
        {column: str(value) for column, value in own.items()} for own in refresh.own_rules()
    ]
    assert {row["pattern"] for row in corrections} - patterns == {"*"}


@needs_lists
def test_the_bot_rules_are_those_the_published_list_and_our_own_make(refresh, published_crawlers):
    corrections = refresh.read_rows("bot_corrections.csv")
    made = refresh.published_rules(published_crawlers, corrections) + refresh.own_rules()

    assert rows_of(REFERENCE / "bot_user_agents.csv") == [
        {column: str(value) for column, value in rule.items()}
        for rule in sorted(made, key=lambda rule: rule["rule_id"])
    ]


@pytest.mark.parametrize(
    ("user_agent", "rule_id"),
    [
        ("Mozilla/5.0 (compatible; Ezooms/1.0; ezooms.bot@gmail.com)", "crawler:ezooms"),
        ("Mozilla/5.0 (compatible; Ezooms/1.0; help@moz.com)", "crawler:ezooms"),
        ("Mozilla/5.0 (Windows NT 6.1) Firefox/6.0 Google favicon", "crawler:google-favicon"),
        ("Mozilla/5.0 (X11; Linux x86_64) Chrome/49.0 Google Favicon", "crawler:google-favicon"),
    ],
)
def test_a_bot_is_found_whether_its_name_begins_with_a_capital_or_not(user_agent, rule_id):
    assert rule_id in bot_rules_of([user_agent])[user_agent]


def test_a_word_that_ends_in_the_name_of_a_bot_is_no_bot():
    calendar = (
        "Mozilla/5.0 (X11; Linux x86_64; rv:24.0) Gecko/20100101 Thunderbird/24.2.0 Lightning/2.6.4"
    )
    found = bot_rules_of([calendar, calendar.replace("Lightning", "LIGHTNING"), "NING/1.0"])

    assert list(found.values()) == [set(), set(), {"crawler:ning"}]


def test_phones_called_cubot_are_no_bots():
    phone = "Mozilla/5.0 (Linux; Android 9; CUBOT_X19) AppleWebKit/537.36 Chrome/96.0 Safari/537.36"

    assert bot_rules_of([phone, phone.replace("CUBOT", "Cubot")]) == {
        phone: set(),
        phone.replace("CUBOT", "Cubot"): set(),
    }


@pytest.mark.parametrize(
    ("user_agent", "category"),
    [
        (
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "search_engine",
        ),
        ("Mozilla/5.0; compatible; ChatGPT-User/1.0; +https://openai.com/bot", "ai_agent"),
        ("Mozilla/5.0 (compatible; Claude-User/1.0; +Claude-User@anthropic.com)", "ai_agent"),
        ("Mozilla/5.0 (compatible; Somebody-User/1.0)", "ai_agent"),
        ("Mozilla/5.0 (compatible; GPTBot/1.2; +https://openai.com/gptbot)", "ai_crawler"),
        ("Mozilla/5.0 (compatible; ClaudeBot/1.0; +claudebot@anthropic.com)", "ai_crawler"),
        ("python-requests/2.31.0", "http_library"),
        ("curl/8.5.0", "http_library"),
        ("Ruby", "http_library"),
        ("fetch libfetch/2.0", "http_library"),
        ("portscout/0.8.1", "monitoring"),
        ("Robosourcer/1.0", "other"),
        ("UniversalFeedParser/5.2.1 +https://code.google.com/p/feedparser/", "feed_reader"),
        ("Liferea/1.10.6 (Linux; en_US.UTF8; http://liferea.sf.net/) AppleWebKit", "feed_reader"),
        (
            "Mozilla/5.0 (X11) AppleWebKit/537.36 HeadlessChrome/120.0 Safari/537.36",
            "browser_automation",
        ),
        ("SomethingNobodyKnowsBot/1.0", "other"),
    ],
)
def test_the_lowest_category_priority_says_what_a_bot_is_for(user_agent, category):
    rules = {row["rule_id"]: row for row in rows_of(REFERENCE / "bot_user_agents.csv")}
    matched = [rules[rule_id] for rule_id in bot_rules_of([user_agent])[user_agent]]

    decisive = min(matched, key=lambda rule: int(rule["category_priority"]))
    assert decisive["bot_category"] == category


@needs_lists
def test_no_browser_of_a_person_is_called_a_bot():
    found = bot_rules_of(isbot_samples("browsers.yml"))

    assert len(found) > 500
    assert set().union(*found.values()) - {"generic:ai_user_fetcher"} == BOTS_AMONG_ISBOTS_BROWSERS


@needs_lists
def test_as_many_crawlers_are_found_as_were_measured():
    samples = isbot_samples("crawlers.yml")
    found = bot_rules_of(samples)

    assert sum(bool(found[agent]) for agent in samples) >= ISBOT_CRAWLERS_FOUND


@needs_lists
def test_every_published_sample_of_a_bot_is_found_unless_left_out_on_purpose(published_crawlers):
    corrections = rows_of(REPOSITORY / "seeds" / "refresh" / "own" / "bot_corrections.csv")
    left_out = {row["published_pattern"] for row in corrections if row["action"] == "leave_out"}
    samples = [
        sample
        for crawler in published_crawlers
        if crawler["pattern"] not in left_out
        for sample in crawler["instances"]
    ]
    found = bot_rules_of(samples)

    assert len(samples) > 2000
    assert [sample for sample in samples if not found[sample]] == []


@needs_lists
def test_every_match_contains_its_literal(published_crawlers):
    samples = [sample for crawler in published_crawlers for sample in crawler["instances"]]
    samples += isbot_samples("crawlers.yml")
    rules = rows_of(REFERENCE / "bot_user_agents.csv")
    patterns = [(re.compile(rule["pattern"]), rule["literal"]) for rule in rules]

    without = [
        (pattern.pattern, literal, sample)
        for pattern, literal in patterns
        for sample in samples
        if literal not in sample.lower() and pattern.search(sample)
    ]

    assert without == []


@pytest.mark.parametrize(
    ("user_agent", "device_category"),
    [
        ("Dalvik/1.6.0 (Linux; U; Android 4.1.2; GT-I9100 Build/JZO54K)", "mobile"),
        ("Instagram 3.0.4 Android (8/2.2.1; 240dpi; 480x800; HTC/verizon_wwe)", "mobile"),
        ("Reaper/1.3.6 (Linux; U; Android 4.3; de-DE; GT-I9300 Build/JSS15J)", "mobile"),
        ("AncestryAndroid/13.5 (deviceType=tablet/6.86)", "tablet"),
        (
            "Mozilla/5.0 (Linux; U; Android 4.1.2; it-it; GT-P3100 Build/JZO54K) "
            "AppleWebKit/534.30 (KHTML, like Gecko) Version/4.0 Safari/534.30",
            "tablet",
        ),
        (
            "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Chrome/120.0.0.0 Mobile Safari/537.36",
            "mobile",
        ),
        ("Mozilla/5.0 (Android; Tablet; rv:27.0) Gecko/27.0 Firefox/27.0", "tablet"),
        ("Mozilla/5.0 (X11; FreeBSD amd64) AppleWebKit/537.36 Chrome/30.0 Safari/537", "desktop"),
    ],
)
def test_android_without_mobile_is_a_tablet_only_in_a_browser(user_agent, device_category):
    assert labels_of(user_agent)["device_category"] == device_category


@pytest.mark.parametrize(
    ("user_agent", "operating_system"),
    [
        ("Mozilla/5.0 (X11; FreeBSD amd64) AppleWebKit/537.36 Chrome/30.0 Safari/537", "FreeBSD"),
        ("Mozilla/5.0 (X11; NetBSD amd64; rv:24.0) Gecko/20131021 Firefox/24.0", "NetBSD"),
        ("Mozilla/5.0 (X11; U; OpenBSD i386; en-US) Gecko/20100116 Firefox/3.5.6", "OpenBSD"),
        ("Mozilla/5.0 (X11; U; SunOS sun4u; en-US) Gecko/20050105 Epiphany/1.4.8", "SunOS"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:24.0) Gecko/20100101 Firefox/24.0", "Linux"),
        ("Mozilla/5.0 (X11; Ubuntu; rv:24.0) Gecko/20100101 Firefox/24.0", "Linux"),
        ("Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 Chrome/120.0", "ChromeOS"),
    ],
)
def test_a_system_with_x11_goes_by_its_own_name(user_agent, operating_system):
    assert labels_of(user_agent)["operating_system"] == operating_system


@pytest.mark.parametrize(
    ("host", "medium"),
    [
        ("www.google.com", "search"),
        ("google.com.br", "search"),
        ("images.google.de", "search"),
        ("mail.google.com", "email"),
        ("gemini.google.com", "ai"),
        ("docs.google.com", "referral"),
        ("notgoogle.com", "none"),
        ("de.search.yahoo.com", "search"),
        ("mail.yahoo.com", "email"),
        ("l.facebook.com", "social"),
        ("lm.facebook.com", "social"),
        ("t.co", "social"),
        ("x.com", "social"),
        ("xx.com", "none"),
        ("m.youtube.com", "video"),
        ("www.amazon.co.jp", "shopping"),
        ("aws.amazon.com", "referral"),
        ("chatgpt.com", "ai"),
        ("www.perplexity.ai", "ai"),
        ("copilot.microsoft.com", "ai"),
        ("cn.bing.com", "search"),
        ("yandex.com.tr", "search"),
        ("com.google.android.gm", "email"),
        ("example.com", "none"),
    ],
)
def test_the_longest_host_says_what_a_referrer_is(host, medium):
    assert medium_of_referrer(host) == medium


def test_no_referrer_host_is_also_ignored():
    listed = {row["host"] for row in rows_of(REFERENCE / "referrer_hosts.csv")}
    ignored = {row["host"] for row in rows_of(REFERENCE / "ignored_referrer_hosts.csv")}

    assert listed & ignored == set()


@needs_lists
def test_every_source_of_ga4s_sheet_keeps_its_category():
    sheet = rows_of(LISTS / "ga4_source_categories.csv")
    categories = {
        row["source"]: row["category"] for row in rows_of(REFERENCE / "source_categories.csv")
    }

    assert len(sheet) == 819
    assert [
        row["source"]
        for row in sheet
        if f"SOURCE_CATEGORY_{categories[row['source'].lower()].upper()}" != row["source_category"]
    ] == []


def test_paid_click_ids_come_before_the_others():
    parameters = sorted(
        rows_of(REFERENCE / "click_id_parameters.csv"), key=lambda row: int(row["priority"])
    )

    assert [int(row["priority"]) for row in parameters] == list(range(1, len(parameters) + 1))
    assert [row["is_paid"] for row in parameters] == sorted(
        (row["is_paid"] for row in parameters), reverse=True
    )


def test_channel_rules_are_in_ga4s_order_and_one_per_priority():
    rules = rows_of(DEFINITIONS / "channel_rules.csv")
    ga4_rules = [rule for rule in rules if rule["rule_id"].startswith("ga4_")]

    assert [int(rule["priority"]) for rule in rules] == list(range(1, len(rules) + 1))
    assert list(dict.fromkeys(rule["channel"] for rule in ga4_rules)) == GA4_CHANNELS_IN_ORDER
    assert {rule["channel"] for rule in rules} - set(GA4_CHANNELS_IN_ORDER) == {"AI Assistants"}


@pytest.mark.parametrize(
    ("session", "rule_id"),
    [
        ({"source": "(direct)", "medium": "(none)"}, "ga4_01_direct"),
        ({"source": "(direct)", "medium": "(not set)"}, "ga4_01_direct"),
        ({"medium": "cpc", "campaign": "eu cross-network 7"}, "ga4_02_cross_network"),
        ({"medium": "ppc", "category": "shopping"}, "ga4_03_paid_shopping_source"),
        ({"medium": "cpc", "campaign": "spring-shop"}, "ga4_03_paid_shopping_campaign"),
        ({"medium": "cpc", "campaign": "my-eshop"}, "ga4_03_paid_shopping_campaign"),
        ({"medium": "cpc", "campaign": "photoshop"}, "ga4_08_paid_other"),
        ({"medium": "cpc", "campaign": "spring", "category": "search"}, "ga4_04_paid_search"),
        ({"medium": "paidsocial", "category": "social"}, "ga4_05_paid_social"),
        ({"medium": "retargeting", "category": "video"}, "ga4_06_paid_video"),
        ({"medium": "cpm"}, "ga4_07_display"),
        ({"medium": "cpm", "category": "search"}, "ga4_04_paid_search"),
        ({"medium": "cpa"}, "ga4_08_paid_other"),
        ({"medium": "cpc", "category": "ai"}, "ga4_08_paid_other"),
        ({"medium": "referral", "category": "shopping"}, "ga4_09_organic_shopping_source"),
        ({"medium": "email", "campaign": "shopping-mail"}, "ga4_09_organic_shopping_campaign"),
        ({"medium": "referral", "category": "social"}, "ga4_10_organic_social_source"),
        ({"medium": "social network"}, "ga4_10_organic_social_medium"),
        ({"medium": "referral", "category": "video"}, "ga4_11_organic_video_source"),
        ({"medium": "in-video"}, "ga4_11_organic_video_medium"),
        ({"medium": "(not set)", "category": "search"}, "ga4_12_organic_search_source"),
        ({"medium": "organic"}, "ga4_12_organic_search_medium"),
        ({"medium": "referral", "category": "ai"}, "own_ai_assistants"),
        ({"source": "chatgpt.com", "category": "ai"}, "own_ai_assistants"),
        ({"source": "blog.example", "medium": "referral"}, "ga4_13_referral"),
        ({"source": "e-mail"}, "ga4_14_email_source"),
        ({"source": "newsletter", "medium": "email"}, "ga4_14_email_medium"),
        ({"medium": "affiliate"}, "ga4_15_affiliates"),
        ({"medium": "audio"}, "ga4_16_audio"),
        ({"source": "sms"}, "ga4_17_sms_source"),
        ({"medium": "sms"}, "ga4_17_sms_medium"),
        ({"medium": "web-push"}, "ga4_18_push_medium"),
        ({"medium": "mobile-app"}, "ga4_18_push_medium"),
        ({"source": "firebase"}, "ga4_18_push_source"),
        ({"source": "partner", "medium": "banner-swap"}, "ga4_19_unassigned"),
        ({}, "ga4_19_unassigned"),
    ],
)
def test_the_first_matching_channel_rule_decides(session, rule_id):
    assert channel_of(**session) == rule_id


def test_the_shipped_access_log_shows_only_private_addresses():
    log = gzip.decompress((EXPORTS / "blog_logs" / "elastic_apache_combined.log.gz").read_bytes())
    addresses = [line.split(b" ")[0] for line in log.splitlines()]

    assert len(addresses) == 10_000
    assert {address for address in addresses if not address.startswith(b"10.0.")} == set()
