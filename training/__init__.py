"""Draws, trains and judges the default checkpoint and its companions. No part of the service."""
