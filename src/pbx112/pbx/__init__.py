"""The compiler: configuration -> Asterisk's files, written whole, reloaded, read back."""
