"""The roof: the only place that builds the rooms and connects them."""
