"""From tables of records to numbers with their errors, and verdicts on statements."""
