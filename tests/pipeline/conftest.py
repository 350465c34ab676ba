"""What the pipeline tests share: the shipped exports loaded, built and published once."""

import pytest

from orchestration import dbt, operations, publishing
from tests.references.warehouses import BuiltWarehouse, run_dbt, settings_in


@pytest.fixture(scope="session")
def built_warehouse(tmp_path_factory: pytest.TempPathFactory) -> BuiltWarehouse:
    """Return the warehouse of the sources in sources.yml, with every mart built and published."""
    settings = settings_in(tmp_path_factory.mktemp("built_warehouse"))
    with operations.warehouse_lock(settings, "test", say=lambda _: None):
        operations.load(settings)
        run_dbt(settings, *dbt.BUILD)
        publishing.publish(settings)
    return BuiltWarehouse(settings)
