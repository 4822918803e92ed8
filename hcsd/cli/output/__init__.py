"""What commands print: tables, JSON, trees, lines for people, progress and pages."""
