"""Pages for people who run a centre: plain HTML that works without a script, and a little htmx on top."""
