"""File browser of this service: roots, rights, previews, upload rules."""
