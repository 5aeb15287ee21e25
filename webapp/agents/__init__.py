"""``easel mcp``: tools for agents, over the job API of a running service."""
