"""The log as Parquet files: written by range of records, held against its chain, read with SQL and no server."""
