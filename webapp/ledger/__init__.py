"""The ledger: what each user's jobs took of the devices. No Flask."""
