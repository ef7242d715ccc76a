"""What the chapters need beside the core: data sets, exercises, figures, the ledger, doctor and workshop."""
