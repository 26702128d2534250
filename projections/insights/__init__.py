"""Insights: from their definitions to ClickHouse SQL and back to the rows that a chart is drawn from."""
