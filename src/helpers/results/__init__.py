"""Results: tables, statistics, claims, the ledger."""
