"""What was seen, judged: pure functions from a report to what it means. Renderings and watchers ask here."""
