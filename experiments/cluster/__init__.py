"""Work of one command on the machines of a Ray cluster, kept in a folder of this machine."""
