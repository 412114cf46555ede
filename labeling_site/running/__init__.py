"""Starting a site on one machine: looking first, its own broker, child processes, and leaving nothing behind."""
