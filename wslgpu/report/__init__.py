"""One record of what was found, and its writers: terminal, JSON, JUnit and Markdown."""
