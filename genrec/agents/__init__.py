"""What agents call: the gateway's questions as tools of the Model Context Protocol."""
