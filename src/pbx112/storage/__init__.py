"""All SQL stands here: the engine, the tables, and one module of functions for each kind of row."""
