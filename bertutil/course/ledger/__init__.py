"""Chapter 15: the ledger of claims: rules, the evidence that they share, and the claims."""
