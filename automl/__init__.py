"""What machines learn from annotations and hand back. Its rooms are drawn in ARCHITECTURE.md; nothing lives here."""
