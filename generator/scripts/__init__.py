"""The selectable scripts: requests that draw others (contract section 9.6). One file a script."""
