"""Are the rules of the house kept? Read from dbt's manifest and from the files; no warehouse."""

import csv
import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PROJECT = ROOT / "dbt_project"
MODELS = PROJECT / "models"
LAYERS = ("staging", "intermediate", "marts", "quality")
ROOMS = ("events", "sessions", "persons", "conversions", "funnels", "attribution")
SIBLING_ROOMS = {"funnels", "attribution"}
MODEL_FILES = sorted(MODELS.rglob("*.sql"))


def folder(node: dict) -> tuple[str, ...]:
    """Return a model's place: its layer and, below it, its room or source kind."""
    return Path(node["path"]).parent.parts


@pytest.fixture(scope="module")
def models(manifest: dict) -> dict[str, dict]:
    return {
        key: node for key, node in manifest["nodes"].items() if node["resource_type"] == "model"
    }


def parents(node: dict, kind: str) -> list[str]:
    return [key for key in node["depends_on"]["nodes"] if key.startswith(f"{kind}.")]


@pytest.mark.parametrize("path", MODEL_FILES, ids=lambda path: path.stem)
def test_every_model_has_its_twin(path: Path) -> None:
    twin = path.with_suffix(".yml")
    assert twin.is_file(), f"{path} has no {twin.name} beside it"
    described = [model["name"] for model in yaml.safe_load(twin.read_text())["models"]]
    assert described == [path.stem]


def test_every_model_says_what_a_row_is(models: dict) -> None:
    wrong = [key for key, node in models.items() if not node["description"].startswith("One row")]
    assert not wrong


def test_every_column_is_described(models: dict) -> None:
    wrong = [
        f"{key}.{name}"
        for key, node in models.items()
        for name, column in node["columns"].items()
        if len(column["description"]) < 3
    ]
    assert models and not wrong


def test_marts_and_quality_enforce_a_contract(models: dict) -> None:
    wrong = [
        key
        for key, node in models.items()
        if folder(node)[0] in ("marts", "quality") and not node["contract"]["enforced"]
    ]
    assert not wrong


def test_every_model_after_staging_has_a_tested_key(manifest: dict, models: dict) -> None:
    tested = {
        test["attached_node"]
        for test in manifest["nodes"].values()
        if test["resource_type"] == "test"
        and (test.get("test_metadata") or {}).get("name") in ("unique", "unique_together")
    }
    passed_through = {  # one row per row of the model before, whose key is tested
        "int_events_named",
        "int_events_unioned",
        "int_event_items_unioned",
        "int_event_properties_unioned",
        "int_page_views_identified",
        "int_identity_links_unioned",
        "int_profiles_unioned",
        "int_sessions_channeled",
    }
    passed_on = {  # one row per row of a mart, whose key is tested
        "int_conversions_identified",
        "int_event_items_accepted",
        "int_events_accepted",
        "int_funnel_entrants_advanced",
        "int_identities_dated",
        "int_page_views_measured",
        "int_persons_summarized",
        "int_sessions_identified",
    }
    credited = {  # one row per touch, or per touch and model: the key of a touch is tested
        "attribution_touches",
        "int_credits_assigned_by_rules",
        "int_touches_found",
    }
    wrong = [
        key
        for key, node in models.items()
        if folder(node)[0] != "staging"
        and key not in tested
        and node["name"] not in passed_through | passed_on | credited
    ]
    assert not wrong


def test_names_say_layer_and_source(models: dict) -> None:
    for node in models.values():
        layer, *below = folder(node)
        name = node["name"]
        if layer == "staging":
            assert re.fullmatch(rf"stg_{below[0]}__[a-z_]+s", name), name
        elif layer == "intermediate":
            assert name.startswith("int_"), name
        else:
            assert not name.startswith(("stg_", "int_")), name


def test_only_staging_reads_sources_and_only_its_own(manifest: dict, models: dict) -> None:
    for key, node in models.items():
        sources = parents(node, "source")
        if folder(node)[0] != "staging":
            assert not sources, f"{key} reads {sources}; only staging may"
            continue
        assert sources and not parents(node, "model") and not parents(node, "seed"), key
        kind = folder(node)[1]
        for source in sources:
            table = manifest["sources"][source]
            own = table["source_name"] == kind or table["name"].startswith(f"{kind}_")
            assert own, f"{key} reads {source}, which is not of its kind"


def test_a_test_of_what_a_run_has_changed_says_by_which_unit_and_columns(manifest: dict) -> None:
    kept_to = {
        key: node["config"]["meta"]["restated"]
        for key, node in manifest["nodes"].items()
        if node["resource_type"] == "test" and "restated" in node["config"].get("meta", {})
    }
    names = {"unit", "column"}
    wrong = {
        key: restated
        for key, restated in kept_to.items()
        if not names <= set(restated) <= names | {"day", "day_of_other"}
    }
    assert len(kept_to) > 10 and not wrong


def test_no_unit_is_passed_on_while_a_table_of_it_is_written(models: dict) -> None:
    above: dict[str, set[str]] = {}
    order = TopologicalSorter({key: parents(node, "model") for key, node in models.items()})
    for key in order.static_order():
        over = parents(models[key], "model")
        above[key] = set(over).union(*(above[parent] for parent in over))
    checked = 0
    for giver, node in models.items():
        meta = node["config"]["meta"]
        passed_on = [*meta.get("passes_on", []), *meta.get("passes_on_where_it_differs", [])]
        units = {unit for unit, _ in passed_on}
        if node["name"] == "int_events_sessionized":
            units = {"event", "event_day", "session", "device", "day"}
        # what passes on sessions or events passes on their days
        assert not units & {"session", "event"} or "event_day" in units, giver
        for taker, other in models.items():
            asked_of = set(re.findall(r"_restated(?:_event|_day)?\(\s*'(\w+)'", other["raw_code"]))
            asked_of.add(other["config"]["meta"].get("unit"))
            # days of events only narrow where restated events or sessions are looked for
            asked_of.discard("event_day")
            if asked_of & units and taker != giver:
                assert giver in above[taker], f"{taker} must come after {giver}"
                checked += 1
    assert checked > 10


def test_data_flows_one_way(models: dict) -> None:
    for key, node in models.items():
        layer, *below = folder(node)
        for parent_key in parents(node, "model"):
            parent_layer, *parent_below = folder(models[parent_key])
            arrow = f"{parent_key} -> {key}"
            if layer == "intermediate" and parent_layer == "staging":
                allowed = parent_below == ["loader"] or node["name"].endswith("_unioned")
                assert allowed, f"{arrow}: only the union reads the kinds"
            elif layer == "intermediate":
                assert parent_layer == "intermediate", arrow
                room, parent_room = below[0], parent_below[0]
                assert ROOMS.index(parent_room) <= ROOMS.index(room), arrow
                both = {room, parent_room}
                assert len(both) == 1 or not both <= SIBLING_ROOMS, arrow
            elif layer == "marts":
                assert parent_layer == "intermediate" or parent_below == below, arrow


def test_engine_differences_stay_in_their_room() -> None:
    forks = re.compile(r"target\.type|adapter\.dispatch")
    wrong = [
        str(path)
        for path in [*MODELS.rglob("*.sql"), *(PROJECT / "macros").rglob("*.sql")]
        if path.parent.name != "engine" and forks.search(path.read_text())
    ]
    assert not wrong


def test_every_engine_name_has_a_promise_and_every_engine_keeps_it() -> None:
    engine = PROJECT / "macros" / "engine"
    names = set(re.findall(r"macro (\w+)\(", (engine / "engine.sql").read_text()))
    promised = yaml.safe_load((engine / "engine.yml").read_text())["macros"]
    assert names == {macro["name"] for macro in promised}
    for path in engine.glob("*.sql"):
        if path.stem != "engine":
            kept = set(re.findall(rf"macro {path.stem}__(\w+)\(", path.read_text()))
            assert kept == names, path


def test_staging_delivers_the_event_contract(models: dict) -> None:
    contract = macro_list("event_columns")
    beside = {
        "revised_at": macro_list("source_kinds_that_revise"),
        "properties_hash": macro_list("source_kinds_that_hash_properties"),
        "is_engaged_by_tracker": macro_list("source_kinds_that_judge_engagement"),
    }
    for node in models.values():
        if node["name"].startswith("stg_") and node["name"].endswith("__events"):
            kind = node["name"].removeprefix("stg_").removesuffix("__events")
            expected = contract + [column for column, kinds in beside.items() if kind in kinds]
            assert sorted(node["columns"]) == sorted(expected), node["name"]


def test_the_list_of_kinds_is_the_list_of_twins() -> None:
    for list_of_kinds, what in {
        "source_kinds": "events",
        "source_kinds_with_items": "event_items",
        "source_kinds_with_properties": "event_properties",
        "source_kinds_with_profiles": "profiles",
        "source_kinds_with_identity_links": "identity_links",
    }.items():
        twins = {path.parent.name for path in MODELS.glob(f"staging/*/stg_*__{what}.yml")}
        assert sorted(twins) == macro_list(list_of_kinds), what


def test_no_vendor_is_named_in_python() -> None:
    # `generic` is no vendor; the others are named by their twins alone
    kinds = set(macro_list("source_kinds")) - {"generic"}
    wrong = [
        f"{path.relative_to(ROOT)}: {kind}"
        for path in (ROOT / "orchestration").rglob("*.py")
        for kind in kinds
        if re.search(rf"\b{kind}\b", path.read_text())
    ]
    assert not wrong


def test_every_setting_is_read() -> None:
    settings = yaml.safe_load((PROJECT / "dbt_project.yml").read_text())["vars"]
    text = "".join(
        path.read_text()
        for place in (MODELS, PROJECT / "macros", ROOT / "tests" / "data")
        for path in [*place.rglob("*.sql"), *place.rglob("*.yml")]
    )
    unread = [name for name in settings if not re.search(rf"var\(['\"]{name}['\"]\)", text)]
    unknown = set(re.findall(r"var\(['\"](\w+)['\"]\)", text)) - set(settings)
    assert not unread and not unknown


@pytest.mark.parametrize(
    "path", sorted((ROOT / "seeds" / "definitions").glob("*.csv")), ids=lambda path: path.stem
)
def test_no_definition_cell_is_empty(path: Path) -> None:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows
    assert all(cell not in (None, "") for row in rows for cell in row.values())
    assert path.with_suffix(".yml").is_file()


def test_every_promise_begins_with_a_plain_sentence() -> None:
    for path in (ROOT / "tests" / "data").glob("*.sql"):
        assert path.stem.startswith("assert_"), path
        assert re.match(r"-- [A-Z].*\.", path.read_text()), path


def macro_list(name: str) -> list[str]:
    """Return the list of texts that a macro of event_columns.sql returns."""
    text = (PROJECT / "macros" / "event_columns.sql").read_text()
    body = re.search(rf"macro {name}\(\) %}}(.*?)endmacro", text, re.DOTALL)
    assert body, f"macro {name} is gone"
    return re.findall(r"'(\w+)'", body.group(1))
