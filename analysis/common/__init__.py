"""What the tests share: tables, figures, statistics."""
