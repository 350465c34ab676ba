"""Build the models without their tests, where CLICKSTREAM_DATA_DIR says.

python -m benchmarks.models_alone
"""

import sys

from orchestration.dbt import BUILD, run_dbt
from orchestration.settings import read_settings


def main() -> None:
    """Run dbt as `clickstream build` does, less the tests."""
    sys.exit(run_dbt(read_settings(), "--quiet", *BUILD, "test").exit_code)


if __name__ == "__main__":
    main()
