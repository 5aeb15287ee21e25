"""Families of networks: how their files are told, and what each one is made of."""
