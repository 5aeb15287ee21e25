"""Hooks and the plugins that Easel ships."""
