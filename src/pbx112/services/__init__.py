"""What the centre does: intake, call records, operators, the live feed. Commits are made by the edges."""
