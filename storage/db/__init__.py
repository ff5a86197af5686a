"""Database: tables, connections and migrations."""
