"""Links for people without a credential: what they lead to, how long, and for whom."""
