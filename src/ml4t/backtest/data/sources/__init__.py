"""Sources: what was registered, in which columns, held to which contracts and checks."""
