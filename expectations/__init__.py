"""Great Expectations suites as code, one module per gated table, and the small adapter that runs GX on DuckDB."""
