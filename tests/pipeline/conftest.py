"""What the pipeline tests share: the shipped exports loaded, built and published once."""

import pytest

from orchestration import dbt, operations, publishing
from orchestration.settings import Settings
from tests.references.warehouses import BuiltWarehouse, made_once, run_dbt


@pytest.fixture(scope="session")
def built_warehouse() -> BuiltWarehouse:
    """Return the warehouse of the sources in sources.yml, with every mart built and published."""
    return BuiltWarehouse(made_once("built", _build))


def _build(settings: Settings) -> None:
    operations.load(settings)
    run_dbt(settings, *dbt.BUILD)
    publishing.publish(settings)
