"""Jobs of the job API: their records, their ends, webhooks. No Flask, no torch."""
