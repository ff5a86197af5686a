"""Result rows: writing, reading, reviewing, exporting."""
